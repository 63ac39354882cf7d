// What bounds parameters and gradients: penalties, max-norm and clipping, on stretches of the packed parameters.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>
#include <numeric>

#include "kernels.hpp"
#include "plan.hpp"

namespace unstuck::UNSTUCK_ISA {

// Adds the gradient of the L1 and L2 penalties to g; returns what they add to the cost. `row_share` is one over the sum
// of the batch's row weights.
template <class T>
double penalize(const Plan &plan, const T *w, T *g, std::size_t count, bool biases, double row_share) {
    double cost = 0;
    for (const auto &penalty : plan.penalties) {
        if (biases && !penalty.on_biases) continue;
        const double share = penalty.per_row ? penalty.strength * row_share : penalty.strength;
        const T strength = static_cast<T>(share);
        double sum = 0;
        if (penalty.kind == Penalty::l2) {
            for (std::size_t j = 0; j < count; ++j) {
                sum += static_cast<double>(w[j]) * w[j];
                g[j] += strength * w[j];
            }
            cost += share / 2 * sum;
        } else if (penalty.kind == Penalty::l1) {
            for (std::size_t j = 0; j < count; ++j) {
                sum += std::abs(w[j]);
                g[j] += strength * static_cast<T>((w[j] > 0) - (w[j] < 0));
            }
            cost += share * sum;
        }
    }
    return cost;
}

// w (inputs, panel): each unit's weights are shortened to a norm of at most `limit`.
template <class T>
void limit_norms(T *w, std::size_t inputs, T limit) {
    constexpr std::size_t P = panel<T>;
    T squares[P] = {};
    for (std::size_t i = 0; i < inputs; ++i)
        for (std::size_t j = 0; j < P; ++j) squares[j] += w[i * P + j] * w[i * P + j];
    for (std::size_t j = 0; j < P; ++j)
        squares[j] = std::min(T(1), limit / std::max(std::sqrt(squares[j]), std::numeric_limits<T>::min()));
    for (std::size_t i = 0; i < inputs; ++i)
        for (std::size_t j = 0; j < P; ++j) w[i * P + j] *= squares[j];
}

template <class T>
void clip(T *g, std::size_t count, T limit) {
    for (std::size_t j = 0; j < count; ++j) g[j] = std::clamp(g[j], -limit, limit);
}

// The sum of the squares of whole panels of numbers, each clipped; in sums side by side, since one would wait for each
// addition.
template <class T>
double square_of_clipped(const T *g, std::size_t count, T limit) {
    double sums[panel<T>] = {};
    for (std::size_t j = 0; j < count; j += panel<T>)
        for (std::size_t k = 0; k < panel<T>; ++k) {
            const double clipped = std::clamp(g[j + k], -limit, limit);
            sums[k] += clipped * clipped;
        }
    return std::accumulate(std::begin(sums), std::end(sums), 0.0);
}

}  // namespace unstuck::UNSTUCK_ISA
