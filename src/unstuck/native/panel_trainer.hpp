// Training on panels: forward, backward and update, with the parameters in panel layout from the first step to the
// last.
//
// A step has two parts. In the first each thread carries its own rows of the mini-batch forward and backward; in the
// second the threads share out the panels of the weights, for each of which one thread computes the gradient and, while
// it is still in the cache, the update.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <memory>
#include <thread>
#include <vector>

#include "batches.hpp"
#include "buffer.hpp"
#include "functions.hpp"
#include "interface.hpp"
#include "kernels.hpp"
#include "optimizers.hpp"
#include "philox.hpp"
#include "team.hpp"

namespace unstuck::UNSTUCK_ISA {

constexpr std::uint32_t dropout_stream = 1u << 16;
constexpr double flops_for_threads = 4e6;   // per step; smaller steps are done sooner by one thread
constexpr std::size_t rows_at_once = 1024;  // where nothing depends on all rows

template <class T>
class PanelTrainer final : public Trainer<T> {
    static constexpr std::size_t P = panel<T>;

    // A layer, where its parameters lie in the packed vector, and what the batch under way left behind.
    struct Layer {
        LayerPlan plan;
        std::size_t inputs, outputs;
        std::size_t weights, biases;  // offsets: W as [panels of o][i][P], b as [panels of o][P]
        bool sends_back = false;      // whether dL/dx is wanted
        const T *x = nullptr;         // its input, in panels
        Buffer<T> z, a, delta, factor, transposed;
    };

    // A panel of a layer's weights: the unit of work of a step's second part.
    struct Item {
        Layer *layer;
        std::size_t panel;
        T *at(T *packed) const { return packed + layer->weights + panel * layer->inputs * P; }
        T *bias_at(T *packed) const { return packed + layer->biases + panel * P; }
        std::size_t size() const { return layer->inputs * P; }
    };

    struct Batch {
        const Rows<T> &rows;
        const std::uint32_t *order = nullptr;  // of its rows; none: as they are, from `first` on
        std::size_t first = 0, n = 0;
        std::int64_t t = -1;   // the update it is for, which names its dropout masks; -1: evaluation
        double row_scale = 1;  // dL/dl_r = row_scale w_r
    };

  public:
    explicit PanelTrainer(const Plan &plan) : plan_(plan), loss_(plan_) {
        std::size_t end = 0;
        bool sends_back = false;
        for (const auto &described : plan_.layers) {
            layers_.push_back(std::make_unique<Layer>());
            Layer &layer = *layers_.back();
            layer.plan = described;
            layer.inputs = described.inputs;
            layer.outputs = described.outputs;
            if (!described.is_dense) continue;
            layer.weights = end;
            layer.biases = end += panels<T>(layer.outputs) * layer.inputs * P;
            if (described.has_bias) end += panels<T>(layer.outputs) * P;
            layer.sends_back = sends_back;
            if (sends_back) layer.transposed.resize(panels<T>(layer.inputs) * layer.outputs * P);
            sends_back = true;
            flops_ += 6.0 * layer.inputs * layer.outputs;
            for (std::size_t p = 0; p < panels<T>(layer.outputs); ++p) items_.push_back({&layer, p});
        }
        w_.resize(end);
        g_.resize(end);
        previous_.resize(end);
        for (int k = 0; k < 3; ++k) memory_[k].resize(k < plan_.slots ? end : 0);
        size_ = end;
        squares_.resize(items_.size());
    }

    void load(const T *w, const std::vector<const T *> &memory) override {
        pack(w, w_.get());
        for (std::size_t k = 0; k < memory.size(); ++k) pack(memory[k], memory_[k].get());
        for (const Item &item : items_) transpose(item);
    }

    void store(T *w, const std::vector<T *> &memory, T *previous) const override {
        unpack(w_.get(), w);
        unpack(previous_.get(), previous);
        for (std::size_t k = 0; k < memory.size(); ++k) unpack(memory_[k].get(), memory[k]);
    }

