// Training row by row with one small hidden layer. What takes time there is not the arithmetic but the chain of
// dependent operations from one update to the next, so everything of the network is at hand in registers, or in rows of
// them, and whatever does not depend on the last update is computed while the chain waits.
//
// The lanes are hidden units. With x the row, f the dropout factors (1 without dropout), l the row's cost and
// d = dl/dz of the outputs, one update is
//
//     z = b + sum over i of x_i W_i       h = f a(z)       outputs: c_k + sum over lanes of h V_k
//     delta = a'(z) f sum over k of d_k V_k
//     dl/dW_i = x_i delta     dl/db = delta     dl/dV_k = d_k h     dl/dc_k = d_k
//
// where W_i is row i of the first layer's weights and V_k column k of the second one's.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "batches.hpp"
#include "buffer.hpp"
#include "functions.hpp"
#include "interface.hpp"
#include "lanes.hpp"
#include "masks.hpp"
#include "optimizers.hpp"
#include "panel_trainer.hpp"

namespace unstuck::UNSTUCK_ISA {

constexpr std::size_t rounded_up(std::size_t count, std::size_t to) {
    return (count + to - 1) / to * to;
}

// The network and where its parts lie: W (inputs, width), b (width), V (outputs, width), c (outputs), each padded with
// zeros to whole registers.
template <class T>
struct SingleRowNetwork {
    static constexpr std::size_t lanes = Simd<T>::lanes;

    SingleRowNetwork(const Plan &plan, std::size_t width)
        : plan(plan),
          first(plan.layers.front()),
          second(plan.layers.back()),
          inputs(first.inputs),
          units(first.outputs),
          outputs(second.outputs),
          width(width),
          b(inputs * width),
          V(b + width),
          c(V + rounded_up(outputs, Groups<T>::size) * width),
          size(c + rounded_up(outputs, lanes)) {
        if (plan.layers.size() == 3) factors.emplace(plan.layers[1], plan.seed);
    }

    // What the cost of a row and its derivatives are multiplied by.
    double scale(const Rows<T> &rows, std::size_t row) const {
        if (!rows.weights) return 1;
        const double weight = rows.weights[row];
        return plan.mean_of_rows && weight != 0 ? 1 / weight * weight : weight;
    }

    const Plan &plan;
    const LayerPlan &first, &second;
    const std::size_t inputs, units, outputs, width;
    const std::size_t b, V, c, size;
    std::optional<DropoutFactors<T>> factors;
};

// Consecutive updates of one epoch, on rows that follow each other in it.
template <class T>
struct Stretch {
    const Rows<T> &rows;
    const std::uint32_t *order = nullptr;  // of the rows in the epoch; none: as they are
    std::size_t t = 0, position = 0;       // of the first update, earlier ones included, and in the epoch
    std::size_t count = 0;
    bool goes_on = false;           // whether the row after these is worth looking ahead to
    const double *rates = nullptr;  // of each update
    const T *factors = nullptr;     // of each update, and of the one after; each `factors_stride` after the last
    std::size_t factors_stride = 0;

