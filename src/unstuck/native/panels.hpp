// Matrices in panels, as a whole: products over all panels, single rows, and what is done entry by entry.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels.hpp"

namespace unstuck::UNSTUCK_ISA {

// c[p] = ending(bias + x b[p]) for panels first..last of b; finish(p) is called for each panel while it is in the
// cache.
template <class T, class Finish, class Ending = Unchanged<T>>
void times_panels(const T *x, std::size_t n, std::size_t columns, std::size_t from, std::size_t to, const T *b,
                  std::size_t first, std::size_t last, const T *bias, T *c, Finish finish, Ending ending = {}) {
    constexpr std::size_t P = panel<T>;
    for (std::size_t p = first; p < last; ++p) {
        multiply_rows(x, n * P, columns, from, to, b + p * columns * P, bias ? bias + p * P : nullptr, c, p * n * P,
                      ending);
        finish(p);
    }
}

template <class T>
void read_row(const T *in_panels, std::size_t r, std::size_t n, T *to, std::size_t count) {
    constexpr std::size_t P = panel<T>;
    for (std::size_t k = 0; k < count; k += P)
        std::copy_n(in_panels + (k / P * n + r) * P, std::min(P, count - k), to + k);
}

template <class T>
void write_row(T *in_panels, std::size_t r, std::size_t n, const T *from, std::size_t count) {
    constexpr std::size_t P = panel<T>;
    for (std::size_t k = 0; k < count; k += P)
        std::copy_n(from + k, std::min(P, count - k), in_panels + (k / P * n + r) * P);
}

// Calls each(row of the first matrix, of the second, ...) with rows in one piece.
template <class T, class Each, class... Matrix>
void for_rows(std::size_t columns, std::size_t n, std::size_t from, std::size_t to, Each each, Matrix *...matrices) {
    const std::size_t padded = panels<T>(columns) * panel<T>;
    std::vector<T> scratch(sizeof...(matrices) * padded);
    for (std::size_t r = from; r < to; ++r) {
        T *row = scratch.data();
        (read_row<T>(matrices, r, n, std::exchange(row, row + padded), padded), ...);
        row = scratch.data();
        std::apply(each, std::tuple{(static_cast<void>(matrices), std::exchange(row, row + padded))...});
        row = scratch.data();
        (write_row<T>(matrices, r, n, std::exchange(row, row + padded), padded), ...);
    }
}

template <class T>
void add(T *to, const T *from, std::size_t count) {
    for (std::size_t j = 0; j < count; ++j) to[j] += from[j];
}

template <class T>
void times(T *to, const T *by, std::size_t count) {
    for (std::size_t j = 0; j < count; ++j) to[j] *= by[j];
}

// 0 x is zero but for what is not finite; in two sums, each of which waits for itself.
template <class T>
typename Simd<T>::Vector zero_if_finite(const T *x, std::size_t count) {
    using S = Simd<T>;
    typename S::Vector left{}, right{};
    for (std::size_t j = 0; j < count; j += panel<T>) {
        left += S::load(x + j) * T(0);
        right += S::load(x + j + S::lanes) * T(0);
    }
    return left + right;
}

}  // namespace unstuck::UNSTUCK_ISA