    Done steps(const Rows<T> &rows, const Steps &steps) override {
        reserve(steps.batch_size);
        const int members = flops_ * steps.batch_size < flops_for_threads ? 1 : std::max(1, steps.threads);
        Run run{steps, Batch{rows}, members};
        run.done.cost_sum = steps.cost_sum;
        run.done.rows = steps.rows;
        next(run);
        std::vector<std::thread> others;
        for (int member = 1; member < members; ++member) others.emplace_back([&, member] { work(run, member); });
        work(run, 0);
        for (auto &other : others) other.join();
        return run.done;
    }

    double cost_and_gradient(const Rows<T> &rows, T *gradient) override {
        reserve(rows.count);
        Batch batch{rows};
        begin(batch, rows.count);
        forward(batch, 0, rows.count);
        double cost = output(batch, 0, rows.count);
        backward(batch, 0, rows.count);
        for (const Item &item : items_) cost += gradient_of(batch, item);
        unpack(g_.get(), gradient);
        return cost;
    }

    double evaluate(const Rows<T> &rows, T *A) override {
        const auto o = static_cast<std::size_t>(plan_.outputs);
        double sum = 0, total = 0;
        for (std::size_t first = 0; first < rows.count; first += rows_at_once) {
            const auto part = rows.part(first, std::min(rows_at_once, rows.count - first), plan_.inputs, plan_.outputs);
            reserve(part.count);
            Batch batch{part};
            batch.n = part.count;
            forward(batch, 0, batch.n);
            sum += output(batch, 0, batch.n);
            for (std::size_t r = 0; r < batch.n; ++r) {
                total += part.weights ? part.weights[r] : 1.0;
                read_row(layers_.back()->a.get(), r, batch.n, A + (first + r) * o, o);
            }
        }
        return plan_.mean_of_rows && total != 0 ? sum / total : sum;
    }

  private:
    // ---- the steps -----------------------------------------------------------------------------------------------

    struct Run {
        Run(const Steps &steps, Batch batch, int members)
            : steps(steps), batch(batch), members(members), barrier(members), costs(members) {}
        const Steps &steps;
        Batch batch;
        const std::size_t per_epoch = (batch.rows.count + steps.batch_size - 1) / steps.batch_size;
        const int members;
        Barrier barrier;
        std::vector<double> costs;
        std::atomic<std::size_t> next_item{0}, next_update{0};
        double shrink = 1;
        bool stop = false, last = false;
        Done done{};
        std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
    };

    // One thread's share of all steps.
    void work(Run &run, int member) {
        const bool by_norm = std::isfinite(plan_.clip_norm);
        while (!run.stop) {
            const std::size_t n = run.batch.n, from = n * member / run.members, to = n * (member + 1) / run.members;
            forward(run.batch, from, to);
            double cost = output(run.batch, from, to);
            backward(run.batch, from, to);
            run.barrier.wait();
            const std::size_t done = run.done.steps;
            const Moment moment(plan_, run.steps.rates[done], static_cast<double>(run.steps.t + done + 1),
                                this->momenta);
            for (std::size_t k; (k = run.next_item++) < items_.size();) {
                cost += gradient_of(run.batch, items_[k]);
                if (by_norm)
                    squares_[k] = square_of(items_[k]);
                else
                    update_of(items_[k], moment, 1);
            }
            run.costs[member] = cost;
            run.barrier.wait();
            if (by_norm) {
                double square = 0;
                for (double part : squares_) square += part;
                const double norm = std::sqrt(square);
                for (std::size_t k; (k = run.next_update++) < items_.size();)
                    update_of(items_[k], moment, std::min(1.0, plan_.clip_norm / std::max(norm, 1e-38)));
                run.barrier.wait();
            }
            if (member == 0) conclude(run, moment);
            run.barrier.wait();
        }
    }

    void conclude(Run &run, const Moment &moment) {
        double cost = 0;
        for (double part : run.costs) cost += part;
        if (!std::isfinite(cost) || !finite_gradient_) {
            run.done.failed = true;
            run.done.finite_cost = std::isfinite(cost);
            finite_gradient_ = true;
            run.stop = true;
            return;
        }
        run.done.steps += 1;
        run.done.cost_sum += cost * static_cast<double>(run.batch.n);
        run.done.rows += run.batch.n;
        this->momenta *= moment.momentum;
        const bool epoch_ends = (run.steps.t + run.done.steps) % run.per_epoch == 0;
        run.done.reached = epoch_ends && run.done.cost_sum / static_cast<double>(run.done.rows) <= run.steps.target;
        if (run.last || run.done.reached)
            run.stop = true;
        else
            next(run);
    }

