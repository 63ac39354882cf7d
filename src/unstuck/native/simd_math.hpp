// exp, log, tanh and square root of vectors, to a few units in the last place. The polynomials are minimax (Remez); the
// argument's type says how many lanes there are.
#pragma once

#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "simd.hpp"

namespace unstuck::UNSTUCK_ISA {

template <class T>
constexpr int mantissa_bits = std::numeric_limits<T>::digits - 1;
template <class T>
constexpr int exponent_bias = std::numeric_limits<T>::max_exponent - 1;

// exp(x) = 2^k p, p = exp(x - k ln 2), |x - k ln 2| <= ln 2 / 2.
template <class T, class V>
struct Exponential {
    using S = Simd<T, sizeof(V)>;
    V p;
    typename S::Integers k;

    explicit Exponential(V x) {
        constexpr bool single = sizeof(T) == 4;
        constexpr T log2e = T(1.44269504088896340736);
        constexpr T high = single ? T(0.693359375) : T(6.93145751953125e-1);
        constexpr T low = single ? T(-2.12194440e-4) : T(1.42860682030941723212e-6);
        // round to nearest by adding and subtracting 1.5 * 2^mantissa; the integer is then in the low bits
        const V shift = S::splat(T(1.5) * T(std::int64_t(1) << mantissa_bits<T>));
        const V shifted = x * log2e + shift;
        k = (typename S::Integers)((typename S::Bits)shifted - (typename S::Bits)shift);
        const V rounded = shifted - shift, r = (x - rounded * high) - rounded * low;
        if constexpr (single)
            p = polynomial<T>(
                r, {1.0, 1.0, 0.499999934489, 0.166665206306, 0.0416683877289, 0.00836871703328, 0.00138146177907});
        else
            p = polynomial<T>(r, {1.0, 1.0, 0.50000000000000106278, 0.16666666666666412796, 0.041666666666530158293,
                                  0.0083333333334942748444, 0.0013888888943629427703, 0.00019841269506999064567,
                                  0.000024801493100114354073, 2.7557585988446178521e-6, 2.7630247838214363193e-7,
                                  2.5000185829692976914e-8});
    }
    static V power_of_two(typename S::Integers k) {
        return (V)(((typename S::Bits)k + exponent_bias<T>) << mantissa_bits<T>);
    }
};

// Outside its range exp is 0 or infinite. It is computed there all the same and then replaced, since cutting x off
// before would lengthen the chain of dependent steps. A number that is not one stays so.
template <class T, class V>
V exp(V x) {
    using E = Exponential<T, V>;
    constexpr bool single = sizeof(T) == 4;
    constexpr T top = single ? T(88.72) : T(709.78), bottom = single ? T(-87.33) : T(-708.39);
    const E e(x);
    // in two halves, since 2^k alone overflows at the top of the range
    const auto half = e.k >> 1;
    const V scaled = e.p * E::power_of_two(half) * E::power_of_two(e.k - half);
    return x > top ? E::S::splat(T(INFINITY)) : (x < bottom ? V{} : scaled);
}

// Where |x| is less than this, 2^k is a normal number.
template <class T>
constexpr T exp_range = sizeof(T) == 4 ? T(87) : T(708);

template <class T, class V>
V exp_of_negative(V x) {
    const Exponential<T, V> e(x);
    return x < -exp_range<T> ? V{} : e.p * e.power_of_two(e.k);
}

// 1 / (1 + exp(-x))
template <class T, class V>
V sigmoid(V x) {
    const Exponential<T, V> e(-x);
    const V a = 1 / (1 + e.p * e.power_of_two(e.k));
    return x > exp_range<T> ? V{} + 1 : (x < -exp_range<T> ? V{} : a);
}

// log(x) = k ln 2 + 2 atanh(s), x = 2^k m, s = (m - 1) / (m + 1), for normal numbers; of others it is not finite.
template <class T, class V>
V log(V x) {
    using S = Simd<T, sizeof(V)>;
    using I = typename S::Integers;
    using Bits = typename S::Bits;
    constexpr bool single = sizeof(T) == 4;
    constexpr T high = single ? T(0.693359375) : T(6.93145751953125e-1);
    constexpr T low = single ? T(-2.12194440e-4) : T(1.42860682030941723212e-6);
    constexpr std::make_unsigned_t<typename S::Integer> root_half = single ? 0x3f3504f3 : 0x3fe6a09e667f3bcd;
    const I from_root_half = (I)((Bits)x - root_half);
    const I k = from_root_half >> mantissa_bits<T>;
    const V m = (V)((Bits)x - ((Bits)k << mantissa_bits<T>));
    const V f = m - 1, s = f / (2 + f), s2 = s * s;
    const V exponent = __builtin_convertvector(k, V);
    V p;
    if constexpr (single)
        p = polynomial<T>(s2, {0.66666776716, 0.39977495743, 0.298730692226});
    else
        p = polynomial<T>(
            s2, {0.66666666666667349033, 0.39999999999411054981, 0.28571428743268509049, 0.22222198475571648556,
                 0.18183569754506178478, 0.1531390299885882046, 0.14797509228849079071});
    // 2 atanh(s) = f - s (f - s^2 p), which keeps all of f
    const V result = exponent * high + (f - (s * (f - s2 * p) - exponent * low));
    return x >= std::numeric_limits<T>::min() && x < T(INFINITY) ? result : S::splat(T(NAN));
}

// log(1 + x) for x in [0, 1], to full relative precision: what 1 + x loses of x is added to the logarithm.
template <class T, class V>
V log1p_of_unit(V x) {
    const V u = 1 + x;
    return log<T>(u) + (x - (u - 1));
}

// x + x^3 Q(x^2) near zero, where 1 - 2 / (exp(2x) + 1) cancels.
template <class T, class V>
V tanh(V x) {
    const V size = x < 0 ? -x : x, x2 = x * x;
    const V e = exp_of_negative<T>(-2 * size);
    const V far = (1 - e) / (1 + e);
    V q;
    if constexpr (sizeof(T) == 4)
        q = polynomial<T>(x2, {-0.333332819474, 0.133314423379, -0.0537397265255, 0.0206391240471, -0.00570502724954});
    else
        q = polynomial<T>(x2, {-0.33333333333332855248, 0.13333333333262090997, -0.053968253931267962799,
                               0.021869487576107118419, -0.0088632210028611938598, 0.0035919891761072240443,
                               -0.0014549588915608883981, 0.00058631658963744455658, -0.00022856431885626051114,
                               0.000077144496697990813562, -0.000016072636306781054929});
    return size < T(0.625) ? x + x * (x2 * q) : (x < 0 ? -far : far);
}

// also of a single number
template <class T, class V>
V sqrt(V x) {
    if constexpr (std::is_arithmetic_v<V>) {
        return std::sqrt(x);
    } else {
        V root{};
        for (std::size_t k = 0; k < sizeof(V) / sizeof(T); ++k) root[k] = std::sqrt(x[k]);
        return root;
    }
}

}  // namespace unstuck::UNSTUCK_ISA
