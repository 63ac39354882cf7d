// From the last layer's z to the losses of rows and delta = dL/dz, in panels.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "buffer.hpp"
#include "functions.hpp"
#include "layer.hpp"
#include "mini_batch.hpp"
#include "panels.hpp"

namespace unstuck::UNSTUCK_ISA {

template <class T>
class OutputLosses {
    static constexpr std::size_t P = panel<T>, L = Simd<T>::lanes;
    using V = typename Simd<T>::Vector;

  public:
    explicit OutputLosses(const Plan &plan)
        : loss_(plan), outputs_(plan.outputs), by_lanes_(loss_.computes_softmax() && outputs_ <= L) {}

    bool computes_softmax() const { return loss_.computes_softmax(); }

    // For a thread, which does at most so many rows at a time.
    Buffer<T> scratch(std::size_t most_rows) const {
        Buffer<T> buffer;
        buffer.resize(by_lanes_ ? (most_rows + L - 1) / L * L * (outputs_ + 1) : 4 * panels<T>(outputs_) * P);
        return buffer;
    }

    // Leaves delta of rows from..to, or their outputs where nothing goes back, and what each adds to the cost.
    void operator()(const MiniBatch<T> &batch, Layer<T> &last, std::size_t from, std::size_t to, Buffer<T> &scratch,
                    double *row_costs) const {
        if (by_lanes_)
            lane_by_lane(batch, last, from, to, scratch.get(), row_costs);
        else
            row_by_row(batch, last, from, to, scratch.get(), row_costs);
    }

  private:
    void row_by_row(const MiniBatch<T> &batch, Layer<T> &last, std::size_t from, std::size_t to, T *scratch,
                    double *row_costs) const {
        const std::size_t o = outputs_, padded = panels<T>(o) * P, n = batch.n;
        T *y = scratch, *z = y + padded, *a = z + padded, *d = a + padded;
        for (std::size_t r = from; r < to; ++r) {
            const T *target = batch.rows->Y + batch.row(r) * o;
            for (std::size_t k = 0; k < o; ++k) y[k] = target[k];
            if (padded == P) {
                z = last.z.get() + r * P, a = last.a.get() + r * P, d = last.delta.get() + r * P;
            } else {
                read_row(last.z.get(), r, n, z, padded);
                read_row(last.a.get(), r, n, a, padded);
            }
            std::fill(d + o, d + padded, T(0));
            const T l = loss_(y, z, a, d);
            const double scale = batch.row_scale * batch.weight(r);
            for (std::size_t k = 0; k < o; ++k) d[k] *= static_cast<T>(scale);
            row_costs[r] = scale * l;
            if (padded > P) {
                if (loss_.computes_softmax()) write_row(last.a.get(), r, n, a, padded);
                write_row(last.delta.get(), r, n, d, padded);
            }
        }
    }

    // The same for softmax with cross-entropy over few classes, a row in each lane. The targets of all rows, and dL/dl
    // after them, are gathered first, since what was just written in parts is slow to load as a whole.
    void lane_by_lane(const MiniBatch<T> &batch, Layer<T> &last, std::size_t from, std::size_t to, T *gathered,
                      double *row_costs) const {
        using S = Simd<T>;
        const std::size_t o = outputs_;
        for (std::size_t r = from; r < to; ++r) {
            const T *target = batch.rows->Y + batch.row(r) * o;
            T *lane = gathered + (r - from) / L * (o + 1) * L + (r - from) % L;
            for (std::size_t k = 0; k < o; ++k) lane[k * L] = target[k];
            row_costs[r] = batch.row_scale * batch.weight(r);
            lane[o * L] = static_cast<T>(row_costs[r]);
        }
        for (std::size_t first = from; first < to; first += L, gathered += (o + 1) * L) {
            const std::size_t count = std::min(L, to - first);
            V y[L], z[L], a[L], d[L];
            T losses[L];
            for (std::size_t k = 0; k < o; ++k) y[k] = S::load(gathered + k * L);
#pragma GCC unroll 16
            for (std::size_t j = 0; j < L; ++j) z[j] = S::load(last.z.get() + std::min(first + j, to - 1) * P);
            transpose_square<T>(z);
            S::store(losses, RowLoss<T>::softmax_crossentropy(y, z, a, d, o));
            for (std::size_t j = 0; j < count; ++j) row_costs[first + j] *= losses[j];
            if (batch.goes_back) {
                const V share = S::load(gathered + o * L);
                for (std::size_t k = 0; k < o; ++k) d[k] *= share;
                store_columns<T>(d, o, count, last.delta.get() + first * P);
            } else {
                store_columns<T>(a, o, count, last.a.get() + first * P);
            }
        }
    }

    const RowLoss<T> loss_;
    const std::size_t outputs_;
    const bool by_lanes_;
};

}  // namespace unstuck::UNSTUCK_ISA