    void next(Run &run) {
        const Steps &steps = run.steps;
        run.stop = run.done.steps >= steps.count;
        if (run.stop) return;
        Batch &batch = run.batch;
        const std::size_t t = steps.t + run.done.steps, n = batch.rows.count;
        const std::size_t epoch = t / run.per_epoch, first = t % run.per_epoch * steps.batch_size;
        if (first == 0) run.done.cost_sum = 0, run.done.rows = 0;
        batch.first = first;
        batch.order = steps.shuffled ? shuffle_.order(plan_.seed, epoch, n) + first : nullptr;
        batch.t = static_cast<std::int64_t>(t);
        run.next_item = run.next_update = 0;
        begin(batch, std::min(steps.batch_size, n - first));
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - run.started;
        const bool ends_epoch = first + batch.n == n;
        run.last = run.done.steps + 1 == steps.count || spent.count() > steps.seconds;
        if (run.last || (ends_epoch && std::isfinite(steps.target))) std::copy_n(w_.get(), size_, previous_.get());
    }

    void begin(Batch &batch, std::size_t n) {
        batch.n = n;
        double total = static_cast<double>(n);
        if (batch.rows.weights) {
            total = 0;
            for (std::size_t r = 0; r < n; ++r) total += batch.rows.weights[row(batch, r)];
        }
        batch.row_scale = plan_.mean_of_rows && total != 0 ? 1 / total : 1;
    }

    // ---- forward -------------------------------------------------------------------------------------------------

    void forward(const Batch &batch, std::size_t from, std::size_t to) {
        gather(batch, from, to);
        const T *x = x_.get();
        for (auto &layer : layers_) {
            if (layer->plan.is_dense) {
                forward_dense(*layer, x, batch.n, from, to);
                if (layer->plan.activation == Activation::softmax) softmax(*layer, batch.n, from, to);
            } else if (batch.t >= 0) {
                forward_dropout(*layer, x, batch, from, to);
            } else {
                continue;
            }
            x = layer->a.get();
        }
    }

    void softmax(Layer &layer, std::size_t n, std::size_t from, std::size_t to) {
        std::vector<T> a(layer.outputs);
        for (std::size_t r = from; r < to; ++r) {
            read_row(layer.a.get(), r, n, a.data(), layer.outputs);
            softmax_row(a.data(), layer.outputs);
            write_row(layer.a.get(), r, n, a.data(), layer.outputs);
        }
    }

    void forward_dense(Layer &layer, const T *x, std::size_t n, std::size_t from, std::size_t to) {
        layer.x = x;
        const auto f = layer.plan.activation;
        const T parameter = static_cast<T>(layer.plan.parameter);
        const bool keeps_z = &layer == layers_.back().get() || derivative_needs_z(f);
        for (std::size_t p = 0; p < panels<T>(layer.outputs); ++p) {
            const Item item{&layer, p};
            const T *bias = layer.plan.has_bias ? item.bias_at(w_.get()) : nullptr;
            T *z = (keeps_z ? layer.z.get() : layer.a.get()) + p * n * P, *a = layer.a.get() + p * n * P;
            multiply_rows(x, n * P, layer.inputs, from, to, item.at(w_.get()), z,
                          [&](std::size_t r, std::size_t count) {
                              if (bias)
                                  for (std::size_t k = 0; k < count; ++k) add(z + (r + k) * P, bias);
                              activate(f, parameter, z + r * P, a + r * P, count * P);
                          });
        }
    }

    void forward_dropout(Layer &layer, const T *x, const Batch &batch, std::size_t from, std::size_t to) {
        const auto threshold = static_cast<std::uint64_t>(std::nearbyint(layer.plan.rate * 4294967296.0));
        const T scale = static_cast<T>(1 / (1 - layer.plan.rate));
        const std::uint32_t stream = dropout_stream + layer.plan.index;
        for (std::size_t p = 0; p < panels<T>(layer.outputs); ++p)
            for (std::size_t r = from; r < to; ++r) {
                const std::size_t at = (p * batch.n + r) * P;
                T *factor = layer.factor.get() + at;
                for (std::size_t j = 0; j < P; j += 4) {
                    const auto words =
                        philox4x32_10({static_cast<std::uint32_t>((p * P + j) / 4), static_cast<std::uint32_t>(r),
                                       static_cast<std::uint32_t>(batch.t), stream},
                                      plan_.seed);
                    for (std::size_t k = 0; k < 4; ++k) factor[j + k] = words[k] >= threshold ? scale : T(0);
                }
                for (std::size_t j = 0; j < P; ++j) layer.a.get()[at + j] = x[at + j] * factor[j];
            }
    }

