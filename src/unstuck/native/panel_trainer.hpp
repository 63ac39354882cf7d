// Training on panels: forward, backward and update, with the parameters in panel layout from the first step to the
// last.
//
// A step has two parts. In the first the threads take chunks of rows and carry each forward and backward; in the second
// they take panels of the weights, for each of which one thread computes the gradient and, block by block while it is
// in the cache, the update. What is summed over rows is summed in their order, so the number of threads changes no bit.
#pragma once

#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "batches.hpp"
#include "denormals.hpp"
#include "functions.hpp"
#include "interface.hpp"
#include "layer.hpp"
#include "masks.hpp"
#include "mini_batch.hpp"
#include "optimizers.hpp"
#include "output_losses.hpp"
#include "panels.hpp"
#include "penalties.hpp"
#include "shares.hpp"
#include "signals.hpp"
#include "team.hpp"

namespace unstuck::UNSTUCK_ISA {

constexpr double flops_for_threads = 4e6;  // smaller batches are done sooner by one thread
constexpr std::size_t slab_rows = 4096;    // whose activations are kept at a time, however large the batch
constexpr std::size_t chunk_rows = 128;    // whose activations the second-level cache may hold

template <class T>
class PanelTrainer final : public Trainer<T> {
    static constexpr std::size_t P = panel<T>;

  public:
    explicit PanelTrainer(const Plan &plan) : plan_(plan), loss_(plan_), moments_(plan_) {
        const auto has_max_norm = std::any_of(plan_.penalties.begin(), plan_.penalties.end(),
                                              [](const auto &p) { return p.kind == Penalty::max_norm; });
        std::size_t end = 0;
        bool sends_back = false;
        for (const auto &described : plan_.layers) {
            Layer<T> &layer = *layers_.emplace_back(std::make_unique<Layer<T>>());
            layer.plan = described;
            layer.inputs = described.inputs;
            layer.outputs = described.outputs;
            if (!described.is_dense) continue;
            // max-norm wants the norm of a unit's weights, which a panel over the inputs does not hold together
            layer.few = layer.outputs <= P / 2 && !has_max_norm;
            layer.keeps_z = derivative_needs_z(described.activation);
            layer.weights = end;
            layer.biases = end += layer.weight_panels() * layer.panel_rows() * P;
            end += layer.bias_rows() * P;
            layer.sends_back = sends_back;
            if (sends_back && !layer.few) layer.transposed.resize(panels<T>(layer.inputs) * layer.outputs * P);
            sends_back = true;
            row_flops_ += 6.0 * layer.inputs * layer.outputs;
            for (std::size_t p = 0; p < layer.weight_panels(); ++p) items_.push_back({&layer, p});
        }
        layers_.back()->keeps_z = true;
        size_ = end;
        w_.resize(size_);
        previous_.resize(size_);
        for (int k = 0; k < plan_.slots; ++k) memory_[k].resize(size_);
        by_norm_ = std::isfinite(plan_.clip_norm);
        item_squares_.resize(items_.size());
        item_costs_.resize(items_.size());
        item_noted_.resize(items_.size());
    }

    const char *name() const override { return "panels"; }

    void load(const T *w, const std::vector<const T *> &memory) override {
        pack(w, w_.get());
        for (std::size_t k = 0; k < memory.size(); ++k) pack(memory[k], memory_[k].get());
        for (const auto &item : items_) keep_transposed(item);
    }

    void store(T *w, const std::vector<T *> &memory, T *previous) const override {
        unpack(w_.get(), w);
        unpack(previous_.get(), previous);
        for (std::size_t k = 0; k < memory.size(); ++k) unpack(memory_[k].get(), memory[k]);
    }

    Done steps(const Rows<T> &rows, const Steps &steps) override {
        Run run(*this, rows, steps.threads, steps.batch_size, Purpose::update);
        run.steps = steps;
        run.per_epoch = (rows.count + steps.batch_size - 1) / steps.batch_size;
        run.done.cost_sum = steps.cost_sum;
        run.done.rows = steps.rows;
        begin_update(run);
        work_together(run);
        return run.done;
    }

    std::vector<double> gradient_norms() const override {
        std::vector<double> norms;
        for (std::size_t k = 0; notes_gradients_ && k < items_.size(); ++k) {
            if (items_[k].panel == 0) norms.push_back(0);
            norms.back() += item_noted_[k];
        }
        for (double &norm : norms) norm = std::sqrt(norm);
        return norms;
    }

