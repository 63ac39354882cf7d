// The way forward through the layers and back, for some rows and some panels at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "buffer.hpp"
#include "functions.hpp"
#include "interface.hpp"
#include "layer.hpp"
#include "masks.hpp"
#include "mini_batch.hpp"
#include "panels.hpp"
#include "signals.hpp"
#include "sparse.hpp"

namespace unstuck::UNSTUCK_ISA {

// The entries of the rows at hand, where few enough of them are not zero.
template <class T>
struct RowList {
    RowEntries<T> entries;
    bool made = false;
};

// Works on the layers and parameters of a trainer, which also says who takes which rows and panels, and when.
template <class T>
class Passes {
    static constexpr std::size_t P = panel<T>;
    using Batch = MiniBatch<T>;
    using Layers = std::vector<std::unique_ptr<Layer<T>>>;

  public:
    Passes(const Plan &plan, const Layers &layers, const Buffer<T> &w, SignalNotes<T> &notes,
           bool softmax_comes_with_loss)
        : plan_(plan), layers_(layers), w_(w), notes_(notes), softmax_comes_with_loss_(softmax_comes_with_loss) {}

    // For up to n of the rows at a time.
    void reserve(const Rows<T> &rows, std::size_t n) {
        expect_zeros(rows, n);
        if (!lists_x()) x_.resize(panels<T>(plan_.inputs) * n * P);
    }

    // Whether the first layer takes rows of X as they lie, of whose entries few are not zero.
    bool lists_x() const { return layers_.front()->plan.is_dense && layers_.front()->zeros_in; }

    // The rows as panels. What lies beyond the end of a row is the beginning of the next one, and is not looked at but
    // by a layer of few outputs, which multiplies it by zeros; so there it must be zero.
    void gather(const Batch &batch, Stretch rows) {
        const auto [from, to] = rows;
        const auto inputs = static_cast<std::size_t>(plan_.inputs), left_over = inputs % P;
        const std::size_t whole = panels<T>(inputs) * P, size = batch.rows->count * inputs;
        const bool clears = left_over != 0 && clears_x();
        for (std::size_t r = from; r < to; ++r) {
            const std::size_t at = batch.row(r) * inputs;
            const T *row = batch.rows->X + at;
            if (r + ahead < to) fetch(batch.rows->X + batch.row(r + ahead) * inputs, inputs);
            T *to_panel = x_.get() + r * P;
            if (at + whole <= size)
                for (std::size_t i = 0; i < inputs; i += P) copy_panel(row + i, to_panel + i * batch.n);
            else
                for (std::size_t i = 0; i < inputs; i += P)
                    std::copy_n(row + i, std::min(P, inputs - i), to_panel + i * batch.n);
            if (clears) std::fill_n(to_panel + (inputs - left_over) * batch.n + left_over, P - left_over, T(0));
        }
    }

    // What the product of some rows, a chunk, with W has to add up, if few enough of their inputs are not zero; and, by
    // column, what its gradient has to.
    void list_input(Layer<T> &layer, const Batch &batch, std::size_t chunk, Stretch rows, std::size_t member,
                    RowList<T> &list) {
        list.made = layer.zeros_in;
        if (!layer.zeros_in) return;
        if (lists_x() && &layer == layers_.front().get())
            list_x(batch, rows, list.entries);
        else
            list.made = list.entries.list_if_few(input_of(layer, batch), batch.n, layer.inputs, rows);
        if (batch.goes_back) layer.entries_of(member).take(chunk, rows.from, list.made ? &list.entries : nullptr);
    }

    void list_delta(const Layer<T> &layer, const Batch &batch, Stretch rows, RowList<T> &list) {
        list.made = layer.zeros_out && list.entries.list_if_few(layer.delta.get(), batch.n, layer.outputs, rows);
    }

    // Some rows through some panels of a layer.
    void forward(Layer<T> &layer, const Batch &batch, Stretch rows, Stretch some, const RowList<T> &list) {
        if (layer.plan.is_dense)
            forward_dense(layer, batch, rows, some, list);
        else if (batch.t >= 0)
            forward_dropout(layer, batch, rows, some);
    }