    // The loss of rows from..to; leaves delta = dL/dz of the last layer.
    double output(const Batch &batch, std::size_t from, std::size_t to) {
        Layer &last = *layers_.back();
        const std::size_t o = last.outputs, padded = panels<T>(o) * P;
        std::vector<T> scratch(3 * padded);
        T *z = scratch.data(), *a = z + padded, *d = a + padded;
        double sum = 0;
        for (std::size_t r = from; r < to; ++r) {
            const std::size_t source = row(batch, r);
            read_row(last.z.get(), r, batch.n, z, o);
            read_row(last.a.get(), r, batch.n, a, o);
            const T l = loss_(batch.rows.Y + source * o, z, a, d);
            const double scale = batch.row_scale * (batch.rows.weights ? batch.rows.weights[source] : T(1));
            for (std::size_t k = 0; k < o; ++k) d[k] *= static_cast<T>(scale);
            for (std::size_t k = 0; k < padded; ++k)
                last.delta.get()[(k / P * batch.n + r) * P + k % P] = k < o ? d[k] : T(0);
            sum += scale * l;
        }
        return sum;
    }

    // ---- backward ------------------------------------------------------------------------------------------------

    void backward(const Batch &batch, std::size_t from, std::size_t to) {
        const std::size_t n = batch.n;
        for (std::size_t k = layers_.size(); k-- > 0;) {
            Layer &layer = *layers_[k];
            if (!layer.plan.is_dense || !layer.sends_back) continue;
            std::size_t below = k - 1;
            while (!layers_[below]->plan.is_dense) --below;
            Layer &receiver = *layers_[below];
            for (std::size_t p = 0; p < panels<T>(layer.inputs); ++p) {
                const std::size_t at = p * n * P;
                const auto f = receiver.plan.activation;
                const T parameter = static_cast<T>(receiver.plan.parameter);
                T *d = receiver.delta.get() + at;
                multiply_rows(layer.delta.get(), n * P, layer.outputs, from, to,
                              layer.transposed.get() + p * layer.outputs * P, d, [&](std::size_t r, std::size_t count) {
                                  for (std::size_t j = below + 1; batch.t >= 0 && j < k; ++j)
                                      times(d + r * P, layers_[j]->factor.get() + at + r * P, count * P);
                                  times_derivative(f, parameter, receiver.z.get() + at + r * P,
                                                   receiver.a.get() + at + r * P, d + r * P, count * P);
                              });
            }
            if (receiver.plan.activation == Activation::softmax) hidden_softmax(receiver, n, from, to);
        }
    }

    void hidden_softmax(Layer &layer, std::size_t n, std::size_t from, std::size_t to) {
        std::vector<T> scratch(2 * layer.outputs);
        T *a = scratch.data(), *d = a + layer.outputs;
        for (std::size_t r = from; r < to; ++r) {
            read_row(layer.a.get(), r, n, a, layer.outputs);
            read_row(layer.delta.get(), r, n, d, layer.outputs);
            softmax_backward(a, d, layer.outputs);
            write_row(layer.delta.get(), r, n, d, layer.outputs);
        }
    }

