// Training on panels: forward, backward and update, with the parameters in panel layout from the first step to the
// last.
//
// A step has two parts. In the first all rows go forward and back, and the threads have either some of the rows each,
// or some of the panels of each layer in turn; in the second they take panels of the weights, for each of which one
// thread computes the gradient and, block by block while it is in the cache, the update. What is summed over rows is
// summed in their order, so the number of threads changes no bit.
#pragma once

#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include "batches.hpp"
#include "denormals.hpp"
#include "functions.hpp"
#include "interface.hpp"
#include "layer.hpp"
#include "mini_batch.hpp"
#include "optimizers.hpp"
#include "output_losses.hpp"
#include "panels.hpp"
#include "passes.hpp"
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

    double evaluate(const Rows<T> &rows, int threads, T *A, const Signals<T> *signals) override {
        Run run(*this, rows, threads, rows.count, Purpose::outputs, signals != nullptr);
        run.A = A;
        if (signals) notes_.begin(run.observed_chunk());
        begin_batch(run, rows.count);
        work_together(run);
        if (signals) notes_.report(*signals, gradient_norms());
        return run.cost;
    }

  private:
    // ---- the work and how it is shared -------------------------------------------------------------------------

    enum class Purpose { update, gradient, outputs };

    using Batch = MiniBatch<T>;

    // Items whose gradients are computed together.
    struct Group {
        std::size_t first, count;
    };

    struct Scratch {
        Buffer<T> outputs;
        RowList<T> list;
    };

    struct Run {
        Run(PanelTrainer &trainer, const Rows<T> &rows, int threads, std::size_t batch_rows, Purpose purpose,
            bool observed = false)
            : purpose(purpose),
              members(trainer.row_flops_ * batch_rows < flops_for_threads ? 1 : std::max(1, threads)),
              by_layer(purpose != Purpose::outputs && trainer.goes_by_layer(batch_rows, members)),
              slab(purpose == Purpose::outputs ? trainer.rows_to_evaluate(members) : slab_rows),
              team(members) {
            batch.rows = &rows;
            batch.observed = observed;
            batch.goes_back = purpose != Purpose::outputs;
            trainer.reserve(batch_rows, *this);
            std::vector<std::size_t> each(members);
            std::iota(each.begin(), each.end(), 0);
            panels.deal(members, each);
            trainer.deal(gradients, updates, members);
        }
        Stretch chunk(std::size_t c) const {
            const std::size_t rows = observed_chunk();
            if (batch.observed) return {c * rows, std::min((c + 1) * rows, batch.n)};
            return {batch.n * c / chunks, batch.n * (c + 1) / chunks};
        }
        // What is noted of rows is summed by chunk, which therefore has the same rows whatever the members.
        std::size_t observed_chunk() const { return std::min(slab / members, chunk_rows); }
        const Purpose purpose;
        const int members;       // wanted; what is cut for them does not depend on how many there are
        const bool by_layer;     // or by chunks of rows
        const std::size_t slab;  // rows whose activations are kept at a time
        Team team;
        Batch batch;
        std::size_t chunks = 0;
        Shares rows, panels, gradients, updates;  // chunks; a layer's panels; groups of items; and items
        double cost = 0;
        bool stop = false;
        // of outputs only
        T *A = nullptr;
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
            if (run.by_layer)
                layer_by_layer(run, me);
            else
                chunk_by_chunk(run, me);
            if (gradients) {
                run.gradients.work(me.number, [&](std::size_t k) { gradients_of(run, k, me.number); });
                if (by_norm_ && run.purpose == Purpose::update && run.batch.is_last()) {
                    me.meet([&] { run.shrink = shrink_factor(); });
                    run.updates.work(me.number, [&](std::size_t k) { update_of(run, items_[k]); });
                }
            }
            me.end_round([&] { conclude_slab(run); });
        }
    }

    // Rows are carried through all layers, chunk by chunk: activations stay in the cache, all weights come to it.
    void chunk_by_chunk(Run &run, Team::Member &me) {
        const Batch &batch = run.batch;
        Scratch &mine = scratch_[me.number];
        run.rows.work(me.number, [&](std::size_t c) {
            const Stretch rows = run.chunk(c);
            if (!passes_.lists_x()) passes_.gather(batch, rows);
            for (auto &layer : layers_) {
                passes_.list_input(*layer, batch, c, rows, me.number, mine.list);
                passes_.forward(*layer, batch, rows, layer->all_panels(), mine.list);
            }
            loss_(batch, *layers_.back(), rows.from, rows.to, mine.outputs, row_costs_.data() + batch.done);
            if (batch.observed) note_softmax(batch, rows);
            if (run.purpose == Purpose::outputs) return hand_over(run, rows);
            for (std::size_t k = layers_.size(); k-- > 0;) {
                if (!layers_[k]->sends_back) continue;
                passes_.list_delta(*layers_[k], batch, rows, mine.list);
                passes_.backward(k, batch, rows, {0, panels<T>(layers_[k]->inputs)}, mine.list);
            }
        });
        me.meet();
    }

    // All rows are carried through a layer, then through the next one, each member having some of its panels: weights
    // stay in a member's cache, and activations are what the others come for. Each lists entries for itself.
    void layer_by_layer(Run &run, Team::Member &me) {
        const Batch &batch = run.batch;
        const Stretch all{0, batch.n};
        Scratch &mine = scratch_[me.number];
        const auto of_rows = [&](auto each) {
            run.rows.work(me.number, [&](std::size_t c) { each(c, run.chunk(c)); });
            me.meet([&] { run.rows.renew(); });
        };
        const auto of_panels = [&](std::size_t columns, auto each) {
            run.panels.work(me.number, [&](std::size_t part) { each(part_of(panels<T>(columns), part, run.members)); });
            me.meet([&] { run.panels.renew(); });
        };
        if (!passes_.lists_x()) of_rows([&](std::size_t, Stretch rows) { passes_.gather(batch, rows); });
        const std::size_t last = passes_.last_dense();
        for (std::size_t k = 0, next; k < last; k = next) {
            for (next = k + 1; !layers_[next]->plan.is_dense;) ++next;
            passes_.list_input(*layers_[k], batch, 0, all, me.number, mine.list);
            of_panels(layers_[k]->outputs, [&](Stretch part) {
                for (std::size_t j = k; j < next; ++j) passes_.forward(*layers_[j], batch, all, part, mine.list);
            });
        }
        of_rows([&](std::size_t c, Stretch rows) {
            for (std::size_t k = last; k < layers_.size(); ++k) {
                passes_.list_input(*layers_[k], batch, c, rows, me.number, mine.list);
                passes_.forward(*layers_[k], batch, rows, layers_[k]->all_panels(), mine.list);
            }
            loss_(batch, *layers_.back(), rows.from, rows.to, mine.outputs, row_costs_.data() + batch.done);
        });
        for (std::size_t k = last + 1; k-- > 0;) {
            if (!layers_[k]->sends_back) continue;
            passes_.list_delta(*layers_[k], batch, all, mine.list);
            of_panels(layers_[k]->inputs, [&](Stretch part) { passes_.backward(k, batch, all, part, mine.list); });
        }
    }

    static Stretch part_of(std::size_t panels, std::size_t part, std::size_t members) {
        return {(part * panels + members - 1) / members, ((part + 1) * panels + members - 1) / members};
    }

    // Whether members then have less to come for: activations in place of weights. Every layer but the last must have
    // panels for all of them, and units that can do without those in other panels; and what each member lists of a
    // layer for itself, which may be all of its entries, must leave memory bounded.
    bool goes_by_layer(std::size_t batch_rows, std::size_t members) const {
        std::size_t weights = 0, activations = 0, widest = 0;
        for (std::size_t k = 0; k < passes_.last_dense(); ++k) {
            const Layer<T> &layer = *layers_[k];
            if (!layer.plan.is_dense) continue;
            if (layer.few || layer.weight_panels() < members || layer.plan.activation == Activation::softmax)
                return false;
            weights += layer.inputs * layer.outputs;
            activations += batch_rows * layer.outputs;
            widest = std::max({widest, layer.inputs, layer.outputs});
        }
        const std::size_t listed = members * std::min(batch_rows, slab_rows) * widest;
        return members > 1 && weights > activations && listed <= most_entries;
    }

    // Who has which item: of each layer about the same, the panels of part_of.
    std::size_t owner(const Item<T> &item, std::size_t members) const {
        return item.panel * members / item.layer->weight_panels();
    }

    // Deals out the items, those of a layer with zeros in groups that one member has.
    void deal(Shares &gradients, Shares &updates, std::size_t members) {
        std::vector<std::size_t> owners, of_groups;
        for (const auto &item : items_) owners.push_back(owner(item, members));
        groups_.clear();
        for (std::size_t k = 0; k < items_.size(); ++k) {
            const bool joins = k > 0 && items_[k].panel > 0 && items_[k].layer->zeros_in &&
                               owners[k] == owners[k - 1] && groups_.back().count < together;
            if (joins) {
                ++groups_.back().count;
            } else {
                groups_.push_back({k, 1});
                of_groups.push_back(owners[k]);
            }
        }
        gradients.deal(members, of_groups);
        updates.deal(members, owners);
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
        batch.next = batch.is_last() ? std::min(steps.batch_size, n - batch.first - batch.n) : 0;
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
        const std::size_t members = run.members, observed = run.observed_chunk();
        std::size_t chunks = members * ((batch.n + members * chunk_rows - 1) / (members * chunk_rows));
        if (batch.observed) chunks = (batch.n + observed - 1) / observed;
        if (run.chunks != chunks) {
            run.chunks = chunks;
            std::vector<std::size_t> owners(chunks);
            for (std::size_t c = 0; c < chunks; ++c) owners[c] = c * members / chunks;
            run.rows.deal(members, owners);
        }
        for (Shares *shares : {&run.rows, &run.panels, &run.gradients, &run.updates}) shares->renew();
        if (batch.observed) notes_.reserve(batch.n);
        for (auto &layer : layers_)
            if (layer->zeros_in && batch.goes_back)
                for (auto &entries : layer->entries) entries.begin(layer->entries.size() > 1 ? 1 : run.chunks);
    }

    void conclude_slab(Run &run) {
        Batch &batch = run.batch;
        if (batch.observed) notes_.merge(batch.n);
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

    // Softmax is known after the losses only.
    void note_softmax(const Batch &batch, Stretch rows) {
        for (const auto &layer : layers_)
            if (layer->plan.is_dense && layer->plan.activation == Activation::softmax)
                for (std::size_t p = 0; p < panels<T>(layer->outputs); ++p) notes_.observe(*layer, p, rows, batch.n);
    }

    void hand_over(const Run &run, Stretch rows) {
        const auto o = static_cast<std::size_t>(plan_.outputs);
        for (std::size_t r = rows.from; r < rows.to; ++r)
            read_row(layers_.back()->a.get(), r, run.batch.n, run.A + run.batch.row(r) * o, o);
    }

    // ---- gradient ------------------------------------------------------------------------------------------------

    // The gradients of some panels of W, and of the biases that go with them, and their update unless that has to wait.
    // Of a gradient only g (block, P) is ever in memory, but where it is wanted, or comes slab by slab.
    void gradients_of(Run &run, std::size_t k, std::size_t member) {
        const Group &group = groups_[k];
        Layer<T> &layer = *items_[group.first].layer;
        const Batch &batch = run.batch;
        const std::size_t stride = batch.n * P, panel = items_[group.first].panel;
        const T *x = passes_.input_of(layer, batch), *delta = layer.delta.get();
        const T *left = layer.few ? delta : x, *right = (layer.few ? x : delta) + panel * stride;
        const bool updates = run.purpose == Purpose::update && batch.is_last() && !by_norm_;
        const bool keeps = run.purpose == Purpose::gradient || by_norm_ || !batch.is_last();
        struct Sums {
            double cost = 0, square = 0, noted = 0;
            typename Simd<T>::Vector test{};
        } all_sums[together];
        const auto settle = [&](Sums &sums, std::size_t at, T *g, std::size_t count, bool biases) {
            if (!batch.is_first()) add(g, g_.get() + at, count);
            if (batch.is_last()) sums.cost += penalize(plan_, w_.get() + at, g, count, biases, batch.row_share);
            sums.test += zero_if_finite(g, count);
            if (by_norm_) sums.square += square_of_clipped(g, count, static_cast<T>(plan_.clip_value));
            if (notes_gradients_) sums.noted += square_of_clipped(g, count, std::numeric_limits<T>::infinity());
            if (keeps) std::copy_n(g, count, g_.get() + at);
            if (updates) update_stretch(run.moment, run.rule, at, g, count, biases);
        };
        const auto finish = [&](std::size_t q, std::size_t i, std::size_t count, T *g) {
            const Item<T> &item = items_[group.first + q];
            if (layer.few) clear_padding(layer, item.panel, g, count);
            settle(all_sums[q], item.weights() + i * P, g, count * P, false);
        };
        const auto *entries = layer.zeros_in ? &layer.entries_of(member) : nullptr;
        if (entries && entries->complete()) {
            if (group.count == together)
                entries->template times_panels<together>(right, stride, finish);
            else
                entries->template times_panels<1>(right, stride, finish);
        } else
            for (std::size_t q = 0; q < group.count; ++q)
                multiply_columns(left, stride, layer.panel_rows(), batch.n, right + q * stride,
                                 [&](std::size_t i, std::size_t count, T *g) { finish(q, i, count, g); });
        for (std::size_t q = 0; q < group.count; ++q) {
            const Item<T> &item = items_[group.first + q];
            Sums &sums = all_sums[q];
            if (item.has_biases()) {
                alignas(64) T g[P];
                sum_rows(delta + item.panel * stride, batch.n, g);
                settle(sums, item.biases(), g, P, true);
            }
            item_costs_[group.first + q] = sums.cost;
            item_squares_[group.first + q] = sums.square;
            item_noted_[group.first + q] = sums.noted;
            if (Simd<T>::across(sums.test, std::plus<>{}) != 0) finite_gradient_ = false;
            if (updates) finish_update(item);
        }
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

    // So many at a time: two chunks for each member of the team, or one, smaller where rows are wide.
    std::size_t rows_to_evaluate(std::size_t members) const {
        constexpr std::size_t numbers = std::size_t(1) << 20, least = 16;
        std::size_t widest = static_cast<std::size_t>(plan_.inputs);
        for (const auto &layer : layers_) widest = std::max(widest, layer->outputs);
        const std::size_t rows = std::clamp(numbers / widest, least, 2 * chunk_rows);
        return members * (rows - rows % std::min(rows, chunk_rows));
    }

    void reserve(std::size_t batch_rows, const Run &run) {
        const std::size_t n = std::min(batch_rows, run.slab);
        for (auto &layer : layers_) layer->reserve(n, run.batch.observed);
        passes_.reserve(*run.batch.rows, n);
        for (auto &layer : layers_)
            if (layer->zeros_in && run.batch.goes_back) {
                const bool each_has_own = run.by_layer && layer.get() != layers_[passes_.last_dense()].get();
                layer->entries.resize(each_has_own ? run.members : 1);
                for (auto &entries : layer->entries) entries.reserve(layer->inputs, n);
            }
        if (row_costs_.size() < batch_rows) row_costs_.resize(batch_rows);
        if (run.purpose != Purpose::outputs && (run.purpose == Purpose::gradient || by_norm_ || batch_rows > n))
            g_.resize(size_);
        while (scratch_.size() < static_cast<std::size_t>(run.members))
            scratch_.push_back({loss_.scratch(chunk_rows), {}});
        for (auto &scratch : scratch_)
            for (const auto &layer : layers_) {
                const std::size_t rows = run.by_layer ? n : std::min(n, chunk_rows);
                if (layer->zeros_in) scratch.list.entries.reserve(rows, layer->inputs);
                if (layer->zeros_out) scratch.list.entries.reserve(rows, layer->outputs);
            }
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
    std::vector<Group> groups_;
    std::size_t size_ = 0;  // of the packed parameters
    double row_flops_ = 0;
    bool by_norm_ = false;
    Shuffle shuffle_;
    Buffer<T> w_, g_, previous_;
    SignalNotes<T> notes_{layers_};
    Passes<T> passes_{plan_, layers_, w_, notes_, loss_.computes_softmax()};
    std::array<Buffer<T>, 3> memory_;
    std::vector<Scratch> scratch_;  // a thread's
    std::vector<double> row_costs_, item_costs_, item_squares_, item_noted_;
    bool notes_gradients_ = false;
    std::atomic<bool> finite_gradient_{true};
};

}  // namespace unstuck::UNSTUCK_ISA
