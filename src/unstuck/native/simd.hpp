// Vectors by GCC's vector extensions: no intrinsics, so the same text serves SSE2, AVX2, AVX-512 and NEON. UNSTUCK_ISA
// and UNSTUCK_BYTES, the width of its registers, are set by the file that includes this one.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

namespace unstuck::UNSTUCK_ISA {

template <class T, int bytes = UNSTUCK_BYTES>
struct Simd {
    static constexpr int lanes = bytes / sizeof(T);
    typedef T Vector __attribute__((vector_size(bytes)));
    using Integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    typedef Integer Integers __attribute__((vector_size(bytes)));
    typedef std::make_unsigned_t<Integer> Bits __attribute__((vector_size(bytes)));  // whose sums may overflow

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

// c[0] + c[1] x + c[2] x^2 + ... by Estrin's scheme: pairs, then pairs of pairs, in log2 N dependent steps.
template <class V, std::size_t N>
V polynomial(V x, const std::array<V, N> &c) {
    if constexpr (N == 1) {
        return c[0];
    } else {
        std::array<V, (N + 1) / 2> pairs;
#pragma GCC unroll 8
        for (std::size_t k = 0; k < N / 2; ++k) pairs[k] = c[2 * k] + c[2 * k + 1] * x;
        if constexpr (N % 2) pairs[N / 2] = c[N - 1];
        return polynomial(x * x, pairs);
    }
}

template <class T, class V, std::size_t N>
V polynomial(V x, const double (&c)[N]) {
    std::array<V, N> splats;
#pragma GCC unroll 16
    for (std::size_t k = 0; k < N; ++k) splats[k] = Simd<T, sizeof(V)>::splat(static_cast<T>(c[k]));
    return polynomial(x, splats);
}

}  // namespace unstuck::UNSTUCK_ISA