    // Leaves the gradient of one panel of W, and of its stretch of b, in g_; returns the panel's penalties.
    double gradient_of(const Batch &batch, const Item &item) {
        const Layer &layer = *item.layer;
        const T *delta = layer.delta.get() + item.panel * batch.n * P;
        T *g = item.at(g_.get());
        multiply_columns(layer.x, batch.n * P, layer.inputs, batch.n, delta, g);
        double cost = penalize(item.at(w_.get()), g, item.size(), false);
        if (layer.plan.has_bias) {
            T *gb = item.bias_at(g_.get());
            std::fill_n(gb, P, T(0));
            for (std::size_t r = 0; r < batch.n; ++r)
                for (std::size_t j = 0; j < P; ++j) gb[j] += delta[r * P + j];
            cost += penalize(item.bias_at(w_.get()), gb, P, true);
        }
        T test = 0;
        const auto check = [&](const T *from, std::size_t count) {
            for (std::size_t j = 0; j < count; ++j) test += from[j] * 0;
        };
        check(g, item.size());
        if (layer.plan.has_bias) check(item.bias_at(g_.get()), P);
        if (test != 0) finite_gradient_ = false;
        return cost;
    }

    double penalize(const T *w, T *g, std::size_t count, bool biases) {
        double cost = 0;
        for (const auto &penalty : plan_.penalties) {
            if (biases && !penalty.on_biases) continue;
            const T strength = static_cast<T>(penalty.strength);
            double sum = 0;
            if (penalty.kind == Penalty::l2) {
                for (std::size_t j = 0; j < count; ++j) {
                    sum += static_cast<double>(w[j]) * w[j];
                    g[j] += strength * w[j];
                }
                cost += penalty.strength / 2 * sum;
            } else if (penalty.kind == Penalty::l1) {
                for (std::size_t j = 0; j < count; ++j) {
                    sum += std::abs(w[j]);
                    g[j] += strength * static_cast<T>((w[j] > 0) - (w[j] < 0));
                }
                cost += penalty.strength * sum;
            }
        }
        return cost;
    }

    double square_of(const Item &item) {
        double sum = 0;
        const T limit = static_cast<T>(plan_.clip_value);
        const auto add_up = [&](const T *g, std::size_t count) {
            for (std::size_t j = 0; j < count; ++j) {
                const double clipped = std::clamp(g[j], -limit, limit);
                sum += clipped * clipped;
            }
        };
        add_up(item.at(g_.get()), item.size());
        if (item.layer->plan.has_bias) add_up(item.bias_at(g_.get()), P);
        return sum;
    }

    // ---- update --------------------------------------------------------------------------------------------------

    void update_of(const Item &item, const Moment &moment, double shrink) {
        update_stretch(item.at(w_.get()) - w_.get(), item.size(), moment, shrink, false);
        if (item.layer->plan.has_bias) update_stretch(item.bias_at(w_.get()) - w_.get(), P, moment, shrink, true);
        for (const auto &penalty : plan_.penalties)
            if (penalty.kind == Penalty::max_norm) limit_norms(item, static_cast<T>(penalty.strength));
        transpose(item);
    }

    void update_stretch(std::size_t at, std::size_t count, const Moment &moment, double shrink, bool biases) {
        T *w = w_.get() + at, *g = g_.get() + at;
        if (std::isfinite(plan_.clip_value)) {
            const T limit = static_cast<T>(plan_.clip_value);
            for (std::size_t j = 0; j < count; ++j) g[j] = std::clamp(g[j], -limit, limit);
        }
        if (shrink != 1)
            for (std::size_t j = 0; j < count; ++j) g[j] *= static_cast<T>(shrink);
        for (const auto &penalty : plan_.penalties)
            if (penalty.kind == Penalty::decoupled_decay && (!biases || penalty.on_biases)) {
                const T keep = static_cast<T>(1 - moment.rate * penalty.strength);
                for (std::size_t j = 0; j < count; ++j) w[j] *= keep;
            }
        T *m = memory_[0].get(), *s = memory_[1].get(), *v = memory_[2].get();
        update(plan_, moment, w, g, m ? m + at : m, s ? s + at : s, v ? v + at : v, count);
    }

    void limit_norms(const Item &item, T limit) {
        T squares[P] = {}, *w = item.at(w_.get());
        for (std::size_t i = 0; i < item.layer->inputs; ++i)
            for (std::size_t j = 0; j < P; ++j) squares[j] += w[i * P + j] * w[i * P + j];
        for (std::size_t j = 0; j < P; ++j)
            squares[j] = std::min(T(1), limit / std::max(std::sqrt(squares[j]), std::numeric_limits<T>::min()));
        for (std::size_t i = 0; i < item.layer->inputs; ++i)
            for (std::size_t j = 0; j < P; ++j) w[i * P + j] *= squares[j];
    }

