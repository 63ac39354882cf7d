// A layer in panels: where its parameters lie, and what a batch leaves behind in it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <vector>

#include "buffer.hpp"
#include "kernels.hpp"
#include "mini_batch.hpp"
#include "plan.hpp"
#include "sparse.hpp"

namespace unstuck::UNSTUCK_ISA {

// W lies in panels over its outputs, [outputs / P][inputs][P], and b in as many rows of P. A layer of few outputs would
// fill them badly: its W lies transposed, in panels over its inputs, [inputs / P][outputs][P], and its b in one row.
template <class T>
struct Layer {
    static constexpr std::size_t P = panel<T>;

    LayerPlan plan;
    std::size_t inputs, outputs;
    bool few = false;                          // outputs
    bool sends_back = false;                   // whether dL/dx is wanted
    bool keeps_z = false;                      // whether the way back needs z beside a
    std::size_t weights = 0, biases = 0;       // where they begin in the packed parameters
    std::size_t first_unit = 0;                // among those of all Dense layers, whose panels are filled up
    Buffer<T> z, a, delta;                     // (n, outputs)
    Buffer<T> factor;                          // of a Dropout layer: mask / (1 - rate)
    bool zeros_in = false, zeros_out = false;  // whether many may be in the input, and in delta
    std::vector<ColumnEntries<T>> entries;     // of the input, where there may be many zeros; or each member's
    Buffer<T> transposed;                      // W^T of a layer of many outputs, kept up to date for delta W^T

    std::size_t weight_panels() const { return panels<T>(few ? inputs : outputs); }
    std::size_t panel_rows() const { return few ? outputs : inputs; }
    // Of the input by column: each member's own where it lists all rows for itself, else those that all bring together.
    ColumnEntries<T> &entries_of(std::size_t member) { return entries[entries.size() > 1 ? member : 0]; }

    Stretch all_panels() const { return {0, panels<T>(outputs)}; }
    std::size_t bias_rows() const { return !plan.has_bias ? 0 : few ? 1 : weight_panels(); }

    void reserve(std::size_t n, bool with_z) {
        const std::size_t size = panels<T>(outputs) * n * P;
        a.resize(size);
        if (!plan.is_dense) {
            factor.resize(size);
            return;
        }
        if (keeps_z || with_z) z.resize(size);
        delta.resize(size);
    }

    // Between the vector that Python has, W (inputs, outputs) and b (outputs), and the packed one; Copy copies a
    // stretch of one into the other.
    template <class Flat, class Packed, class Copy>
    void exchange(Flat *flat, Packed *packed, Copy copy) const {
        Flat *W = flat + plan.weights;
        for (std::size_t p = 0; p < weight_panels(); ++p) {
            Packed *rows = packed + weights + p * panel_rows() * P;
            const std::size_t first = p * P, count = std::min(P, (few ? inputs : outputs) - first);
            if (few)
                for (std::size_t k = 0; k < outputs; ++k)
                    for (std::size_t i = 0; i < count; ++i)
                        copy(W + (first + i) * outputs + k, rows + k * P + i, std::size_t(1));
            else
                for (std::size_t i = 0; i < inputs; ++i) copy(W + i * outputs + first, rows + i * P, count);
        }
        for (std::size_t p = 0; p < bias_rows(); ++p)
            copy(flat + plan.biases + p * P, packed + biases + p * P, std::min(P, outputs - p * P));
    }

    // One panel of the packed W into W^T, square by square.
    void transpose(const T *w, std::size_t p) {
        constexpr std::size_t L = Simd<T>::lanes;
        constexpr std::integral_constant<std::size_t, L> all{};
        T *panel_of_first = transposed.get() + p * P * P;
        const std::size_t columns = std::min(P, outputs - p * P);
        for (std::size_t i = 0; i < inputs; i += L)
            for (std::size_t o = 0; o < columns; o += L) {
                const std::size_t rows_here = std::min(L, inputs - i), columns_here = std::min(L, columns - o);
                const T *from = w + i * P + o;
                T *to = panel_of_first + i / P * outputs * P + o * P + i % P;
                if (rows_here == L && columns_here == L)
                    transpose_square_of(from, to, all, all);
                else
                    transpose_square_of(from, to, rows_here, columns_here);
            }
    }

  private:
    // So many rows and columns of it; where they are constants, it stays in registers.
    template <class Rows, class Columns>
    static void transpose_square_of(const T *from, T *to, Rows rows, Columns columns) {
        using S = Simd<T>;
        typename S::Vector square[S::lanes] = {};
        for (std::size_t k = 0; k < rows; ++k) square[k] = S::load(from + k * P);
        transpose_square<T>(square);
        for (std::size_t k = 0; k < columns; ++k) S::store(to + k * P, square[k]);
    }
};

// A panel of a layer's weights, and the biases that go with it: the unit of work of gradients and updates.
template <class T>
struct Item {
    Layer<T> *layer;
    std::size_t panel;

    std::size_t weights() const { return layer->weights + panel * size(); }
    std::size_t size() const { return layer->panel_rows() * Layer<T>::P; }
    bool has_biases() const { return panel < layer->bias_rows(); }
    std::size_t biases() const { return layer->biases + panel * Layer<T>::P; }
};

}  // namespace unstuck::UNSTUCK_ISA