    // From delta of a Dense layer to some panels of delta of the one below.
    void backward(std::size_t k, const Batch &batch, Stretch rows, Stretch some, const RowList<T> &list) {
        const std::size_t n = batch.n, from = rows.from, to = rows.to;
        const Layer<T> &layer = *layers_[k];
        std::size_t below = k - 1;
        while (!layers_[below]->plan.is_dense) --below;
        Layer<T> &receiver = *layers_[below];
        const auto f = receiver.plan.activation;
        const T parameter = static_cast<T>(receiver.plan.parameter);
        const T *w = layer.few ? w_.get() + layer.weights : layer.transposed.get();
        T *d = receiver.delta.get();
        const T *a = receiver.a.get(), *z = receiver.keeps_z ? receiver.z.get() : a;
        const auto finish = [&](std::size_t p) {
            const std::size_t at = (p * n + from) * P, count = (to - from) * P;
            for (std::size_t j = below + 1; batch.t >= 0 && j < k; ++j)
                times(d + at, layers_[j]->factor.get() + at, count);
            times_derivative(f, parameter, z + at, a + at, d + at, count);
        };
        const T *delta = layer.delta.get();
        if (list.made)
            list.entries.times_panels(w, layer.outputs, some.from, some.to, nullptr, d, n * P, finish, no_meanwhile);
        else if (f == Activation::relu && below + 1 == k)
            times_panels<T>(delta, n, layer.outputs, from, to, w, some.from, some.to, nullptr, d, no_finish,
                            ThroughRelu<T>{a});
        else
            times_panels<T>(delta, n, layer.outputs, from, to, w, some.from, some.to, nullptr, d, finish);
        if (f == Activation::softmax)
            for_rows<T>(
                receiver.outputs, n, from, to, [&](T *a, T *d) { softmax_backward(a, d, receiver.outputs); },
                receiver.a.get(), receiver.delta.get());
    }

    // The input of a Dense layer: what the layer before it left behind.
    const T *input_of(const Layer<T> &layer, const Batch &batch) const {
        const T *x = x_.get();
        for (const auto &before : layers_) {
            if (before.get() == &layer) break;
            if (before->plan.is_dense || batch.t >= 0) x = before->a.get();
        }
        return x;
    }

    std::size_t last_dense() const {
        std::size_t last = layers_.size() - 1;
        while (!layers_[last]->plan.is_dense) --last;
        return last;
    }

  private:
    // The rows of the next mini-batch are sent for while those of this one are multiplied, a part at each visit, since
    // memory could not bring them as fast as they are listed.
    void fetch_some(const Batch &batch, std::size_t r, std::size_t visit, std::size_t visits) const {
        if (r >= batch.next) return;
        const auto inputs = static_cast<std::size_t>(plan_.inputs);
        const std::size_t part = (inputs + visits - 1) / visits, from = visit * part;
        if (from < inputs) fetch(batch.rows->X + batch.next_row(r) * inputs + from, std::min(part, inputs - from));
    }

    // Shuffled rows lie anywhere in memory: they are sent for while those before them are looked at.
    static constexpr std::size_t ahead = 4;
    static void fetch(const T *row, std::size_t count) {
        constexpr std::size_t line = 64 / sizeof(T);
        for (std::size_t i = 0; i < count; i += line) __builtin_prefetch(row + i);
    }

    // Whether the first to multiply the rows is a layer of few outputs.
    bool clears_x() const {
        const auto is_dense = [](const auto &layer) { return layer->plan.is_dense; };
        return (*std::find_if(layers_.begin(), layers_.end(), is_dense))->few;
    }

    static void copy_panel(const T *from, T *to) {
        using S = Simd<T>;
        S::store(to, S::load(from));
        S::store(to + S::lanes, S::load(from + S::lanes));
    }

    void list_x(const Batch &batch, Stretch rows, RowEntries<T> &entries) const {
        const auto inputs = static_cast<std::size_t>(plan_.inputs);
        entries.list(inputs, rows, [&](std::size_t r) {
            if (r + ahead < rows.to) fetch(batch.rows->X + batch.row(r + ahead) * inputs, inputs);
            return [row = batch.rows->X + batch.row(r) * inputs](std::size_t i) { return row + i; };
        });
    }

    static void no_finish(std::size_t) {}
    static void no_meanwhile(std::size_t, std::size_t, std::size_t) {}

