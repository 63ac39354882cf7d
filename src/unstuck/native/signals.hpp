// What is noted of the units while rows are evaluated: how steep their activation is where they work, and where their
// pre-activations lie.
#pragma once

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "functions.hpp"
#include "interface.hpp"
#include "layer.hpp"

namespace unstuck::UNSTUCK_ISA {

// Each chunk of rows is noted apart from the others, and all of them are put together in their order.
template <class T>
class SignalNotes {
    using S = Simd<T>;
    using V = typename S::Vector;
    static constexpr std::size_t P = panel<T>;

    // Of each unit: the sum of |f'(z)|, and of z the mean and the sum of squared deviations from it.
    struct Units {
        Units(double *numbers, std::size_t count)
            : slopes(numbers), means(numbers + count), deviations(numbers + 2 * count) {}
        double *slopes, *means, *deviations;
    };

  public:
    explicit SignalNotes(const std::vector<std::unique_ptr<Layer<T>>> &layers) : layers_(layers) {
        for (const auto &layer : layers_)
            if (layer->plan.is_dense) units_ += layer->outputs;
        sums_.resize(3 * units_);
    }

    void reserve(std::size_t chunks) { of_chunks_.resize(chunks * 3 * units_); }

    // Rows from..to of n, which are chunk number c.
    void observe(std::size_t c, std::size_t from, std::size_t to, std::size_t n) {
        const Units noted = of_chunk(c);
        std::size_t unit = 0;
        for (const auto &layer : layers_) {
            if (!layer->plan.is_dense) continue;
            for (std::size_t k = 0; k < layer->outputs; k += P) {
                const std::size_t at = (k / P * n + from) * P, count = std::min(P, layer->outputs - k);
                observe_panel(layer->plan, layer->z.get() + at, layer->a.get() + at, to - from, noted, unit, count);
                unit += count;
            }
        }
    }

    // The next rows of that many have been noted as chunk c.
    void merge(std::size_t c, std::size_t rows) {
        const Units one = of_chunk(c), all = together();
        const double before = static_cast<double>(rows_), share = static_cast<double>(rows) / (before + rows);
        for (std::size_t k = 0; k < units_; ++k) {
            const double difference = one.means[k] - all.means[k];
            all.slopes[k] += one.slopes[k];
            all.means[k] += difference * share;
            all.deviations[k] += one.deviations[k] + difference * difference * before * share;
        }
        rows_ += rows;
    }

    void report(const Signals &signals) {
        const Units all = together();
        const double n = static_cast<double>(rows_);
        std::size_t unit = 0, number = 0;
        for (const auto &layer : layers_) {
            if (!layer->plan.is_dense) continue;
            const std::size_t end = unit + layer->outputs;
            const double units = static_cast<double>(layer->outputs);
            double mean = 0, deviations = 0;
            for (std::size_t k = unit; k < end; ++k) mean += all.means[k] / units;
            for (; unit < end; ++unit) {
                deviations += all.deviations[unit] + n * (all.means[unit] - mean) * (all.means[unit] - mean);
                signals.slopes[unit] = all.slopes[unit] / n;
            }
            signals.means[number] = mean;
            signals.spreads[number++] = std::sqrt(deviations / (n * units));
        }
    }

  private:
    Units of_chunk(std::size_t c) { return {of_chunks_.data() + c * 3 * units_, units_}; }
    Units together() { return {sums_.data(), units_}; }

    // `count` units of a panel, from number `unit` on. Deviations are taken from the first row, so that little cancels.
    static void observe_panel(const LayerPlan &plan, const T *z, const T *a, std::size_t rows, const Units &noted,
                              std::size_t unit, std::size_t count) {
        constexpr std::size_t vectors = P / S::lanes;
        T slopes[P], sums[P], squares[P];
        with_derivative<T>(plan.activation, static_cast<T>(plan.parameter), [&](auto derivative) {
            V first[vectors], of_slopes[vectors]{}, of_z[vectors]{}, of_squares[vectors]{};  // in registers
            for (std::size_t v = 0; v < vectors; ++v) first[v] = S::load(z + v * S::lanes);
            for (std::size_t r = 0; r < rows; ++r) {
                for (std::size_t v = 0; v < vectors; ++v) {
                    const std::size_t at = r * P + v * S::lanes;
                    const V z_here = S::load(z + at), slope = derivative(z_here, S::load(a + at));
                    const V deviation = z_here - first[v];
                    of_slopes[v] += slope < 0 ? -slope : slope;
                    of_z[v] += deviation;
                    of_squares[v] += deviation * deviation;
                }
            }
            for (std::size_t v = 0; v < vectors; ++v) {
                S::store(slopes + v * S::lanes, of_slopes[v]);
                S::store(sums + v * S::lanes, of_z[v]);
                S::store(squares + v * S::lanes, of_squares[v]);
            }
        });
        const double n = static_cast<double>(rows);
        for (std::size_t j = 0; j < count; ++j) {
            const double shift = sums[j] / n;
            noted.slopes[unit + j] = slopes[j];
            noted.means[unit + j] = z[j] + shift;
            noted.deviations[unit + j] = std::max(0.0, squares[j] - n * shift * shift);
        }
    }

    const std::vector<std::unique_ptr<Layer<T>>> &layers_;
    std::size_t units_ = 0, rows_ = 0;
    std::vector<double> of_chunks_, sums_;
};

}  // namespace unstuck::UNSTUCK_ISA
