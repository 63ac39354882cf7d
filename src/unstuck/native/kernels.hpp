// The products of backprop, on panels.
//
// A matrix of n rows and c columns lies in panels of `panel` columns, two registers wide: [c / panel][n][panel], the
// last panel filled up. Every stride in the inner loops is then a compile-time constant.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "simd.hpp"

namespace unstuck::UNSTUCK_ISA {

template <class T>
constexpr int panel = 2 * Simd<T>::lanes;

constexpr int block = UNSTUCK_BYTES == 64 ? 12 : 6;  // rows of two accumulators that fit into the registers

template <class T>
std::size_t panels(std::size_t columns) {
    return (columns + panel<T> - 1) / panel<T>;
}

// Cuts from..to into blocks of about the same size and calls each(first, count): a small last block would wait for
// the latency of its few accumulators.
template <class Each>
void in_blocks(std::size_t from, std::size_t to, Each each) {
    if (from == to) return;
    const std::size_t blocks = (to - from + block - 1) / block, least = (to - from) / blocks;
    std::size_t longer = (to - from) % blocks;  // so many are one row longer
    while (from < to) {
        const std::size_t count = least + (longer > 0);
        longer -= longer > 0;
        each(from, count);
        from += count;
    }
}

// What becomes of a sum before it is stored as entry `at` of a matrix: it stays as it is; a = relu(z); and
// dL/dz = dL/da relu'(z), where a lies as dL/da does. An ending that observes is shown the sums of a block as well.
template <class T>
struct Unchanged {
    using V = typename Simd<T>::Vector;
    V operator()(V sum, std::size_t) const { return sum; }
};

template <class T>
struct Rectified {
    using V = typename Simd<T>::Vector;
    V operator()(V z, std::size_t) const { return z < 0 ? V{} : z; }
};

template <class T>
struct ThroughRelu {
    using V = typename Simd<T>::Vector;
    const T *a;
    V operator()(V d, std::size_t at) const { return Simd<T>::load(a + at) > 0 ? d : 0 * d; }
};

// c[r][:] = ending(bias + sum over k of a(r, k) b[k][:]), for R rows of a. a's panels lie `stride` apart; c's rows lie
// next to each other, from entry `at` of their matrix on.
template <class T, int R, class Ending>
void rows_times_panel(const T *a, std::size_t stride, std::size_t k_count, const T *b, const T *bias, T *c,
                      std::size_t at, Ending ending) {
    using S = Simd<T>;
    typename S::Vector sum[R][2] = {};
    if (bias) {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            sum[r][0] = S::load(bias);
            sum[r][1] = S::load(bias + S::lanes);
        }
    }
    for (std::size_t k = 0; k < k_count; k += panel<T>, a += stride) {
        const std::size_t here = std::min<std::size_t>(panel<T>, k_count - k);
        for (std::size_t j = 0; j < here; ++j, b += panel<T>) {
            const auto left = S::load(b), right = S::load(b + S::lanes);
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
                const T x = a[r * panel<T> + j];
                sum[r][0] += x * left;
                sum[r][1] += x * right;
            }
        }
    }
    if constexpr (requires { ending.observe(sum, at); }) ending.observe(sum, at);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
        const std::size_t left = at + r * panel<T>, right = left + S::lanes;
        S::store(c + left, ending(sum[r][0], left));
        S::store(c + right, ending(sum[r][1], right));
    }
}