    std::size_t row(std::size_t k) const { return order ? order[position + k] : position + k; }
};

// The sum of term(k) for k from `first` to `last` - 1, by halves: that is the shortest chain.
template <int first, int last, class Term>
auto tree_sum(Term term) {
    if constexpr (last - first == 1)
        return term(first);
    else
        return tree_sum<first, (first + last) / 2>(term) + tree_sum<(first + last) / 2, last>(term);
}

// Gradient descent on squared errors of linear outputs, where a(z) is z above and p z below zero. Adds the costs to
// `cost` and returns it; it is not finite if anything on the way was not.
//
// The next row's z follows from delta in one operation, the rest of it being known early:
//
//     z' = (b + sum of x'_i W_i) - rate (1 + sum of x_i x'_i) delta       with W and b from before the update
//
// `ahead` carries f' z' from stretch to stretch; f' a(z') = a(f' z') since no factor is negative.
template <class T, int H, int O, bool leaky>
double rectified_updates(const SingleRowNetwork<T> &network, const Stretch<T> &stretch, double cost, T *w, T *ahead) {
    using S = Simd<T>;
    using V = typename S::Vector;
    using I = typename S::Integers;
    using G = Groups<T>;
    constexpr int lanes = S::lanes, width = H * lanes, groups = (O + G::size - 1) / G::size;
    constexpr auto each_group = [](auto use) {
        [&]<int... q>(std::integer_sequence<int, q...>) {
            (use.template operator()<q, std::min(G::size, O - q * G::size)>(), ...);
        }(std::make_integer_sequence<int, groups>{});
    };
    const Plan &plan = network.plan;
    const std::size_t inputs = network.inputs;
    const T below = leaky ? static_cast<T>(network.first.parameter) : T(0);
    const T learns_b = network.first.has_bias, learns_c = network.second.has_bias;
    const T mean = plan.mean_of_outputs ? T(1) / O : T(1);
    const T cost_factor = plan.half ? mean / 2 : mean, slope_factor = plan.half ? mean : 2 * mean;

    V f[H], fz[H], b[H], v[O][H], c[groups];
    for (int h = 0; h < H; ++h) {
        f[h] = S::load(stretch.factors + h * lanes);
        fz[h] = S::load(ahead + h * lanes);
        b[h] = S::load(w + network.b + h * lanes);
        for (int k = 0; k < O; ++k) v[k][h] = S::load(w + network.V + k * width + h * lanes);
    }
    each_group([&]<int q, int n>() { c[q] = G::template repeat<n>(w + network.c + q * G::size); });

    V not_finite{};  // becomes NaN
    for (std::size_t n = 0; n < stretch.count; ++n) {
        const std::size_t row = stretch.row(n);
        const std::size_t next = stretch.goes_on || n + 1 < stretch.count ? stretch.row(n + 1) : row;
        const T *x = stretch.rows.X + row * inputs, *next_x = stretch.rows.X + next * inputs;
        const T *y = stretch.rows.Y + row * O, *next_f = stretch.factors + (n + 1) * stretch.factors_stride;
        const T rate = static_cast<T>(stretch.rates[n]);
        const double scale = network.scale(stretch.rows, row);
        const T slope = slope_factor * static_cast<T>(scale);

        V z[H];
        for (int h = 0; h < H; ++h) z[h] = b[h];
        T product = learns_b;
        for (std::size_t i = 0; i < inputs; ++i) {
            for (int h = 0; h < H; ++h) z[h] += next_x[i] * S::load(w + i * width + h * lanes);
            product += x[i] * next_x[i];
        }

        V hidden[H], gate[H];
        for (int h = 0; h < H; ++h) {
            if constexpr (leaky) {
                hidden[h] = fz[h] > 0 ? fz[h] : below * fz[h];
                gate[h] = fz[h] > 0 ? slope * f[h] : (slope * below) * f[h];
            } else {
                const I bits = (I)fz[h];
                hidden[h] = (V)(bits > 0 ? bits : 0);  // one short operation, but it hides NaN
                gate[h] = fz[h] > 0 ? slope * f[h] : 0;
            }
            not_finite += fz[h] * 0;
        }
        V e[groups], e_k[O];
        each_group([&]<int q, int count>() {
            V products[G::size] = {};
            for (int k = 0; k < count; ++k) {
                products[k] = hidden[0] * v[q * G::size + k][0];
                for (int h = 1; h < H; ++h) products[k] += hidden[h] * v[q * G::size + k][h];
            }
            e[q] = G::group_sums(products, c[q] - G::template repeat<count>(y + q * G::size));
            [&]<int... k>(std::integer_sequence<int, k...>) {
                ((e_k[q * G::size + k] = G::template broadcast<k>(e[q])), ...);
            }(std::make_integer_sequence<int, count>{});
        });

        for (int h = 0; h < H; ++h) {
            const V sum = tree_sum<0, O>([&](int k) -> V { return e_k[k] * v[k][h]; });
            f[h] = S::load(next_f + h * lanes);
            fz[h] = z[h] * f[h] - (rate * product * f[h] * gate[h]) * sum;
            const V step = (rate * gate[h]) * sum;
            b[h] -= learns_b * step;
            for (std::size_t i = 0; i < inputs; ++i) {
                T *W = w + i * width + h * lanes;
                S::store(W, S::load(W) - x[i] * step);
            }
            const V pull = (rate * slope) * hidden[h];
            for (int k = 0; k < O; ++k) v[k][h] -= e_k[k] * pull;
        }
        T loss = 0;
        for (int q = 0; q < groups; ++q) {
            c[q] -= (learns_c * rate * slope) * G::first_in_all(e[q]);  // or groups would drift apart by rounding
            const auto squares = G::first(e[q] * e[q]);
            for (int k = 0; k < G::size; ++k) loss += squares[k];
        }
        cost += scale * static_cast<double>(cost_factor * loss);
    }

    for (int h = 0; h < H; ++h) {
        S::store(ahead + h * lanes, fz[h]);
        S::store(w + network.b + h * lanes, b[h]);
        for (int k = 0; k < O; ++k) S::store(w + network.V + k * width + h * lanes, v[k][h]);
    }
    for (int q = 0; q < groups; ++q) {
        const auto numbers = G::first(c[q]);
        std::memcpy(w + network.c + q * G::size, &numbers, sizeof numbers);
    }
    return cost + G::sum(not_finite);
}

// Anything else: every activation, loss and optimizer.
template <class T>
class GeneralUpdates {
    using S = Simd<T>;
    using V = typename S::Vector;
    using G = Groups<T>;
    static constexpr std::size_t lanes = S::lanes;

