// What is noted of the units while rows are evaluated: how steep their activation is where they work, and where their
// pre-activations lie. With the norms of the last update it makes the signals of unstuck.engines.signals.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "buffer.hpp"
#include "functions.hpp"
#include "interface.hpp"
#include "layer.hpp"
#include "mini_batch.hpp"

namespace unstuck::UNSTUCK_ISA {

// Each chunk of rows is noted apart from the others, and all of them are put together in their order. Units lie in
// panels, as in the layers; what fills up a panel is noted as well, but never reported.
template <class T>
class SignalNotes {
    using S = Simd<T>;
    using V = typename S::Vector;
    static constexpr std::size_t P = panel<T>;

    // Of each unit, over the rows of a chunk: z in the first of them, the sum of |f'(z)|, and the sums of the
    // deviations from that first z and of their squares. Deviations from what is near the mean let little cancel.
    struct Sums {
        Sums(T *numbers, std::size_t count)
            : first(numbers), slopes(first + count), deviations(slopes + count), squares(deviations + count) {}
        T *first, *slopes, *deviations, *squares;

        // R rows of some registers of units, from that number on; slope(r, h) is |f'| where z[r][h] is z.
        template <std::size_t R, std::size_t H, class Slope>
        [[gnu::always_inline]] void add(std::size_t unit, const V (&z)[R][H], bool begins, Slope slope) const {
#pragma GCC unroll 2
            for (std::size_t h = 0; h < H; ++h, unit += S::lanes) {
                V origin = z[0][h], of_slopes{}, of_deviations{}, of_squares{};
                if (begins) {
                    S::store(first + unit, origin);
                } else {
                    origin = S::load(first + unit);
                    of_slopes = S::load(slopes + unit);
                    of_deviations = S::load(deviations + unit);
                    of_squares = S::load(squares + unit);
                }
#pragma GCC unroll 16
                for (std::size_t r = 0; r < R; ++r) {
                    const V deviation = z[r][h] - origin;
                    of_slopes += slope(r, h);
                    of_deviations += deviation;
                    of_squares += deviation * deviation;
                }
                S::store(slopes + unit, of_slopes);
                S::store(deviations + unit, of_deviations);
                S::store(squares + unit, of_squares);
            }
        }

        // All rows of a chunk in a register of units.
        template <class Derivative>
        void add_rows(Derivative derivative, std::size_t unit, const T *z, const T *a, std::size_t rows) const {
            std::size_t row = 0;
            const auto add_next = [&]<std::size_t R>(std::integral_constant<std::size_t, R>) {
                V of_z[R][1];
                for (std::size_t r = 0; r < R; ++r) of_z[r][0] = S::load(z + (row + r) * P);
                add(unit, of_z, row == 0, [&](std::size_t r, std::size_t) {
                    const V slope = derivative(of_z[r][0], S::load(a + (row + r) * P));
                    return slope < 0 ? -slope : slope;
                });
                row += R;
            };
            while (row + 8 <= rows) add_next(std::integral_constant<std::size_t, 8>{});
            while (row < rows) add_next(std::integral_constant<std::size_t, 1>{});
        }
    };

    // The ending of a product before ReLU: notes a block of rows while their z is in registers, and keeps none of it.
    struct BeforeRelu : Rectified<T> {
        Sums sums;
        std::size_t unit, stride, begin;  // of the layer; from one panel to the next; where rows begin in a panel

        template <std::size_t R>
        void observe(const V (&z)[R][2], std::size_t at) const {
            sums.add(unit + at / stride * P, z, at % stride == begin,
                     [&](std::size_t r, std::size_t h) { return z[r][h] > 0 ? S::splat(1) : V{}; });
        }
    };

  public:
    explicit SignalNotes(const std::vector<std::unique_ptr<Layer<T>>> &layers) : layers_(layers) {}

    // No row has been noted yet. A chunk has so many, and the last one of a slab perhaps fewer.
    void begin(std::size_t chunk) {
        chunk_ = chunk;
        units_ = rows_ = 0;
        for (const auto &layer : layers_) {
            layer->first_unit = units_;
            if (layer->plan.is_dense) units_ += panels<T>(layer->outputs) * P;
        }
        slopes_.assign(units_, 0);
        means_.assign(units_, 0);
        squares_.assign(units_, 0);
    }

    // For a slab of n rows.
    void reserve(std::size_t n) { of_chunks_.resize((n + chunk_ - 1) / chunk_ * 4 * units_); }

