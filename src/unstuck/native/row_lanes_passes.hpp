// One update's cost, gradient and step with lane = row of the batch: three passes over one text, row_lanes_math.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <vector>

#include "buffer.hpp"
#include "functions.hpp"
#include "interface.hpp"
#include "optimizers.hpp"
#include "row_lanes_math.hpp"

namespace unstuck::UNSTUCK_ISA {

// Rows laid out for the passes below: in blocks of R vectors, [block][unit][R][lanes], X and Y alike.
template <class T>
struct LaidOut {
    Buffer<T> X, Y, shares, sums;
    std::size_t vectors = 0;
    std::vector<std::uint32_t> in_order_of_x;  // where the one input is sorted; kept from call to call
};

// The block that begins at vector v of so many: 4 vectors while there are 4, then 2, then 1.
inline std::size_t block_length(std::size_t left) {
    return left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

// What an update reads of its mini-batch, row by row, and in which form the output stage wants it.
template <class T>
class LayOut {
  public:
    explicit LayOut(const Plan &plan)
        : plan_(plan), inputs_(plan.inputs), outputs_(plan.outputs), stage_(output_stage(plan)) {}

    // Rows order[0], order[1], ... or first, first + 1, ...; the lanes left over repeat the first, with no share in the
    // cost, so that they are finite whenever the others are.
    __attribute__((noinline)) void operator()(const Rows<T> &rows, const std::uint32_t *order, std::size_t first,
                                              std::size_t n, std::size_t lanes, std::size_t least_vectors,
                                              LaidOut<T> &to) const {
        const auto row = [&](std::size_t r) { return order ? order[r] : first + r; };
        double total = static_cast<double>(n);
        if (rows.weights) {
            total = 0;
            for (std::size_t r = 0; r < n; ++r) total += rows.weights[row(r)];
        }
        double share = plan_.mean_of_rows && total != 0 ? 1 / total : 1;
        const bool mean = plan_.mean_of_outputs && plan_.loss != Loss::categorical_crossentropy;
        if (mean && stage_ != OutputStage::row_by_row) share /= static_cast<double>(outputs_);
        const bool shared = stage_ == OutputStage::softmax_crossentropy || stage_ == OutputStage::sigmoid_crossentropy;

        to.vectors = std::max((n + lanes - 1) / lanes, least_vectors);
        to.X.resize(to.vectors * lanes * inputs_);
        to.Y.resize(to.vectors * lanes * outputs_);
        to.shares.resize(to.vectors * lanes);
        to.sums.resize(to.vectors * lanes);
        for (std::size_t v = 0; v < to.vectors;) {
            const std::size_t R = block_length(to.vectors - v);
            for (std::size_t k = 0; k < R * lanes; ++k) {
                const std::size_t r = v * lanes + k, source = row(r < n ? r : 0);
                const double weight = r >= n ? 0 : rows.weights ? rows.weights[source] : T(1);
                const T c = static_cast<T>(share * weight);
                const T *x = rows.X + source * inputs_, *y = rows.Y + source * outputs_;
                for (std::size_t i = 0; i < inputs_; ++i) to.X.get()[(v * inputs_ + i * R) * lanes + k] = x[i];
                T sum = 0;
                for (std::size_t j = 0; j < outputs_; ++j) {
                    to.Y.get()[(v * outputs_ + j * R) * lanes + k] = shared ? y[j] * c : y[j];
                    sum += y[j];
                }
                to.shares.get()[r] = c;
                to.sums.get()[r] = sum * c;
            }
            v += R;
        }
    }

  private:
    const Plan &plan_;
    std::size_t inputs_, outputs_;
    OutputStage stage_;
};

// Parameters, the optimizer's memory and the parameters before, in the order of the flat vector, padded with zeros.
template <class T>
struct State {
    Buffer<T> w, previous;
    std::array<Buffer<T>, 3> memory;
};

// Whether there is one, and formulas for its activation and for the loss.
inline bool has_one_hidden_layer(const Plan &plan) {
    return plan.layers.size() == 2 && knows_derivative_from_a(plan.layers[0].activation) &&
           output_stage(plan) != OutputStage::row_by_row;
}

// With one input, one hidden layer and one output.
inline bool is_curve(const Plan &plan) {
    return has_one_hidden_layer(plan) && plan.inputs == 1 && plan.outputs == 1;
}

inline Dense dense_of(const LayerPlan &plan) {
    const auto size = [](std::int64_t count) { return static_cast<std::size_t>(count); };
    return {size(plan.inputs), size(plan.outputs), size(plan.weights), size(plan.biases), plan.has_bias};
}

template <class V>
bool all_finite(const V *vectors, std::size_t count) {
    V test{};
    for (std::size_t k = 0; k < count; ++k) test += 0 * vectors[k];
    double sum = 0;
    for (std::size_t k = 0; k < sizeof(V) / sizeof(test[0]); ++k) sum += test[k];
    return sum == 0;
}

// ---- one hidden layer and four rows, all in registers
// ----------------------------------------------------------------

template <class T, std::size_t I, std::size_t H, std::size_t O>
class FixedPass {
    static constexpr int bytes = std::min<int>(UNSTUCK_BYTES, 4 * sizeof(T));
    using S = Simd<T, bytes>;
    using V = typename S::Vector;
    static constexpr int R = 4 / S::lanes;
    using First = FixedDense<I, H, 0>;
    using Second = FixedDense<H, O, First::end>;
    static constexpr std::size_t vectors = (Second::end + S::lanes - 1) / S::lanes;

  public:
    static constexpr std::size_t lanes = S::lanes, least_vectors = R, rows = 4;

    static bool fits(const Plan &plan) {
        const bool sizes = has_one_hidden_layer(plan) && plan.inputs == int(I) && plan.layers[0].outputs == int(H) &&
                           plan.outputs == int(O) && plan.layers[0].has_bias && plan.layers[1].has_bias;
        return sizes && plan.rows <= std::int64_t(rows) && plan.batch_rows == plan.rows;
    }

    FixedPass(const Plan &plan, const State<T> &state)
        : plan_(plan), stage_(output_stage(plan)), hidden_(plan.layers[0]) {
        copy(state.w.get(), w_);
        copy(state.previous.get(), previous_);
        for (int k = 0; k < plan_.slots; ++k) copy(state.memory[k].get(), memory_[k]);
    }

    void store(State<T> &state) const {
        copy(w_, state.w.get());
        copy(previous_, state.previous.get());
        for (int k = 0; k < plan_.slots; ++k) copy(memory_[k], state.memory[k].get());
    }

    void take(const LaidOut<T> &laid) {
        copy(laid.X.get(), x_);
        copy(laid.Y.get(), y_);
        copy(laid.shares.get(), c_);
        copy(laid.sums.get(), sums_);
    }

    void remember() { previous_ = w_; }

    double cost_and_gradient() {
        std::array<V, H * R> a, below;
        std::array<V, O * R> z, delta;
        std::array<V, vectors * S::lanes> sums{};
        const InRegisters<V> w{w_.data()};
        Total<T, V> cost;
        with_formula<T>(hidden_.activation, static_cast<T>(hidden_.parameter),
                        [&](auto f) { forward<R>(First{}, w, x_.data(), a.data(), f); });
        forward<R>(Second{}, w, a.data(), z.data(), Identity<T>{});
        with_loss<T, R>(plan_, stage_, [&](auto loss) {
            for (int r = 0; r < R; ++r)
                cost += loss(Second::outputs, z.data() + r, y_.data() + r, c_[r], sums_[r], delta.data() + r);
        });
        backward<R, false, true>(Second{}, w, a.data(), delta.data(), sums.data(), below.data(), Identity<T>{});
        with_formula<T>(hidden_.activation, static_cast<T>(hidden_.parameter),
                        [&](auto f) { each(Constant<H * R>{}, [&](auto k) { below[k] = f.back(a[k], below[k]); }); });
        backward<R, false, false>(First{}, w, x_.data(), below.data(), sums.data(), static_cast<V *>(nullptr),
                                  Identity<T>{});
        for (std::size_t k = 0; k < vectors; ++k) g_[k] = sums_of_lanes(sums.data() + k * S::lanes);
        return double(cost);
    }

    bool finite_gradient() const { return all_finite(g_.data(), vectors); }

    void update(const Moment &moment) {
        with_rule<T>(plan_, moment, [&](auto rule) {
            apply(rule, w_.data(), g_.data(), memory_[0].data(), memory_[1].data(), memory_[2].data(), vectors);
        });
    }

  private:
    template <std::size_t N>
    static void copy(const T *from, std::array<V, N> &to) {
        std::memcpy(to.data(), from, sizeof to);
    }
    template <std::size_t N>
    static void copy(const std::array<V, N> &from, T *to) {
        std::memcpy(to, from.data(), sizeof from);
    }

    const Plan &plan_;
    const OutputStage stage_;
    const LayerPlan &hidden_;
    std::array<V, vectors> w_, previous_, g_;
    std::array<std::array<V, vectors>, 3> memory_;
    std::array<V, I * R> x_;
    std::array<V, O * R> y_;
    std::array<V, R> c_, sums_;
};

// Two inputs and four rows: the exclusive or, and what is tried after it.
template <class T>
using FixedPasses = std::tuple<FixedPass<T, 2, 2, 1>, FixedPass<T, 2, 3, 1>, FixedPass<T, 2, 4, 1>,
                               FixedPass<T, 2, 2, 2>, FixedPass<T, 2, 3, 2>, FixedPass<T, 2, 4, 2>>;

// ---- parameters in memory
// --------------------------------------------------------------------------------------------

// What the passes over parameters in memory share: one block of rows after the other goes forward and backward, by
// Pass::block<R>, while it is in the cache. The gradients gather lane by lane and are summed over the lanes at the end.
template <class T, class Pass>
class MemoryPass {
  protected:
    using S = Simd<T>;
    using V = typename S::Vector;

  public:
    static constexpr int lanes = S::lanes, least_vectors = 1;

    MemoryPass(const Plan &plan, State<T> &state) : plan_(plan), stage_(output_stage(plan)), state_(state) {
        size_ = (static_cast<std::size_t>(plan.size) + lanes - 1) / lanes;
        sums_.resize(size_ * lanes * lanes);
        g_.resize(size_ * lanes);
    }

    void store(State<T> &) const {}
    void take(const LaidOut<T> &laid) { laid_ = &laid; }
    void remember() { std::copy_n(state_.w.get(), size_ * lanes, state_.previous.get()); }

    double cost_and_gradient() {
        const auto inputs = static_cast<std::size_t>(plan_.inputs), outputs = static_cast<std::size_t>(plan_.outputs);
        std::fill_n(sums_.get(), size_ * lanes * lanes, T(0));
        Pass &pass = static_cast<Pass &>(*this);
        cost_ = {};
        for (std::size_t v = 0; v < laid_->vectors;) {
            const std::size_t R = block_length(laid_->vectors - v);
            const V *x = vectors(laid_->X) + v * inputs, *y = vectors(laid_->Y) + v * outputs;
            const V *c = vectors(laid_->shares) + v, *sums = vectors(laid_->sums) + v;
            R == 4   ? pass.template block<4>(x, y, c, sums)
            : R == 2 ? pass.template block<2>(x, y, c, sums)
                     : pass.template block<1>(x, y, c, sums);
            v += R;
        }
        for (std::size_t k = 0; k < size_; ++k)
            S::store(g_.get() + k * lanes, sums_of_lanes(vectors(sums_) + k * lanes));
        return double(cost_);
    }

    bool finite_gradient() const { return all_finite(vectors(g_), size_); }

    void update(const Moment &moment) {
        const auto memory = [&](int k) { return reinterpret_cast<V *>(state_.memory[k].get()); };
        with_rule<T>(plan_, moment, [&](auto rule) {
            apply(rule, reinterpret_cast<V *>(state_.w.get()), vectors(g_), memory(0), memory(1), memory(2), size_);
        });
    }

  protected:
    static constexpr int most_vectors = 4;  // of a block
    static const V *vectors(const Buffer<T> &buffer) { return reinterpret_cast<const V *>(buffer.get()); }
    static V *vectors(Buffer<T> &buffer) { return reinterpret_cast<V *>(buffer.get()); }

    const Plan &plan_;
    const OutputStage stage_;
    State<T> &state_;
    Buffer<T> sums_, g_;  // gradients by lane, and summed
    Total<T, V> cost_;

  private:
    std::size_t size_;  // of the parameters, in vectors
    const LaidOut<T> *laid_ = nullptr;
};

// ---- a curve: one input, one hidden layer of any width, one output
// ---------------------------------------------------

// Hidden unit after hidden unit, with x, the outputs and their delta in registers: nothing goes through memory but a.
template <class T>
class CurvePass : public MemoryPass<T, CurvePass<T>> {
    using Base = MemoryPass<T, CurvePass<T>>;
    using typename Base::V;

  public:
    static bool fits(const Plan &plan) { return is_curve(plan); }

    CurvePass(const Plan &plan, State<T> &state)
        : Base(plan, state), first_(dense_of(plan.layers[0])), second_(dense_of(plan.layers[1])) {
        a_.resize(first_.outputs * Base::most_vectors * Base::lanes);
    }

    template <int R>
    void block(const V *x, const V *y, const V *c, const V *sums) {
        const LayerPlan &hidden = this->plan_.layers[0];
        with_formula<T>(hidden.activation, static_cast<T>(hidden.parameter),
                        [&](auto f) { block<R>(x, y, c, sums, f); });
    }

  private:
    template <int R, class Formula>
    void block(const V *x_of_rows, const V *y, const V *c, const V *sums, Formula f) {
        const Dense first = first_, second = second_;
        const InMemory<T> w{this->state_.w.get()};
        V x[R], z[R], delta[R];
        for (int r = 0; r < R; ++r) {
            x[r] = x_of_rows[r];
            z[r] = second.has_bias ? w[second.biases] : V{};
        }
        V *__restrict a = Base::vectors(a_);
        for (std::size_t j = 0; j < first.outputs; ++j) {
            const V b = first.has_bias ? w[first.biases + j] : V{};
            for (int r = 0; r < R; ++r) {
                const V a_j = f(b + w[first.weights + j] * x[r]);
                a[j * R + r] = a_j;
                z[r] += w[second.weights + j] * a_j;
            }
        }
        output<R>(z, y, c, sums, delta);
        V *__restrict g = Base::vectors(this->sums_);
        for (std::size_t j = 0; j < first.outputs; ++j) {
            V of_v{}, of_w{}, of_b{};  // dL/dv_j, and what v_j is a factor of, for all rows alike
            for (int r = 0; r < R; ++r) {
                const V a_j = a[j * R + r], d = f.back(a_j, delta[r]);
                of_v += a_j * delta[r];
                of_w += x[r] * d;
                of_b += d;
            }
            const V v_j = w[second.weights + j];
            g[second.weights + j] += of_v;
            g[first.weights + j] += v_j * of_w;
            if (first.has_bias) g[first.biases + j] += v_j * of_b;
        }
        for (int r = 0; second.has_bias && r < R; ++r) g[second.biases] += delta[r];
    }

    // From z to delta, through copies, so that in block both stay in registers.
    template <int R>
    void output(const V (&z)[R], const V *y, const V *c, const V *sums, V (&delta)[R]) {
        V z_copy[R], delta_copy[R];
        for (int r = 0; r < R; ++r) z_copy[r] = z[r];
        with_loss<T, R>(this->plan_, this->stage_, [&](auto loss) {
            for (int r = 0; r < R; ++r)
                this->cost_ += loss(Constant<1>{}, z_copy + r, y + r, c[r], sums[r], delta_copy + r);
        });
        for (int r = 0; r < R; ++r) delta[r] = delta_copy[r];
    }

    const Dense first_, second_;
    Buffer<T> a_;
};

// ---- any sizes
// -------------------------------------------------------------------------------------------------------

template <class T>
class AnyPass : public MemoryPass<T, AnyPass<T>> {
    using Base = MemoryPass<T, AnyPass<T>>;
    using Base::cost_, Base::most_vectors, Base::plan_, Base::stage_, Base::state_, Base::sums_;
    using typename Base::V;

    struct Layer {
        Dense dense;
        Activation activation;
        T parameter;
        bool knows_derivative;
        Buffer<T> z, a, delta;
        V *zs() { return reinterpret_cast<V *>(z.get()); }
        V *as() { return reinterpret_cast<V *>(a.get()); }
        V *deltas() { return reinterpret_cast<V *>(delta.get()); }
    };

  public:
    using Base::lanes;

    AnyPass(const Plan &plan, State<T> &state)
        : Base(plan, state),
          loss_(plan),
          layers_(plan.layers.size()),
          padded_(panels<T>(static_cast<std::size_t>(plan.outputs)) * panel<T>) {
        for (std::size_t l = 0; l < layers_.size(); ++l) {
            Layer &layer = layers_[l];
            layer.dense = dense_of(plan.layers[l]);
            layer.activation = plan.layers[l].activation;
            layer.parameter = static_cast<T>(plan.layers[l].parameter);
            layer.knows_derivative = knows_derivative_from_a(layer.activation);
            for (Buffer<T> *buffer : {&layer.z, &layer.a, &layer.delta})
                buffer->resize(layer.dense.outputs * most_vectors * lanes);
        }
        row_.resize(4 * padded_);
    }

    // A block of R vectors of rows, forward and backward while it is in the cache; returns its cost.
    template <int R>
    void block(const V *x, const V *y, const V *c, const V *sums) {
        const InMemory<T> w{state_.w.get()};
        const V *input = x;
        for (Layer &layer : layers_) {
            const bool fused = layer.knows_derivative && &layer != &layers_.back();
            with_formula<T>(fused ? layer.activation : Activation::identity, layer.parameter,
                            [&](auto f) { forward<R>(layer.dense, w, input, fused ? layer.as() : layer.zs(), f); });
            if (!fused) activate_units<R>(layer);
            input = layer.as();
        }
        output<R>(y, c, sums);
        V *g = reinterpret_cast<V *>(sums_.get());
        for (std::size_t l = layers_.size() - 1; l > 0; --l) {
            Layer &layer = layers_[l], &below = layers_[l - 1];
            with_formula<T>(below.activation, below.parameter, [&](auto f) {
                backward<R, true, true>(layer.dense, w, below.as(), layer.deltas(), g, below.deltas(), f);
            });
            if (below.activation == Activation::softmax)
                for (int r = 0; r < R; ++r)
                    softmax_backward<R>(below.dense.outputs, below.as() + r, below.deltas() + r);
            else if (!below.knows_derivative)
                times_derivative(below.activation, below.parameter, below.z.get(), below.a.get(), below.delta.get(),
                                 below.dense.outputs * R * lanes);
        }
        backward<R, true, false>(layers_[0].dense, w, x, layers_[0].deltas(), g, static_cast<V *>(nullptr),
                                 Identity<T>{});
    }

    // a = f(z) where no formula was at hand; of the outputs only where the loss wants it.
    template <int R>
    void activate_units(Layer &layer) {
        if (&layer == &layers_.back() && stage_ != OutputStage::row_by_row) return;
        if (layer.activation == Activation::softmax)
            for (int r = 0; r < R; ++r) softmax<T, R>(layer.dense.outputs, layer.zs() + r, layer.as() + r);
        else
            activate(layer.activation, layer.parameter, layer.z.get(), layer.a.get(), layer.dense.outputs * R * lanes);
    }

  private:
    template <int R>
    void output(const V *y, const V *c, const V *sums) {
        Layer &layer = layers_.back();
        const std::size_t o = layer.dense.outputs;
        const V *z = layer.zs();
        V *delta = layer.deltas();
        if (stage_ == OutputStage::row_by_row)
            for (int r = 0; r < R; ++r) cost_ += losses_of_rows<R>(z + r, layer.as() + r, y + r, c[r], delta + r);
        else
            with_loss<T, R>(plan_, stage_, [&](auto loss) {
                for (int r = 0; r < R; ++r) cost_ += loss(o, z + r, y + r, c[r], sums[r], delta + r);
            });
    }

    template <int R>
    V losses_of_rows(const V *z, const V *a, const V *y, V c, V *delta) {
        const std::size_t o = layers_.back().dense.outputs;
        T *row_y = row_.get(), *row_z = row_y + padded_, *row_a = row_z + padded_, *row_d = row_a + padded_;
        V cost;
        for (int lane = 0; lane < lanes; ++lane) {
            for (std::size_t k = 0; k < o; ++k) {
                row_y[k] = y[k * R][lane];
                row_z[k] = z[k * R][lane];
                row_a[k] = a[k * R][lane];
            }
            cost[lane] = c[lane] * loss_(row_y, row_z, row_a, row_d);
            for (std::size_t k = 0; k < o; ++k) delta[k * R][lane] = c[lane] * row_d[k];
        }
        return cost;
    }

    const RowLoss<T> loss_;
    std::vector<Layer> layers_;
    const std::size_t padded_;  // outputs in whole panels
    Buffer<T> row_;
};

}  // namespace unstuck::UNSTUCK_ISA