  public:
    explicit GeneralUpdates(const SingleRowNetwork<T> &network)
        : net_(network), loss_(network.plan), moments_(network.plan), padded_(rounded_up(network.outputs, lanes)) {
        for (Buffer<T> *buffer : {&z_, &h_, &a_, &delta_}) buffer->resize(net_.width);
        for (Buffer<T> *buffer : {&y_, &activated_, &d_, &target_}) buffer->resize(padded_);
        g_.resize(net_.size);
    }

    // As `rectified_updates`. The optimizer's memory lies behind the parameters w.
    double operator()(const Stretch<T> &stretch, double cost, T *w, double &momenta) {
        const std::size_t size = net_.size;
        V not_finite{};  // becomes NaN
        for (std::size_t n = 0; n < stretch.count; ++n) {
            const std::size_t row = stretch.row(n);
            const T *x = stretch.rows.X + row * net_.inputs, *f = stretch.factors + n * stretch.factors_stride;
            const double scale = net_.scale(stretch.rows, row);
            forward(x, f, w);
            std::copy_n(stretch.rows.Y + row * net_.outputs, net_.outputs, target_.get());
            cost += scale * loss_(target_.get(), y_.get(), activated_.get(), d_.get());
            backward(x, f, w, static_cast<T>(scale));
            for (std::size_t j = 0; j < size; j += lanes) not_finite += 0 * S::load(g_.get() + j);
            const Moment moment = moments_.at(stretch.t + n + 1, stretch.rates[n], momenta);
            update(rule_of<T>(net_.plan, moment), w, g_.get(), w + size, w + 2 * size, w + 3 * size, size);
            momenta *= moment.momentum;
        }
        return cost + G::sum(not_finite);
    }

  private:
    void forward(const T *x, const T *f, const T *w) {
        const auto &first = net_.first, &second = net_.second;
        for (std::size_t j = 0; j < net_.width; j += lanes) {
            V sum = S::load(w + net_.b + j);
            for (std::size_t i = 0; i < net_.inputs; ++i) sum += x[i] * S::load(w + i * net_.width + j);
            S::store(z_.get() + j, sum);
        }
        activate(first.activation, static_cast<T>(first.parameter), z_.get(), a_.get(), net_.width);
        for (std::size_t j = 0; j < net_.units; ++j) h_.get()[j] = f[j] * a_.get()[j];
        for (std::size_t k = 0; k < net_.outputs; k += G::size) {
            V products[G::size] = {};
            for (std::size_t j = 0; j < net_.width; j += lanes)
                for (std::size_t l = 0; l < G::size; ++l)
                    products[l] += S::load(h_.get() + j) * S::load(w + net_.V + (k + l) * net_.width + j);
            const auto sums = G::first(G::group_sums(products, V{}));
            std::memcpy(y_.get() + k, &sums, sizeof sums);
        }
        for (std::size_t k = 0; k < padded_; ++k) y_.get()[k] += w[net_.c + k];
        activate(second.activation, static_cast<T>(second.parameter), y_.get(), activated_.get(), padded_);
        if (second.activation == Activation::softmax && !loss_.computes_softmax())
            softmax_row(y_.get(), activated_.get(), net_.outputs);
    }

