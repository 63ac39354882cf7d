// Vectors of the widest registers of one instruction set, by GCC's vector extensions, with next to no intrinsics, so
// the same text serves SSE2, AVX2, AVX-512 and NEON. UNSTUCK_ISA and UNSTUCK_BYTES are set by the file that includes
// this one.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace unstuck::UNSTUCK_ISA {

template <class T>
struct Simd {
    static constexpr int lanes = UNSTUCK_BYTES / sizeof(T);
    typedef T Vector __attribute__((vector_size(UNSTUCK_BYTES)));
    using Integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    typedef Integer Integers __attribute__((vector_size(UNSTUCK_BYTES)));

    static Vector load(const T *from) {
        Vector v;
        std::memcpy(&v, from, sizeof v);
        return v;
    }
    static void store(T *to, Vector v) { std::memcpy(to, &v, sizeof v); }
    static Vector splat(T x) { return x - Vector{}; }

    // 0, 1, 2, ...
    static Integers numbers() {
        Integers result{};
        for (int j = 0; j < lanes; ++j) result[j] = j;
        return result;
    }

    // All lanes combined into one number: halves, quarters, ...
    template <class Combine>
    static T across(Vector v, Combine combine) {
        return fold<lanes / 2>(v, combine);
    }

  private:
    template <int step, class Combine>
    static T fold(Vector v, Combine combine) {
        if constexpr (step == 0) {
            return v[0];
        } else {
            const auto moved = [&]<int... J>(std::integer_sequence<int, J...>) {
                return __builtin_shufflevector(v, v, (J ^ step)...);
            }(std::make_integer_sequence<int, lanes>{});
            return fold<step / 2>(combine(v, moved), combine);
        }
    }
};

// m / (sqrt(v) + epsilon), v >= 0. AVX-512 has estimates of 1 / sqrt and 1 / x with errors below 2^-14, which a step of
// Newton's method brings down to rounding at a third of the time of a square root and a division.
template <class T>
typename Simd<T>::Vector over_root(typename Simd<T>::Vector m, typename Simd<T>::Vector v, T epsilon) {
    using S = Simd<T>;
#ifdef __AVX512F__
    if constexpr (sizeof(T) == 4) {
        constexpr T least = std::numeric_limits<T>::min(), most = std::numeric_limits<T>::max();
        const auto y = (typename S::Vector)_mm512_maskz_rsqrt14_ps(0xffff, (__m512)(v > least ? v : S::splat(least)));
        const auto estimate = v * y;
        const auto denominator = estimate + T(0.5) * y * (v - estimate * estimate) + epsilon;
        auto r = (typename S::Vector)_mm512_maskz_rcp14_ps(0xffff, (__m512)denominator);
        r += r * (1 - denominator * r);
        return v > most ? 0 * m : m * r;
    }
#endif
    typename S::Vector root;
    for (int j = 0; j < S::lanes; ++j) root[j] = std::sqrt(v[j]);
    return m / (root + epsilon);
}

// exp(x) = 2^k exp(r), |r| <= ln 2 / 2, the rest by a polynomial (Cephes). Below the range it is 0, above it infinite.
template <class T>
[[gnu::always_inline]] inline typename Simd<T>::Vector exp(typename Simd<T>::Vector x) {
    using S = Simd<T>;
    using V = typename S::Vector;
    using I = typename S::Integers;
    constexpr bool single = sizeof(T) == 4;
    constexpr T log2e = T(1.44269504088896340736);
    constexpr T high = single ? T(0.693359375) : T(6.93145751953125e-1);
    constexpr T low = single ? T(-2.12194440e-4) : T(1.42860682030941723212e-6);
    constexpr T top = single ? T(88.72) : T(709.78), bottom = single ? T(-87.33) : T(-708.39);
    constexpr int mantissa = single ? 23 : 52, bias = single ? 127 : 1023;
    const V clamped = x > top ? S::splat(top) : (x < bottom ? S::splat(bottom) : x);
    // round to nearest by adding and subtracting 1.5 * 2^mantissa; the integer is then in the low bits
    const V shift = S::splat(T(1.5) * T(std::int64_t(1) << mantissa));
    const V shifted = clamped * log2e + shift;
    const V k = shifted - shift;
    const V r = (clamped - k * high) - k * low;
    V p;
    if constexpr (single) {
        p = S::splat(T(1.9875691500e-4));
        for (T c : {T(1.3981999507e-3), T(8.3334519073e-3), T(4.1665795894e-2), T(1.6666665459e-1), T(5.0000001201e-1)})
            p = p * r + c;
        p = p * r * r + r + T(1);
    } else {
        const V r2 = r * r;
        V a = S::splat(T(1.26177193074810590878e-4));
        a = (a * r2 + T(3.02994407707441961300e-2)) * r2 + T(9.99999999999999999910e-1);
        a = a * r;
        V b = S::splat(T(3.00198505138664455042e-6));
        b = ((b * r2 + T(2.52448340349684104192e-3)) * r2 + T(2.27265548208155028766e-1)) * r2 + T(2.0);
        p = T(1) + T(2) * a / (b - a);
    }
    const I exponent = (I)shifted - (I)shift;
    // in two halves, since 2^k alone overflows at the top of the range
    const I half = exponent >> 1;
    const V scaled = p * (V)((half + bias) << mantissa) * (V)((exponent - half + bias) << mantissa);
    const V bounded = x > top ? S::splat(T(INFINITY)) : (x < bottom ? V{} : scaled);
    return x != x ? x : bounded;
}

}  // namespace unstuck::UNSTUCK_ISA