    // The rows of a chunk, of n in the slab, in panel p of a layer's z and a.
    void observe(const Layer<T> &layer, std::size_t p, Stretch rows, std::size_t n) {
        const std::size_t units = std::min(P, layer.outputs - p * P);
        with_derivative<T>(layer.plan.activation, static_cast<T>(layer.plan.parameter), [&](auto derivative) {
            for (std::size_t j = 0; j < units; j += S::lanes) {
                const std::size_t at = (p * n + rows.from) * P + j;
                of_chunk(rows.from).add_rows(derivative, layer.first_unit + p * P + j, layer.z.get() + at,
                                             layer.a.get() + at, rows.to - rows.from);
            }
        });
    }

    // What notes the rows of a chunk as the product before ReLU ends.
    BeforeRelu before_relu(const Layer<T> &layer, Stretch rows, std::size_t n) {
        return {{}, of_chunk(rows.from), layer.first_unit, n * P, rows.from * P};
    }

    // All n rows of the slab have been noted.
    void merge(std::size_t n) {
        for (std::size_t from = 0; from < n; from += chunk_) merge(of_chunk(from), std::min(chunk_, n - from));
    }

    void report(const Signals<T> &signals, std::vector<double> gradient_norms) {
        const double n = static_cast<double>(rows_);
        const double *flat = signals.flat;
        double *numbers = signals.numbers;
        gradient_norms.resize(layers_.size(), std::numeric_limits<double>::quiet_NaN());
        auto gradient_norm = gradient_norms.begin();
        for (const auto &layer : layers_) {
            if (!layer->plan.is_dense) continue;
            const std::size_t begin = layer->first_unit, end = begin + layer->outputs;
            const double units = static_cast<double>(layer->outputs);
            const double mean = std::accumulate(&means_[begin], &means_[begin] + layer->outputs, 0.0) / units;
            double dead = 0, saturated = 0, squares = 0;
            for (std::size_t k = begin; k < end; ++k) {
                dead += slopes_[k] == 0;
                saturated += slopes_[k] != 0 && slopes_[k] < *flat * n;
                squares += squares_[k] + n * (means_[k] - mean) * (means_[k] - mean);
            }
            numbers[0] = dead / units;
            numbers[1] = saturated / units;
            numbers[2] = mean;
            numbers[3] = std::sqrt(squares / (n * units));
            numbers[4] = *gradient_norm++;
            numbers[5] = update_ratio(layer->plan, signals);
            numbers += Signals<T>::of_layer;
            ++flat;
        }
    }

  private:
    Sums of_chunk(std::size_t from) { return {of_chunks_.get() + from / chunk_ * 4 * units_, units_}; }

    void merge(const Sums &one, std::size_t rows) {
        const double before = static_cast<double>(rows_), n = static_cast<double>(rows), share = n / (before + n);
        for (std::size_t k = 0; k < units_; ++k) {
            const double shift = one.deviations[k] / n, difference = one.first[k] + shift - means_[k];
            slopes_[k] += one.slopes[k];
            means_[k] += difference * share;
            squares_[k] += std::max(one.squares[k] - one.deviations[k] * shift, 0.0);
            squares_[k] += difference * difference * before * share;
        }
        rows_ += rows;
    }

    // The norm of the last update of a layer over that of its parameters before. Squares go into several sums in turn:
    // a single one would wait for each addition.
    static double update_ratio(const LayerPlan &layer, const Signals<T> &signals) {
        const auto size = static_cast<std::size_t>(layer.outputs * (layer.inputs + layer.has_bias));
        const T *before = signals.previous + layer.weights, *after = signals.w + layer.weights;
        double of_before[P] = {}, of_update[P] = {};
        const auto add = [&](std::size_t k, std::size_t j) {
            const double old = before[k], change = after[k] - before[k];
            of_before[j] += old * old;
            of_update[j] += change * change;
        };
        std::size_t k = 0;
        for (; k + P <= size; k += P)
            for (std::size_t j = 0; j < P; ++j) add(k + j, j);
        for (; k < size; ++k) add(k, 0);
        const double update = std::accumulate(of_update, of_update + P, 0.0);
        return update == 0 ? 0 : std::sqrt(update / std::accumulate(of_before, of_before + P, 0.0));
    }

    const std::vector<std::unique_ptr<Layer<T>>> &layers_;
    std::size_t units_ = 0, rows_ = 0, chunk_ = 1;
    Buffer<T> of_chunks_;
    // Of all rows, as in Sums, but for squares, which are of deviations from the mean.
    std::vector<double> slopes_, means_, squares_;
};

}  // namespace unstuck::UNSTUCK_ISA