    // From d, the derivative of the row's loss by the second layer's z, to the gradient.
    void backward(const T *x, const T *f, const T *w, T scale) {
        T *g = g_.get(), *delta = delta_.get();
        for (std::size_t k = 0; k < net_.outputs; ++k) d_.get()[k] *= scale;
        for (std::size_t j = 0; j < net_.width; j += lanes) {
            const V h = S::load(h_.get() + j);
            V sum{};
            for (std::size_t k = 0; k < net_.outputs; ++k) {
                const T d = d_.get()[k];
                sum += d * S::load(w + net_.V + k * net_.width + j);
                S::store(g + net_.V + k * net_.width + j, d * h);
            }
            S::store(delta + j, sum);
        }
        for (std::size_t j = 0; j < net_.units; ++j) delta[j] *= f[j];
        times_derivative(net_.first.activation, static_cast<T>(net_.first.parameter), z_.get(), a_.get(), delta,
                         net_.width);
        for (std::size_t j = 0; j < net_.width; j += lanes) {
            const V column = S::load(delta + j);
            for (std::size_t i = 0; i < net_.inputs; ++i) S::store(g + i * net_.width + j, x[i] * column);
            if (net_.first.has_bias) S::store(g + net_.b + j, column);
        }
        if (net_.second.has_bias) std::copy_n(d_.get(), net_.outputs, g + net_.c);
    }

    const SingleRowNetwork<T> &net_;
    const RowLoss<T> loss_;
    Moments moments_;
    const std::size_t padded_;
    Buffer<T> z_, h_, a_, delta_, y_, activated_, d_, target_, g_;
};

// Keeps the parameters in the layout above, does the updates by stretches, and leaves to panels whatever it does not do
// itself: losses and gradients of all rows, and the stretch in which a number stops being finite.
//
// A pause changes no bit: between stretches nothing is looked ahead to, and within one `ahead_` is kept.
template <class T>
class SingleRowTrainer final : public Trainer<T> {
    static constexpr std::size_t lanes = Simd<T>::lanes;
    static constexpr std::size_t most_registers = 4, most_outputs = 8, most_inputs = 64;
    static constexpr std::size_t longest = 128;  // stretch of updates; it begins at a multiple of that in its epoch
    static constexpr std::size_t never = std::numeric_limits<std::size_t>::max();
    using Rectified = double (*)(const SingleRowNetwork<T> &, const Stretch<T> &, double, T *, T *);

  public:
    static bool fits(const Plan &plan) {
        const auto &layers = plan.layers;
        const bool is_shallow = (layers.size() == 2 || (layers.size() == 3 && !layers[1].is_dense)) &&
                                layers.front().is_dense && layers.back().is_dense;
        const auto at_most = [](std::int64_t count, std::size_t most) {
            return static_cast<std::size_t>(count) <= most;
        };
        return is_shallow && plan.batch_rows == 1 && at_most(plan.inputs, most_inputs) &&
               at_most(layers.front().outputs, most_registers * lanes) && at_most(plan.outputs, most_outputs) &&
               layers.front().activation != Activation::softmax && plan.penalties.empty() &&
               std::isinf(plan.clip_value) && std::isinf(plan.clip_norm);
    }

    explicit SingleRowTrainer(const Plan &plan)
        : plan_(plan),
          net_(plan_, std::max<std::size_t>(4, std::bit_ceil(rounded_up(plan_.layers.front().outputs, lanes)))),
          general_(net_),
          rectified_(rectified_kernel()),
          panels_(plan_),
          state_size_((1 + plan_.slots) * net_.size) {
        for (Buffer<T> *state : {&state_, &saved_, &loaded_}) state->resize(4 * net_.size);  // three slots at most
        previous_.resize(net_.size);
        ahead_.resize(net_.width);
        next_x_.resize(net_.inputs);
        factors_.resize((longest + 1) * net_.width);
        if (!net_.factors) std::fill_n(factors_.get(), net_.width, T(1));
    }

    const char *name() const override { return "single rows"; }

    void load(const T *w, const std::vector<const T *> &memory) override {
        std::copy_n(state_.get(), state_size_, loaded_.get());
        pack(w, loaded_.get());
        for (std::size_t k = 0; k < memory.size(); ++k) pack(memory[k], loaded_.get() + (k + 1) * net_.size);
        if (std::memcmp(loaded_.get(), state_.get(), state_size_ * sizeof(T)) == 0) return;
        std::swap(loaded_, state_);
        ahead_of_ = never;
    }

    void store(T *w, const std::vector<T *> &memory, T *previous) const override {
        unpack(state_.get(), w);
        unpack(previous_.get(), previous);
        for (std::size_t k = 0; k < memory.size(); ++k) unpack(state_.get() + (k + 1) * net_.size, memory[k]);
    }