    double cost_and_gradient(const Rows<T> &rows, int threads, T *gradient) override {
        notes_gradients_ = false;
        Run run(*this, rows, threads, rows.count, Purpose::gradient);
        begin_batch(run, rows.count);
        work_together(run);
        unpack(g_.get(), gradient);
        return run.cost;
    }

    double evaluate(const Rows<T> &rows, int threads, T *A, const Signals *signals) override {
        Run run(*this, rows, threads, rows.count, Purpose::outputs, signals != nullptr);
        run.A = A;
        if (signals) run.notes.emplace(layers_);
        begin_batch(run, rows.count);
        work_together(run);
        if (signals) run.notes->report(*signals);
        return run.cost;
    }

  private:
    // ---- the work and how it is shared -------------------------------------------------------------------------

    enum class Purpose { update, gradient, outputs };

    using Batch = MiniBatch<T>;

    struct Scratch {
        Buffer<T> outputs;
        RowEntries<T> entries;
    };

    struct Run {
        Run(PanelTrainer &trainer, const Rows<T> &rows, int threads, std::size_t batch_rows, Purpose purpose,
            bool observed = false)
            : purpose(purpose),
              members(trainer.row_flops_ * batch_rows < flops_for_threads ? 1 : std::max(1, threads)),
              slab(purpose == Purpose::outputs ? trainer.rows_to_evaluate(members) : slab_rows),
              team(members) {
            batch.rows = &rows;
            batch.keeps_z = observed;
            batch.goes_back = purpose != Purpose::outputs;
            trainer.reserve(batch_rows, *this);
            gradients.deal(members, trainer.owners(members));
            updates.deal(members, trainer.owners(members));
        }
        const Purpose purpose;
        const int members;       // wanted; what is cut for them does not depend on how many there are
        const std::size_t slab;  // rows whose activations are kept at a time
        Team team;
        Batch batch;
        std::size_t chunks = 0;
        Shares rows, gradients, updates;  // chunks; and items, twice
        double cost = 0;
        bool stop = false;
        // of outputs only
        T *A = nullptr;
        std::optional<SignalNotes<T>> notes;
        // of updates only
        Steps steps{};
        std::size_t per_epoch = 1;
        Moment moment{};
        Rule<T> rule;
        double shrink = 1;  // the gradient, to the limit of its norm
        bool last = false;
        Done done{};
        std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
    };

    void work_together(Run &run) {
        run.team.together([&](Team::Member &me) {
            const DenormalsAreZero fast;
            work(run, me);
        });
    }

    // One thread's share.
    void work(Run &run, Team::Member &me) {
        const bool gradients = run.purpose != Purpose::outputs;
        while (me.stays() && !run.stop) {
            run.rows.work(me.number, [&](std::size_t c) {
                const std::size_t from = run.batch.n * c / run.chunks, to = run.batch.n * (c + 1) / run.chunks;
                Scratch &mine = scratch_[me.number];
                forward(run.batch, c, from, to, mine.entries);
                loss_(run.batch, *layers_.back(), from, to, mine.outputs, row_costs_.data() + run.batch.done);
                if (gradients)
                    backward(run.batch, from, to, mine.entries);
                else
                    hand_over(run, c, from, to);
            });
            me.meet();
            if (gradients) {
                run.gradients.work(me.number, [&](std::size_t k) { gradient_of(run, k); });
                if (by_norm_ && run.purpose == Purpose::update && run.batch.is_last()) {
                    me.meet([&] { run.shrink = shrink_factor(); });
                    run.updates.work(me.number, [&](std::size_t k) { update_of(run, items_[k]); });
                }
            }
            me.end_round([&] { conclude_slab(run); });
        }
    }

    // Who has which item: of each layer about the same.
    std::vector<std::size_t> owners(std::size_t members) const {
        std::vector<std::size_t> found;
        for (const auto &item : items_) found.push_back(item.panel * members / item.layer->weight_panels());
        return found;
    }