// g[i][:] = sum over rows r of a(r, i) b[r][:], for I columns of one panel of a.
template <class T, int I>
void columns_times_panel(const T *a, std::size_t n, const T *b, T *g) {
    using S = Simd<T>;
    typename S::Vector sum[I][2] = {};
    for (std::size_t r = 0; r < n; ++r, a += panel<T>, b += panel<T>) {
        const auto left = S::load(b), right = S::load(b + S::lanes);
#pragma GCC unroll 16
        for (int i = 0; i < I; ++i) {
            sum[i][0] += a[i] * left;
            sum[i][1] += a[i] * right;
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < I; ++i) {
        S::store(g + i * panel<T>, sum[i][0]);
        S::store(g + i * panel<T> + S::lanes, sum[i][1]);
    }
}

// g[:] = sum over rows r of d[r][:], for one panel; even and odd rows apart, since each sum waits for itself.
template <class T>
void sum_rows(const T *d, std::size_t n, T *g) {
    using S = Simd<T>;
    typename S::Vector even[2] = {}, odd[2] = {};
    std::size_t r = 0;
    for (; r + 1 < n; r += 2, d += 2 * panel<T>)
        for (int half = 0; half < 2; ++half) {
            even[half] += S::load(d + half * S::lanes);
            odd[half] += S::load(d + panel<T> + half * S::lanes);
        }
    for (int half = 0; half < 2; ++half) {
        if (r < n) even[half] += S::load(d + half * S::lanes);
        S::store(g + half * S::lanes, even[half] + odd[half]);
    }
}

template <class T, class Ending, std::size_t... R>
constexpr auto rows_table(std::index_sequence<R...>) {
    return std::array{&rows_times_panel<T, R + 1, Ending>...};
}

template <class T, std::size_t... I>
constexpr auto columns_table(std::index_sequence<I...>) {
    return std::array{&columns_times_panel<T, I + 1>...};
}

// Rows from..to of a against one panel of b, into the rows of c that begin at entry `at`.
template <class T, class Ending = Unchanged<T>>
void multiply_rows(const T *a, std::size_t stride, std::size_t k_count, std::size_t from, std::size_t to, const T *b,
                   const T *bias, T *c, std::size_t at = 0, Ending ending = {}) {
    static constexpr auto table = rows_table<T, Ending>(std::make_index_sequence<block>{});
    in_blocks(from, to, [&](std::size_t r, std::size_t count) {
        table[count - 1](a + r * panel<T>, stride, k_count, b, bias, c, at + r * panel<T>, ending);
    });
}

// The first `columns` columns of a (n, columns) against one panel of b: finish(i, count, g) is called with the products
// of each panel of a, g (count, panel).
template <class T, class Finish>
void multiply_columns(const T *a, std::size_t stride, std::size_t columns, std::size_t n, const T *b, Finish finish) {
    static constexpr auto table = columns_table<T>(std::make_index_sequence<block>{});
    alignas(64) T g[panel<T> * panel<T>];
    for (std::size_t i = 0; i < columns; i += panel<T>, a += stride) {
        const std::size_t count = std::min<std::size_t>(panel<T>, columns - i);
        in_blocks(0, count, [&](std::size_t first, std::size_t of_block) {
            table[of_block - 1](a + first, n, b, g + first * panel<T>);
        });
        finish(i, count, g);
    }
}

// Within which lanes a step of a square's transposition parts even and odd places, and what a place is: lanes within
// each 16 bytes, as long as `step` is less than these hold, and then the groups of 16 bytes. Either takes one
// instruction, where lanes that leave their 16 bytes would need slower ones.
template <class T, int step>
struct Places {
    static constexpr int lanes = Simd<T>::lanes, group = 16 / sizeof(T);
    static constexpr int size = step < group ? 1 : group, half = (step < group ? group : lanes) / 2;

    // Of two vectors side by side, the lane that becomes lane j: the even places of the first, then of the second.
    static constexpr int even(int j) {
        const int span = j / (2 * half) * (2 * half), in_half = j % half;
        return span + in_half / size * 2 * size + in_half % size + (j - span < half ? 0 : lanes);
    }
};

// One step on a pair of vectors: a takes what is at even places in a, then in b; b what is at odd ones.
template <class T, int step>
[[gnu::always_inline]] inline void part_evens(typename Simd<T>::Vector &a, typename Simd<T>::Vector &b) {
    using From = Places<T, step>;
    [&]<int... J>(std::integer_sequence<int, J...>) {
        const auto evens = __builtin_shufflevector(a, b, From::even(J)...);
        b = __builtin_shufflevector(a, b, (From::even(J) + From::size)...);
        a = evens;
    }(std::make_integer_sequence<int, Simd<T>::lanes>{});
}

// Vector r, lane j becomes vector j, lane r. Inline, so that the vectors stay in registers.
template <class T, int step = 1>
[[gnu::always_inline]] inline void transpose_square(typename Simd<T>::Vector *v) {
    using S = Simd<T>;
#pragma GCC unroll 16
    for (int r = 0; r < S::lanes; ++r)
        if (!(r & step)) part_evens<T, step>(v[r], v[r + step]);
    if constexpr (2 * step < S::lanes) transpose_square<T, 2 * step>(v);
}

// `rows` rows of a panel, as many as a vector has lanes at most, from vectors v[k] that are its columns; beyond the
// first `columns` it is zero. Loops of constant length keep the square in registers.
template <class T>
void store_columns(const typename Simd<T>::Vector *v, std::size_t columns, std::size_t rows, T *to) {
    using S = Simd<T>;
    typename S::Vector square[S::lanes];
#pragma GCC unroll 16
    for (std::size_t k = 0; k < S::lanes; ++k) square[k] = k < columns ? v[k] : typename S::Vector{};
    transpose_square<T>(square);
#pragma GCC unroll 16
    for (std::size_t r = 0; r < S::lanes; ++r) {
        if (r == rows) break;
        S::store(to + r * panel<T>, square[r]);
        S::store(to + r * panel<T> + S::lanes, typename S::Vector{});
    }
}

// Lane r of the result is the sum of v[r]; v is spoilt.
template <class T, int step = 1>
[[gnu::always_inline]] inline typename Simd<T>::Vector sums_of(typename Simd<T>::Vector *v) {
    using S = Simd<T>;
#pragma GCC unroll 16
    for (int r = 0; r < S::lanes; r += 2 * step) {
        part_evens<T, step>(v[r], v[r + step]);
        v[r] += v[r + step];
    }
    if constexpr (2 * step < S::lanes) return sums_of<T, 2 * step>(v);
    return v[0];
}

// z(r, k) = bias_k + sum over i of x(r, i) w(k, i) for the outputs k of one panel, as few as a register has lanes: x in
// panels `stride` apart, w in panels over its inputs, [inputs / panel][outputs][panel]. A register adds up along i, for
// as many rows as it has lanes. Beyond the last output z is zero.
template <class T, class Count>
void few_rows_times_few(const T *x, std::size_t stride, std::size_t inputs, Count count, const T *w,
                        std::size_t outputs, const T *bias, T *z) {
    using S = Simd<T>;
    const auto row = [=](std::size_t r) { return std::min<std::size_t>(r, count - 1) * panel<T>; };
    typename S::Vector totals[S::lanes];
    for (std::size_t k = 0; k < outputs; ++k) {
        typename S::Vector sum[S::lanes] = {};
        const T *xs = x, *ws = w + k * panel<T>;
        for (std::size_t i = 0; i < inputs; i += panel<T>, xs += stride, ws += outputs * panel<T>) {
            const auto left = S::load(ws), right = S::load(ws + S::lanes);
#pragma GCC unroll 16
            for (int r = 0; r < S::lanes; ++r)
                sum[r] += S::load(xs + row(r)) * left + S::load(xs + row(r) + S::lanes) * right;
        }
        totals[k] = sums_of<T>(sum) + (bias ? bias[k] : T(0));
    }
    store_columns<T>(totals, outputs, count, z);
}

template <class T>
void rows_times_few(const T *x, std::size_t stride, std::size_t inputs, std::size_t from, std::size_t to, const T *w,
                    std::size_t outputs, const T *bias, T *z) {
    constexpr std::integral_constant<std::size_t, Simd<T>::lanes> all{};
    for (std::size_t first = from; first < to; first += all) {
        const T *rows = x + first * panel<T>;
        if (first + all <= to)
            few_rows_times_few(rows, stride, inputs, all, w, outputs, bias, z + first * panel<T>);
        else
            few_rows_times_few(rows, stride, inputs, to - first, w, outputs, bias, z + first * panel<T>);
    }
}

}  // namespace unstuck::UNSTUCK_ISA