    Done steps(const Rows<T> &rows, const Steps &steps) override {
        Done done;
        done.cost_sum = steps.cost_sum;
        done.rows = steps.rows;
        if (steps.batch_size != 1) {
            carefully(rows, steps, steps.count, done);
            return done;
        }
        const auto started = std::chrono::steady_clock::now();
        const std::size_t n = rows.count;
        for (bool last = false; done.steps < steps.count && !last && !done.failed && !done.reached;) {
            const std::size_t t = steps.t + done.steps, position = t % n;
            if (position == 0) done.cost_sum = 0, done.rows = 0;
            const std::size_t end = std::min(n, position / longest * longest + longest);
            const std::size_t count = std::min(end - position, steps.count - done.steps);
            const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - started;
            last = spent.count() > steps.seconds || done.steps + count == steps.count;
            const bool ends_epoch = position + count == n;
            const bool watched = last || (ends_epoch && std::isfinite(steps.target));

            Stretch<T> stretch{rows, steps.shuffled ? shuffle_.order(plan_.seed, t / n, n) : nullptr};
            stretch.t = steps.earlier + t;
            stretch.position = position;
            stretch.rates = steps.rates + done.steps;
            std::copy_n(state_.get(), state_size_, saved_.get());
            const double saved_momenta = this->momenta;
            double cost = run(stretch, count - watched, end, done.cost_sum);
            if (watched) {
                std::copy_n(state_.get(), net_.size, previous_.get());
                cost = run(stretch, 1, end, cost);
            }
            if (is_finite(cost)) {
                done.steps += count;
                done.rows += count;
                done.cost_sum = cost;
            } else {
                std::swap(state_, saved_);
                this->momenta = saved_momenta;
                carefully(rows, steps, count, done);
            }
            done.reached = !done.failed && ends_epoch && done.cost_sum / static_cast<double>(done.rows) <= steps.target;
        }
        return done;
    }

    double cost_and_gradient(const Rows<T> &rows, int threads, T *gradient) override {
        load_panels();
        return panels_.cost_and_gradient(rows, threads, gradient);
    }

    double evaluate(const Rows<T> &rows, int threads, T *A, const Signals<T> *signals) override {
        load_panels();
        return panels_.evaluate(rows, threads, A, signals);
    }

  private:
    // Does the next `count` updates of the stretch that ends before row `end` of the epoch; returns `cost` with theirs.
    double run(Stretch<T> &stretch, std::size_t count, std::size_t end, double cost) {
        if (count == 0) return cost;
        stretch.count = count;
        stretch.goes_on = stretch.position + count < end;
        stretch.factors = factors_.get();
        if (net_.factors) {
            stretch.factors_stride = net_.width;
            net_.factors->of_updates(factors_.get(), net_.width, stretch.t, count + 1);
        }
        if (rectified_) {
            if (ahead_of_ != stretch.t || !std::equal(next_x_.begin(), next_x_.end(), x_of(stretch, 0)))
                look_ahead(stretch);
            cost = rectified_(net_, stretch, cost, state_.get(), ahead_.get());
        } else {
            cost = general_(stretch, cost, state_.get(), this->momenta);
        }
        ahead_of_ = never;
        if (stretch.goes_on) {
            ahead_of_ = stretch.t + count;
            std::copy_n(x_of(stretch, count), net_.inputs, next_x_.begin());
        }
        stretch.position += count;
        stretch.t += count;
        stretch.rates += count;
        return cost;
    }

    const T *x_of(const Stretch<T> &stretch, std::size_t k) const {
        return stretch.rows.X + stretch.row(k) * net_.inputs;
    }

    // f z of the stretch's first row.
    void look_ahead(const Stretch<T> &stretch) {
        const T *x = x_of(stretch, 0), *w = state_.get();
        for (std::size_t j = 0; j < net_.width; ++j) {
            T z = w[net_.b + j];
            for (std::size_t i = 0; i < net_.inputs; ++i) z += x[i] * w[i * net_.width + j];
            ahead_.get()[j] = stretch.factors[j] * z;
        }
    }

    bool is_finite(double cost) const {
        typename Simd<T>::Vector test{};
        for (std::size_t j = 0; j < state_size_; j += lanes) test += 0 * Simd<T>::load(state_.get() + j);
        return std::isfinite(cost) && Groups<T>::sum(test) == 0;
    }