    void forward_dense(Layer<T> &layer, const Batch &batch, Stretch rows, Stretch some, const RowList<T> &list) {
        const std::size_t n = batch.n, from = rows.from, to = rows.to;
        const auto f = layer.plan.activation;
        const T parameter = static_cast<T>(layer.plan.parameter);
        const T *x = input_of(layer, batch);
        const T *w = w_.get() + layer.weights, *b = layer.plan.has_bias ? w_.get() + layer.biases : nullptr;
        T *z = (layer.keeps_z || batch.observed ? layer.z : layer.a).get(), *a = layer.a.get();
        const auto finish = [&](std::size_t p) {
            const std::size_t at = (p * n + from) * P;
            activate(f, parameter, z + at, a + at, (to - from) * P);
            if (batch.observed && f != Activation::softmax) notes_.observe(layer, p, rows, n);
        };
        const bool x_is_listed = lists_x() && &layer == layers_.front().get();
        if (layer.few) {
            rows_times_few(x, n * P, layer.inputs, from, to, w, layer.outputs, b, z);
            finish(0);
        } else {
            if (list.made)
                list.entries.times_panels(w, layer.inputs, some.from, some.to, b, z, n * P, finish, [&](auto... visit) {
                    if (x_is_listed) fetch_some(batch, visit...);
                });
            else if (f == Activation::relu && z == a)
                times_panels(x, n, layer.inputs, from, to, w, some.from, some.to, b, a, no_finish, Rectified<T>{});
            else if (f == Activation::relu && !layer.keeps_z)
                times_panels(x, n, layer.inputs, from, to, w, some.from, some.to, b, a, no_finish,
                             notes_.before_relu(layer, rows, n));
            else
                times_panels(x, n, layer.inputs, from, to, w, some.from, some.to, b, z, finish);
        }
        const bool with_loss = &layer == layers_.back().get() && softmax_comes_with_loss_;
        if (f == Activation::softmax && !with_loss)
            for_rows<T>(layer.outputs, n, from, to, [&](T *row) { softmax_row(row, row, layer.outputs); }, a);
    }

    void forward_dropout(Layer<T> &layer, const Batch &batch, Stretch rows, Stretch some) {
        const DropoutFactors<T> factors(layer.plan, plan_.seed);
        const T *x = input_of(layer, batch);
        for (std::size_t p = some.from; p < some.to; ++p) {
            const std::size_t at = (p * batch.n + rows.from) * P, count = rows.to - rows.from;
            T *factor = layer.factor.get() + at, *a = layer.a.get() + at;
            factors.of_rows(factor, p * P, P, batch.done + rows.from, count, static_cast<std::size_t>(batch.t));
            for (std::size_t j = 0; j < count * P; ++j) a[j] = x[at + j] * factor[j];
        }
    }

    // Where products may have few entries to add up: in rows that are mostly zeros, behind ReLU and behind Dropout. The
    // lists are worth their while if several panels make use of them, and their memory up to a point.
    void expect_zeros(const Rows<T> &rows, std::size_t n) {
        constexpr std::size_t worth = 4;
        bool zeros = has_zeros(rows);
        Layer<T> *before = nullptr;
        for (auto &layer : layers_) {
            if (layer->plan.is_dense) {
                layer->zeros_in =
                    zeros && !layer->few && layer->weight_panels() >= worth && n * layer->inputs <= most_entries;
                before = layer.get();
                zeros = false;
            }
            zeros = zeros || !layer->plan.is_dense || layer->plan.activation == Activation::relu;
            if (before) before->zeros_out = zeros && panels<T>(before->inputs) >= worth;
        }
    }

    bool has_zeros(const Rows<T> &rows) const {
        const auto inputs = static_cast<std::size_t>(plan_.inputs);
        const std::size_t step = rows.count / 64 + 1;
        std::size_t zeros = 0, numbers = 0;
        for (std::size_t r = 0; r < rows.count; r += step, numbers += inputs)
            zeros += std::count(rows.X + r * inputs, rows.X + (r + 1) * inputs, T(0));
        return zeros > (1 - dense_share) * numbers;
    }

    const Plan &plan_;
    const Layers &layers_;
    const Buffer<T> &w_;
    SignalNotes<T> &notes_;
    const bool softmax_comes_with_loss_;
    Buffer<T> x_;
};

}  // namespace unstuck::UNSTUCK_ISA