    void begin_update(Run &run) {
        const Steps &steps = run.steps;
        run.stop = run.done.steps >= steps.count;
        if (run.stop) return;
        Batch &batch = run.batch;
        const std::size_t t = steps.t + run.done.steps, n = batch.rows->count;
        batch.t = static_cast<std::int64_t>(steps.earlier + t);
        batch.first = t % run.per_epoch * steps.batch_size;
        if (batch.first == 0) run.done.cost_sum = 0, run.done.rows = 0;
        if (steps.shuffled) batch.order = shuffle_.order(plan_.seed, t / run.per_epoch, n);
        run.moment = moments_.at(steps.earlier + t + 1, steps.rates[run.done.steps], this->momenta);
        run.rule = rule_of<T>(plan_, run.moment);
        begin_batch(run, std::min(steps.batch_size, n - batch.first));
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - run.started;
        run.last = run.done.steps + 1 == steps.count || spent.count() > steps.seconds;
        const bool may_be_last = run.last || (std::isfinite(steps.target) && (t + 1) % run.per_epoch == 0);
        if (may_be_last) std::copy_n(w_.get(), size_, previous_.get());
        notes_gradients_ = may_be_last && steps.notes_gradients;
    }

    void begin_batch(Run &run, std::size_t count) {
        Batch &batch = run.batch;
        batch.done = 0;
        batch.count = count;
        double total = static_cast<double>(count);
        if (batch.rows->weights) {
            total = 0;
            for (std::size_t r = 0; r < count; ++r) total += batch.weight(r);
        }
        batch.row_share = total != 0 ? 1 / total : 1;
        batch.row_scale = plan_.mean_of_rows ? batch.row_share : 1;
        run.cost = 0;
        run.stop = count == 0;
        begin_slab(run);
    }

    void begin_slab(Run &run) {
        Batch &batch = run.batch;
        batch.n = std::min(run.slab, batch.count - batch.done);
        const std::size_t members = run.members;
        const std::size_t chunks = members * ((batch.n + members * chunk_rows - 1) / (members * chunk_rows));
        if (run.chunks != chunks) {
            run.chunks = chunks;
            std::vector<std::size_t> owners(chunks);
            for (std::size_t c = 0; c < chunks; ++c) owners[c] = c * members / chunks;
            run.rows.deal(members, owners);
        }
        for (Shares *shares : {&run.rows, &run.gradients, &run.updates}) shares->renew();
        if (run.notes) run.notes->reserve(run.chunks);
        for (auto &layer : layers_)
            if (layer->zeros_in && batch.goes_back) layer->entries.begin(run.chunks);
    }

    void conclude_slab(Run &run) {
        Batch &batch = run.batch;
        for (std::size_t c = 0; run.notes && c < run.chunks; ++c)
            run.notes->merge(c, batch.n * (c + 1) / run.chunks - batch.n * c / run.chunks);
        if (!batch.is_last()) {
            batch.first += batch.n;
            batch.done += batch.n;
            return begin_slab(run);
        }
        run.cost = sum_of(row_costs_.data(), batch.count);  // of all slabs at once: how long they are changes no bit
        if (run.purpose != Purpose::outputs && !plan_.penalties.empty())
            for (double cost : item_costs_) run.cost += cost;
        if (run.purpose == Purpose::update)
            conclude_update(run);
        else
            run.stop = true;
    }

    void conclude_update(Run &run) {
        Done &done = run.done;
        done.finite_cost = std::isfinite(run.cost);
        done.failed = !finite_gradient_.exchange(true) || !done.finite_cost;
        if (done.failed) {
            run.stop = true;
            return;
        }
        done.steps += 1;
        done.cost_sum += run.cost * static_cast<double>(run.batch.count);
        done.rows += run.batch.count;
        this->momenta *= run.moment.momentum;
        const bool epoch_ends = (run.steps.t + done.steps) % run.per_epoch == 0;
        done.reached = epoch_ends && done.cost_sum / static_cast<double>(done.rows) <= run.steps.target;
        if (run.last || done.reached)
            run.stop = true;
        else
            begin_update(run);
    }

    // In halves, which loses least to rounding: a line search sees differences of costs.
    static double sum_of(const double *x, std::size_t n) {
        if (n > 16) return sum_of(x, n / 2) + sum_of(x + n / 2, n - n / 2);
        double sum = 0;
        for (std::size_t r = 0; r < n; ++r) sum += x[r];
        return sum;
    }

    // ---- forward -------------------------------------------------------------------------------------------------

    void forward(const Batch &batch, std::size_t chunk, std::size_t from, std::size_t to, RowEntries<T> &entries) {
        gather(batch, from, to);
        const T *x = x_.get();
        for (auto &layer : layers_) {
            if (layer->plan.is_dense)
                forward_dense(*layer, x, batch, chunk, from, to, entries);
            else if (batch.t >= 0)
                forward_dropout(*layer, x, batch, from, to);
            else
                continue;
            x = layer->a.get();
        }
    }