    // Keeps W^T, which delta W^T needs, up to date with one panel of W.
    void transpose(const Item &item) {
        Layer &layer = *item.layer;
        if (!layer.sends_back) return;
        const T *w = item.at(w_.get());
        const std::size_t first = item.panel * P, count = std::min(P, layer.outputs - first);
        for (std::size_t q = 0; q < panels<T>(layer.inputs); ++q) {
            T *to = layer.transposed.get() + (q * layer.outputs + first) * P;
            const std::size_t width = std::min(P, layer.inputs - q * P);
            for (std::size_t j = 0; j < count; ++j)
                for (std::size_t i = 0; i < width; ++i) to[j * P + i] = w[(q * P + i) * P + j];
        }
    }

    // ---- rows and panels -----------------------------------------------------------------------------------------

    static std::size_t row(const Batch &batch, std::size_t r) { return batch.order ? batch.order[r] : batch.first + r; }

    void gather(const Batch &batch, std::size_t from, std::size_t to) {
        const auto inputs = static_cast<std::size_t>(plan_.inputs);
        for (std::size_t r = from; r < to; ++r)
            write_row(x_.get(), r, batch.n, batch.rows.X + row(batch, r) * inputs, inputs);
    }

    static void read_row(const T *panel_major, std::size_t r, std::size_t n, T *to, std::size_t count) {
        for (std::size_t k = 0; k < count; k += P)
            std::copy_n(panel_major + (k / P * n + r) * P, std::min(P, count - k), to + k);
    }

    static void write_row(T *panel_major, std::size_t r, std::size_t n, const T *from, std::size_t count) {
        for (std::size_t k = 0; k < count; k += P)
            std::copy_n(from + k, std::min(P, count - k), panel_major + (k / P * n + r) * P);
    }

    static void add(T *to, const T *from) {
        for (std::size_t j = 0; j < P; ++j) to[j] += from[j];
    }

    static void times(T *to, const T *by, std::size_t count) {
        for (std::size_t j = 0; j < count; ++j) to[j] *= by[j];
    }

    void reserve(std::size_t n) {
        x_.resize(panels<T>(plan_.inputs) * n * P);
        for (auto &layer : layers_) {
            const std::size_t size = panels<T>(layer->outputs) * n * P;
            layer->a.resize(size);
            if (!layer->plan.is_dense) {
                layer->factor.resize(size);
                continue;
            }
            layer->z.resize(size);
            layer->delta.resize(size);
        }
    }

    void pack(const T *flat, T *packed) const {
        std::fill_n(packed, size_, T(0));  // the padding of the last panels stays zero
        for (const Item &item : items_) {
            const Layer &layer = *item.layer;
            const std::size_t first = item.panel * P, count = std::min(P, layer.outputs - first);
            for (std::size_t i = 0; i < layer.inputs; ++i)
                std::copy_n(flat + layer.plan.weights + i * layer.outputs + first, count, item.at(packed) + i * P);
            if (layer.plan.has_bias) std::copy_n(flat + layer.plan.biases + first, count, item.bias_at(packed));
        }
    }

    void unpack(const T *packed, T *flat) const {
        T *from = const_cast<T *>(packed);
        for (const Item &item : items_) {
            const Layer &layer = *item.layer;
            const std::size_t first = item.panel * P, count = std::min(P, layer.outputs - first);
            for (std::size_t i = 0; i < layer.inputs; ++i)
                std::copy_n(item.at(from) + i * P, count, flat + layer.plan.weights + i * layer.outputs + first);
            if (layer.plan.has_bias) std::copy_n(item.bias_at(from), count, flat + layer.plan.biases + first);
        }
    }

    const Plan plan_;
    const RowLoss<T> loss_;
    std::vector<std::unique_ptr<Layer>> layers_;
    std::vector<Item> items_;
    Shuffle shuffle_;
    Buffer<T> w_, g_, previous_, x_;
    std::array<Buffer<T>, 3> memory_;
    std::vector<double> squares_;
    std::atomic<bool> finite_gradient_{true};
    double flops_ = 0;
    std::size_t size_ = 0;
};

}  // namespace unstuck::UNSTUCK_ISA
