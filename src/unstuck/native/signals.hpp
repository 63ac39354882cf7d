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

    // Of one unit: the sum of |f'(z)|, and of z the mean and the sum of squared deviations from it.
    struct Unit {
        double slope = 0, mean = 0, deviations = 0;
    };

  public:
    explicit SignalNotes(const std::vector<std::unique_ptr<Layer<T>>> &layers) : layers_(layers) {
        for (const auto &layer : layers_)
            if (layer->plan.is_dense) units_ += layer->outputs;
        all_.resize(units_);
    }

    void reserve(std::size_t chunks) { of_chunks_.resize(chunks * units_); }

    // Rows from..to of n, which are chunk number c.
    void observe(std::size_t c, std::size_t from, std::size_t to, std::size_t n) {
        Unit *unit = of_chunks_.data() + c * units_;
        for (const auto &layer : layers_) {
            if (!layer->plan.is_dense) continue;
            for (std::size_t k = 0; k < layer->outputs; k += S::lanes) {
                const std::size_t at = (k / P * n + from) * P + k % P;
                const std::size_t count = std::min<std::size_t>(S::lanes, layer->outputs - k);
                observe_vector(layer->plan, layer->z.get() + at, layer->a.get() + at, to - from, unit, count);
                unit += count;
            }
        }
    }

    // The next rows of that many have been noted as chunk c.
    void merge(std::size_t c, std::size_t rows) {
        const double before = static_cast<double>(rows_), here = static_cast<double>(rows), sum = before + here;
        for (std::size_t k = 0; k < units_; ++k) {
            const Unit &one = of_chunks_[c * units_ + k];
            Unit &all = all_[k];
            const double difference = one.mean - all.mean;
            all.slope += one.slope;
            all.mean += difference * here / sum;
            all.deviations += one.deviations + difference * difference * before * here / sum;
        }
        rows_ += rows;
    }

    void report(const Signals &signals) const {
        const double n = static_cast<double>(rows_);
        const Unit *unit = all_.data();
        double *slope = signals.slopes;
        std::size_t number = 0;
        for (const auto &layer : layers_) {
            if (!layer->plan.is_dense) continue;
            const double units = static_cast<double>(layer->outputs);
            double mean = 0, deviations = 0;
            for (std::size_t k = 0; k < layer->outputs; ++k) mean += unit[k].mean / units;
            for (std::size_t k = 0; k < layer->outputs; ++k, ++unit) {
                deviations += unit->deviations + n * (unit->mean - mean) * (unit->mean - mean);
                *slope++ = unit->slope / n;
            }
            signals.means[number] = mean;
            signals.spreads[number++] = std::sqrt(deviations / (n * units));
        }
    }

  private:
    // One vector of units over so many rows. Deviations are taken from the first row, so that little cancels.
    static void observe_vector(const LayerPlan &plan, const T *z, const T *a, std::size_t rows, Unit *units,
                               std::size_t count) {
        const V first = S::load(z);
        V slopes{}, sum{}, squares{};
        with_derivative<T>(plan.activation, static_cast<T>(plan.parameter), [&](auto derivative) {
            V of_slopes{}, of_z{}, of_squares{};  // apart from what was captured, which would stay in memory
            for (std::size_t r = 0; r < rows; ++r) {
                const V z_here = S::load(z + r * P), slope = derivative(z_here, S::load(a + r * P));
                const V deviation = z_here - first;
                of_slopes += slope < 0 ? -slope : slope;
                of_z += deviation;
                of_squares += deviation * deviation;
            }
            slopes = of_slopes, sum = of_z, squares = of_squares;
        });
        const double n = static_cast<double>(rows);
        for (std::size_t j = 0; j < count; ++j) {
            const double shift = sum[j] / n;
            units[j] = {slopes[j], first[j] + shift, std::max(0.0, squares[j] - n * shift * shift)};
        }
    }

    const std::vector<std::unique_ptr<Layer<T>>> &layers_;
    std::size_t units_ = 0, rows_ = 0;
    std::vector<Unit> of_chunks_, all_;
};

}  // namespace unstuck::UNSTUCK_ISA
