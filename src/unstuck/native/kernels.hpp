// The two products of backprop, on panels.
//
// A matrix of n rows and c columns lies in panels of `panel` columns, two registers wide: [c / panel][n][panel], the
// last panel filled up with zeros. Every stride in the inner loops is then a compile-time constant.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "simd.hpp"

namespace unstuck::UNSTUCK_ISA {

template <class T>
constexpr int panel = 2 * Simd<T>::lanes;

constexpr int row_block = UNSTUCK_BYTES == 64 ? 12 : 6;  // accumulators that fit into the registers, by pairs
template <class T>
constexpr int column_block = std::min(UNSTUCK_BYTES == 64 ? 8 : 4, panel<T>);

template <class T>
std::size_t panels(std::size_t columns) {
    return (columns + panel<T> - 1) / panel<T>;
}

// c[r][:] = sum over k of a(r, k) b[k][:], for R rows of a. a's panels lie `stride` apart; c's rows lie next to each
// other.
template <class T, int R>
void rows_times_panel(const T *a, std::size_t stride, std::size_t k_count, const T *b, T *c) {
    using S = Simd<T>;
    typename S::Vector sum[R][2] = {};
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
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
        S::store(c + r * panel<T>, sum[r][0]);
        S::store(c + r * panel<T> + S::lanes, sum[r][1]);
    }
}

// g[i][:] = sum over rows r of x(r, i) d[r][:], for I columns of one panel of x.
template <class T, int I>
void columns_times_panel(const T *x, std::size_t n, const T *d, T *g) {
    using S = Simd<T>;
    typename S::Vector sum[I][2] = {};
    for (std::size_t r = 0; r < n; ++r, x += panel<T>, d += panel<T>) {
        const auto left = S::load(d), right = S::load(d + S::lanes);
#pragma GCC unroll 16
        for (int i = 0; i < I; ++i) {
            sum[i][0] += x[i] * left;
            sum[i][1] += x[i] * right;
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < I; ++i) {
        S::store(g + i * panel<T>, sum[i][0]);
        S::store(g + i * panel<T> + S::lanes, sum[i][1]);
    }
}

template <class T, std::size_t... R>
constexpr auto rows_table(std::index_sequence<R...>) {
    return std::array{&rows_times_panel<T, R + 1>...};
}

// All n rows of a against one panel of b; `finish(r, count)` is called on each block of rows while it is in the cache.
template <class T, class Finish>
void multiply_rows(const T *a, std::size_t stride, std::size_t k_count, std::size_t first, std::size_t last, const T *b,
                   T *c, Finish finish) {
    static constexpr auto table = rows_table<T>(std::make_index_sequence<row_block>{});
    for (std::size_t r = first; r < last; r += row_block) {
        const std::size_t count = std::min<std::size_t>(row_block, last - r);
        table[count - 1](a + r * panel<T>, stride, k_count, b, c + r * panel<T>);
        finish(r, count);
    }
}

// One panel of the gradient of W: g (inputs, panel) from x (n, inputs) and one panel of delta.
template <class T>
void multiply_columns(const T *x, std::size_t stride, std::size_t inputs, std::size_t n, const T *d, T *g) {
    constexpr int block = column_block<T>;
    std::size_t i = 0;
    for (; i + block <= inputs; i += block)
        columns_times_panel<T, block>(x + i / panel<T> * stride + i % panel<T>, n, d, g + i * panel<T>);
    for (; i < inputs; ++i) columns_times_panel<T, 1>(x + i / panel<T> * stride + i % panel<T>, n, d, g + i * panel<T>);
}

}  // namespace unstuck::UNSTUCK_ISA