    // Shuffled rows lie anywhere in memory: they are sent for while those before them are copied.
    static void fetch(const T *row, std::size_t count) {
        constexpr std::size_t line = 64 / sizeof(T);
        for (std::size_t i = 0; i < count; i += line) __builtin_prefetch(row + i);
    }

    // The rows as panels. What lies beyond the end of a row is the beginning of the next one, and is not looked at but
    // by a layer of few outputs, which multiplies it by zeros; so there it must be zero.
    void gather(const Batch &batch, std::size_t from, std::size_t to) {
        constexpr std::size_t ahead = 4;
        const auto inputs = static_cast<std::size_t>(plan_.inputs), left_over = inputs % P;
        const std::size_t whole = panels<T>(inputs) * P, size = batch.rows->count * inputs;
        const bool clears = left_over != 0 && items_.front().layer->few;
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

    static void copy_panel(const T *from, T *to) {
        using S = Simd<T>;
        S::store(to, S::load(from));
        S::store(to + S::lanes, S::load(from + S::lanes));
    }

    static void no_finish(std::size_t) {}

    void forward_dense(Layer<T> &layer, const T *x, const Batch &batch, std::size_t chunk, std::size_t from,
                       std::size_t to, RowEntries<T> &entries) {
        const std::size_t n = batch.n;
        const auto f = layer.plan.activation;
        const T parameter = static_cast<T>(layer.plan.parameter);
        const T *w = w_.get() + layer.weights, *b = layer.plan.has_bias ? w_.get() + layer.biases : nullptr;
        T *z = (layer.keeps_z || batch.keeps_z ? layer.z : layer.a).get(), *a = layer.a.get();
        if (layer.few) {
            rows_times_few(x, n * P, layer.inputs, from, to, w, layer.outputs, b, z);
            activate(f, parameter, z + from * P, a + from * P, (to - from) * P);
        } else {
            const auto finish = [&](std::size_t p) {
                const std::size_t at = (p * n + from) * P;
                activate(f, parameter, z + at, a + at, (to - from) * P);
            };
            const bool listed = layer.zeros_in && entries.list(x, n, layer.inputs, from, to);
            if (layer.zeros_in && batch.goes_back) layer.entries.take(chunk, from, listed ? &entries : nullptr);
            if (listed)
                entries.times_panels(w, layer.inputs, layer.weight_panels(), b, z, n * P, finish);
            else if (f == Activation::relu && z == a)
                times_panels(x, n, layer.inputs, from, to, w, layer.weight_panels(), b, a, no_finish, Rectified<T>{});
            else
                times_panels(x, n, layer.inputs, from, to, w, layer.weight_panels(), b, z, finish);
        }
        const bool with_loss = &layer == layers_.back().get() && loss_.computes_softmax();
        if (f == Activation::softmax && !with_loss)
            for_rows<T>(layer.outputs, n, from, to, [&](T *row) { softmax_row(row, row, layer.outputs); }, a);
    }

    void forward_dropout(Layer<T> &layer, const T *x, const Batch &batch, std::size_t from, std::size_t to) {
        const DropoutFactors<T> factors(layer.plan, plan_.seed);
        for (std::size_t p = 0; p < panels<T>(layer.outputs); ++p) {
            const std::size_t at = (p * batch.n + from) * P;
            T *factor = layer.factor.get() + at, *a = layer.a.get() + at;
            factors.of_rows(factor, p * P, P, batch.done + from, to - from, static_cast<std::size_t>(batch.t));
            for (std::size_t j = 0; j < (to - from) * P; ++j) a[j] = x[at + j] * factor[j];
        }
    }

    void hand_over(Run &run, std::size_t c, std::size_t from, std::size_t to) {
        const auto o = static_cast<std::size_t>(plan_.outputs);
        if (run.notes) run.notes->observe(c, from, to, run.batch.n);
        for (std::size_t r = from; r < to; ++r)
            read_row(layers_.back()->a.get(), r, run.batch.n, run.A + run.batch.row(r) * o, o);
    }

    // ---- backward ------------------------------------------------------------------------------------------------

    void backward(const Batch &batch, std::size_t from, std::size_t to, RowEntries<T> &entries) {
        const std::size_t n = batch.n;
        for (std::size_t k = layers_.size(); k-- > 0;) {
            Layer<T> &layer = *layers_[k];
            if (!layer.plan.is_dense || !layer.sends_back) continue;
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
            const std::size_t count = panels<T>(layer.inputs);
            if (layer.zeros_out && entries.list(layer.delta.get(), n, layer.outputs, from, to))
                entries.times_panels(w, layer.outputs, count, nullptr, d, n * P, finish);
            else if (f == Activation::relu && below + 1 == k)
                times_panels<T>(layer.delta.get(), n, layer.outputs, from, to, w, count, nullptr, d, no_finish,
                                ThroughRelu<T>{a});
            else
                times_panels<T>(layer.delta.get(), n, layer.outputs, from, to, w, count, nullptr, d, finish);
            if (f == Activation::softmax)
                for_rows<T>(
                    receiver.outputs, n, from, to, [&](T *a, T *d) { softmax_backward(a, d, receiver.outputs); },
                    receiver.a.get(), receiver.delta.get());
        }
    }

    // The gradient of a panel of W, and of the biases that go with it, and their update unless that has to wait. Of a
    // gradient only g (block, P) is ever in memory, but where it is wanted, or comes slab by slab.
    void gradient_of(Run &run, std::size_t k) {
        const Item<T> &item = items_[k];
        const Layer<T> &layer = *item.layer;
        const Batch &batch = run.batch;
        const std::size_t stride = batch.n * P;
        const T *x = input_of(layer, batch), *delta = layer.delta.get();
        const T *left = layer.few ? delta : x, *right = (layer.few ? x : delta) + item.panel * stride;
        const bool updates = run.purpose == Purpose::update && batch.is_last() && !by_norm_;
        const bool keeps = run.purpose == Purpose::gradient || by_norm_ || !batch.is_last();
        double cost = 0, square = 0, noted = 0;
        typename Simd<T>::Vector test{};
        const auto settle = [&](std::size_t at, T *g, std::size_t count, bool biases) {
            if (!batch.is_first()) add(g, g_.get() + at, count);
            if (batch.is_last()) cost += penalize(plan_, w_.get() + at, g, count, biases, batch.row_share);
            test += zero_if_finite(g, count);
            if (by_norm_) square += square_of_clipped(g, count, static_cast<T>(plan_.clip_value));
            if (notes_gradients_) noted += square_of_clipped(g, count, std::numeric_limits<T>::infinity());
            if (keeps) std::copy_n(g, count, g_.get() + at);
            if (updates) update_stretch(run.moment, run.rule, at, g, count, biases);
        };
        const auto finish = [&](std::size_t i, std::size_t count, T *g) {
            if (layer.few) clear_padding(layer, item.panel, g, count);
            settle(item.weights() + i * P, g, count * P, false);
        };
        if (layer.zeros_in && layer.entries.complete())
            layer.entries.times_panel(right, finish);
        else
            multiply_columns(left, stride, layer.panel_rows(), batch.n, right, finish);
        if (item.has_biases()) {
            alignas(64) T g[P];
            sum_rows(delta + item.panel * stride, batch.n, g);
            settle(item.biases(), g, P, true);
        }
        item_costs_[k] = cost;
        item_squares_[k] = square;
        item_noted_[k] = noted;
        if (Simd<T>::across(test, std::plus<>{}) != 0) finite_gradient_ = false;
        if (updates) finish_update(item);
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

    // Beyond the last input lies what the activation makes of zero.
    static void clear_padding(const Layer<T> &layer, std::size_t p, T *g, std::size_t count) {
        if ((p + 1) * P <= layer.inputs) return;
        for (std::size_t k = 0; k < count; ++k) std::fill(g + k * P + layer.inputs % P, g + (k + 1) * P, T(0));
    }

    double shrink_factor() const {
        double square = 0;
        for (double part : item_squares_) square += part;
        return std::min(1.0, plan_.clip_norm / std::max(std::sqrt(square), 1e-38));
    }

    // ---- update --------------------------------------------------------------------------------------------------

    void update_of(const Run &run, const Item<T> &item) {
        const auto stretch = [&](std::size_t at, std::size_t count, bool biases) {
            T *g = g_.get() + at;
            if (std::isfinite(plan_.clip_value)) clip(g, count, static_cast<T>(plan_.clip_value));
            if (run.shrink != 1)
                for (std::size_t j = 0; j < count; ++j) g[j] *= static_cast<T>(run.shrink);
            update_stretch(run.moment, run.rule, at, g, count, biases);
        };
        stretch(item.weights(), item.size(), false);
        if (item.has_biases()) stretch(item.biases(), P, true);
        finish_update(item);
    }

    void update_stretch(const Moment &moment, const Rule<T> &rule, std::size_t at, T *g, std::size_t count,
                        bool biases) {
        T *w = w_.get() + at;
        if (std::isfinite(plan_.clip_value)) clip(g, count, static_cast<T>(plan_.clip_value));
        for (const auto &penalty : plan_.penalties)
            if (penalty.kind == Penalty::decoupled_decay && (!biases || penalty.on_biases)) {
                const T keep = static_cast<T>(1 - moment.rate * penalty.strength);
                for (std::size_t j = 0; j < count; ++j) w[j] *= keep;
            }
        T *m = memory_[0].get(), *s = memory_[1].get(), *v = memory_[2].get();
        update(rule, w, g, m ? m + at : m, s ? s + at : s, v ? v + at : v, count);
    }

    void finish_update(const Item<T> &item) {
        for (const auto &penalty : plan_.penalties)
            if (penalty.kind == Penalty::max_norm)
                limit_norms(w_.get() + item.weights(), item.layer->inputs, static_cast<T>(penalty.strength));
        keep_transposed(item);
    }

    void keep_transposed(const Item<T> &item) {
        if (item.layer->transposed.get()) item.layer->transpose(w_.get() + item.weights(), item.panel);
    }

    // ---- memory --------------------------------------------------------------------------------------------------

    // So many at a time: two chunks for each member of the team, or fewer where they are wide.
    std::size_t rows_to_evaluate(std::size_t members) const {
        constexpr std::size_t numbers = std::size_t(1) << 20, least = 16;
        std::size_t widest = static_cast<std::size_t>(plan_.inputs);
        for (const auto &layer : layers_) widest = std::max(widest, layer->outputs);
        return members * std::clamp(numbers / widest, least, 2 * chunk_rows);
    }

    void reserve(std::size_t batch_rows, const Run &run) {
        const std::size_t n = std::min(batch_rows, run.slab);
        x_.resize(panels<T>(plan_.inputs) * n * P);
        for (auto &layer : layers_) layer->reserve(n, run.batch.keeps_z);
        expect_zeros(*run.batch.rows, n);
        for (auto &layer : layers_)
            if (layer->zeros_in && run.batch.goes_back) layer->entries.reserve(layer->inputs, n);
        if (row_costs_.size() < batch_rows) row_costs_.resize(batch_rows);
        if (run.purpose != Purpose::outputs && (run.purpose == Purpose::gradient || by_norm_ || batch_rows > n))
            g_.resize(size_);
        while (scratch_.size() < static_cast<std::size_t>(run.members))
            scratch_.push_back({loss_.scratch(chunk_rows), {}});
    }

    // Where products may have few entries to add up: in rows that are mostly zeros, behind ReLU and behind Dropout. The
    // lists are worth their while if several panels make use of them, and their memory up to a point.
    void expect_zeros(const Rows<T> &rows, std::size_t n) {
        constexpr std::size_t worth = 4, most = std::size_t(1) << 26;
        bool zeros = has_zeros(rows);
        Layer<T> *before = nullptr;
        for (auto &layer : layers_) {
            if (layer->plan.is_dense) {
                layer->zeros_in = zeros && !layer->few && layer->weight_panels() >= worth && n * layer->inputs <= most;
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

    void pack(const T *flat, T *packed) const {
        std::fill_n(packed, size_, T(0));  // what fills up the panels stays zero
        for (const auto &layer : layers_)
            if (layer->plan.is_dense)
                layer->exchange(flat, packed, [](const T *from, T *to, std::size_t n) { std::copy_n(from, n, to); });
    }

    void unpack(const T *packed, T *flat) const {
        for (const auto &layer : layers_)
            if (layer->plan.is_dense)
                layer->exchange(flat, packed, [](T *to, const T *from, std::size_t n) { std::copy_n(from, n, to); });
    }

    const Plan plan_;
    const OutputLosses<T> loss_;
    Moments moments_;
    std::vector<std::unique_ptr<Layer<T>>> layers_;
    std::vector<Item<T>> items_;
    std::size_t size_ = 0;  // of the packed parameters
    double row_flops_ = 0;
    bool by_norm_ = false;
    Shuffle shuffle_;
    Buffer<T> w_, g_, previous_, x_;
    std::array<Buffer<T>, 3> memory_;
    std::vector<Scratch> scratch_;  // a thread's
    std::vector<double> row_costs_, item_costs_, item_squares_, item_noted_;
    bool notes_gradients_ = false;
    std::atomic<bool> finite_gradient_{true};
};

}  // namespace unstuck::UNSTUCK_ISA