    // The next `count` updates as PanelTrainer does them, which finds the first number that is not finite.
    void carefully(const Rows<T> &rows, const Steps &steps, std::size_t count, Done &done) {
        load_panels();
        Steps part = steps;
        part.rates += done.steps;
        part.t += done.steps;
        part.count = count;
        part.cost_sum = done.cost_sum;
        part.rows = done.rows;
        if (steps.batch_size == 1) {
            part.target = -std::numeric_limits<double>::infinity();
            part.seconds = std::numeric_limits<double>::infinity();
        }
        const std::size_t before = done.steps;
        done = panels_.steps(rows, part);
        done.steps += before;
        std::vector<T> flat(plan_.size * (2 + plan_.slots));
        std::vector<T *> memory;
        for (int k = 0; k < plan_.slots; ++k) memory.push_back(flat.data() + (2 + k) * plan_.size);
        panels_.store(flat.data(), memory, flat.data() + plan_.size);
        this->momenta = panels_.momenta;
        pack(flat.data(), state_.get());
        pack(flat.data() + plan_.size, previous_.get());
        for (int k = 0; k < plan_.slots; ++k) pack(memory[k], state_.get() + (k + 1) * net_.size);
        ahead_of_ = never;
    }

    void load_panels() {
        std::vector<T> flat(plan_.size * (1 + plan_.slots));
        std::vector<const T *> memory;
        for (int k = 0; k <= plan_.slots; ++k) {
            T *part = flat.data() + k * plan_.size;
            unpack(state_.get() + k * net_.size, part);
            if (k > 0) memory.push_back(part);
        }
        panels_.momenta = this->momenta;
        panels_.load(flat.data(), memory);
    }

    void pack(const T *flat, T *packed) const {
        const auto &first = net_.first, &second = net_.second;
        for (std::size_t i = 0; i < net_.inputs; ++i)
            std::copy_n(flat + first.weights + i * net_.units, net_.units, packed + i * net_.width);
        if (first.has_bias) std::copy_n(flat + first.biases, net_.units, packed + net_.b);
        for (std::size_t j = 0; j < net_.units; ++j)
            for (std::size_t k = 0; k < net_.outputs; ++k)
                packed[net_.V + k * net_.width + j] = flat[second.weights + j * net_.outputs + k];
        if (second.has_bias) std::copy_n(flat + second.biases, net_.outputs, packed + net_.c);
    }

    void unpack(const T *packed, T *flat) const {
        const auto &first = net_.first, &second = net_.second;
        for (std::size_t i = 0; i < net_.inputs; ++i)
            std::copy_n(packed + i * net_.width, net_.units, flat + first.weights + i * net_.units);
        if (first.has_bias) std::copy_n(packed + net_.b, net_.units, flat + first.biases);
        for (std::size_t j = 0; j < net_.units; ++j)
            for (std::size_t k = 0; k < net_.outputs; ++k)
                flat[second.weights + j * net_.outputs + k] = packed[net_.V + k * net_.width + j];
        if (second.has_bias) std::copy_n(packed + net_.c, net_.outputs, flat + second.biases);
    }

    // The function for this plan; none: the general one.
    Rectified rectified_kernel() const {
        const bool leaky = net_.first.activation == Activation::leaky_relu;
        if (!(leaky || net_.first.activation == Activation::relu) || net_.second.activation != Activation::identity ||
            plan_.loss != Loss::squared_error || plan_.optimizer != Optimizer::sgd)
            return nullptr;
        const std::size_t registers = net_.width / lanes;
        if (registers == 1) return leaky ? rectified<1, true>() : rectified<1, false>();
        if (registers == 2) return leaky ? rectified<2, true>() : rectified<2, false>();
        return leaky ? rectified<4, true>() : rectified<4, false>();
    }

    template <int registers, bool leaky, int outputs = 1>
    Rectified rectified() const {
        if constexpr (outputs < most_outputs)
            if (net_.outputs > outputs) return rectified<registers, leaky, outputs + 1>();
        return &rectified_updates<T, registers, outputs, leaky>;
    }

    const Plan plan_;
    const SingleRowNetwork<T> net_;
    GeneralUpdates<T> general_;
    const Rectified rectified_;
    PanelTrainer<T> panels_;
    Shuffle shuffle_;
    const std::size_t state_size_;  // of the parameters, and behind them the optimizer's memory
    Buffer<T> state_, saved_, loaded_, previous_;
    Buffer<T> factors_, ahead_;
    std::size_t ahead_of_ = never;  // the update whose f z is in `ahead_`, for these parameters and for next_x_
    std::vector<T> next_x_;
};

// None where the plan asks for more.
template <class T>
std::unique_ptr<Trainer<T>> make_single_row(const Plan &plan) {
    return SingleRowTrainer<T>::fits(plan) ? std::make_unique<SingleRowTrainer<T>>(plan) : nullptr;
}

}  // namespace unstuck::UNSTUCK_ISA
