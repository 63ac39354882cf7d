// Training with lane = row of the batch: for networks too small to fill the panels' lanes with units.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <tuple>
#include <vector>

#include "batches.hpp"
#include "interface.hpp"
#include "optimizers.hpp"
#include "panel_trainer.hpp"
#include "row_lanes_passes.hpp"
#include "spline_pass.hpp"

namespace unstuck::UNSTUCK_ISA {

template <class T>
class RowLanesTrainer final : public Trainer<T> {
  public:
    explicit RowLanesTrainer(const Plan &plan) : plan_(plan), size_(plan.size), lay_out_(plan_), run_(choose(plan_)) {
        const std::size_t padded = (size_ / Simd<T>::lanes + 1) * Simd<T>::lanes;
        state_.w.resize(padded);
        state_.previous.resize(padded);
        for (auto &slot : state_.memory) slot.resize(padded);
    }

    const char *name() const override { return "row lanes"; }

    void load(const T *w, const std::vector<const T *> &memory) override {
        std::copy_n(w, size_, state_.w.get());
        for (std::size_t k = 0; k < memory.size(); ++k) std::copy_n(memory[k], size_, state_.memory[k].get());
    }

    void store(T *w, const std::vector<T *> &memory, T *previous) const override {
        std::copy_n(state_.w.get(), size_, w);
        std::copy_n(state_.previous.get(), size_, previous);
        for (std::size_t k = 0; k < memory.size(); ++k) std::copy_n(state_.memory[k].get(), size_, memory[k]);
    }

    Done steps(const Rows<T> &rows, const Steps &steps) override {
        const bool as_planned = rows.count == static_cast<std::size_t>(plan_.rows) &&
                                steps.batch_size == static_cast<std::size_t>(plan_.batch_rows);
        return as_planned ? (this->*run_)(rows, steps) : run<AnyPass<T>>(rows, steps);
    }

    double cost_and_gradient(const Rows<T> &rows, int threads, T *gradient) override {
        return panels().cost_and_gradient(rows, threads, gradient);
    }

    double evaluate(const Rows<T> &rows, int threads, T *A, const Signals<T> *signals) override {
        return panels().evaluate(rows, threads, A, signals);
    }

  private:
    using Run = Done (RowLanesTrainer::*)(const Rows<T> &, const Steps &);

    Trainer<T> &panels() {
        if (!panels_) panels_ = std::make_unique<PanelTrainer<T>>(plan_);
        panels_->load(state_.w.get(), {});
        return *panels_;
    }

    template <class Pass>
    Done run(const Rows<T> &rows, const Steps &steps) {
        Pass pass(plan_, state_);
        const Done done = descend(pass, rows, steps);
        pass.store(state_);
        return done;
    }

    // The same, all in one function, so that the pass lives in registers.
    template <class Pass>
    __attribute__((flatten)) Done run_flat(const Rows<T> &rows, const Steps &steps) {
        Pass pass(plan_, state_);
        const Done done = descend(pass, rows, steps);
        pass.store(state_);
        return done;
    }

    // The fastest pass that fits the plan.
    static Run choose(const Plan &plan) {
        Run chosen = nullptr;
        const auto offer = [&](bool fits, Run run) {
            if (fits && !chosen) chosen = run;
        };
        [&]<class... Passes>(std::tuple<Passes...> *) {
            (offer(Passes::fits(plan), &RowLanesTrainer::run_flat<Passes>), ...);
        }(static_cast<FixedPasses<T> *>(nullptr));
        offer(SplinePass<T>::fits(plan), &RowLanesTrainer::run<SplinePass<T>>);
        offer(CurvePass<T>::fits(plan), &RowLanesTrainer::run<CurvePass<T>>);
        offer(true, &RowLanesTrainer::run<AnyPass<T>>);
        return chosen;
    }

    template <class Pass>
    Done descend(Pass &pass, const Rows<T> &rows, const Steps &steps) {
        using Clock = std::chrono::steady_clock;
        const auto started = Clock::now();
        const std::size_t n = rows.count, per_epoch = (n + steps.batch_size - 1) / steps.batch_size;
        const std::size_t poll_updates = std::clamp<std::size_t>((1 << 22) / (size_ * steps.batch_size), 1, 64);
        Moments moments(plan_);
        Done done;
        done.cost_sum = steps.cost_sum;
        done.rows = steps.rows;
        if (per_epoch == 1) {
            lay_out_(rows, nullptr, 0, n, Pass::lanes, Pass::least_vectors, laid_);
            pass.take(laid_);
        }
        std::size_t number = steps.t % per_epoch;  // of the mini-batch in its epoch
        for (bool last = steps.count == 0; !last && !done.reached;) {
            const std::size_t t = steps.t + done.steps, first = number * steps.batch_size;
            const std::size_t here = std::min(steps.batch_size, n - first);
            if (per_epoch > 1) {
                const auto *order = steps.shuffled ? shuffle_.order(plan_.seed, t / per_epoch, n) + first : nullptr;
                lay_out_(rows, order, first, here, Pass::lanes, Pass::least_vectors, laid_);
                pass.take(laid_);
            }
            const bool ends_epoch = ++number == per_epoch;
            last = done.steps + 1 == steps.count;
            if (done.steps % poll_updates == 0)
                last = last || std::chrono::duration<double>(Clock::now() - started).count() > steps.seconds;
            if (last || (ends_epoch && std::isfinite(steps.target))) pass.remember();

            const double cost = pass.cost_and_gradient();
            if (!std::isfinite(cost) || !pass.finite_gradient()) {
                done.failed = true;
                done.finite_cost = std::isfinite(cost);
                break;
            }
            const Moment moment = moments.at(steps.earlier + t + 1, steps.rates[done.steps], this->momenta);
            pass.update(moment);
            this->momenta *= moment.momentum;
            if (first == 0) done.cost_sum = 0, done.rows = 0;
            done.steps += 1;
            done.cost_sum += cost * static_cast<double>(here);
            done.rows += here;
            if (ends_epoch) {
                number = 0;
                done.reached = done.cost_sum / static_cast<double>(done.rows) <= steps.target;
            }
        }
        return done;
    }

    const Plan plan_;
    const std::size_t size_;
    State<T> state_;
    const LayOut<T> lay_out_;
    LaidOut<T> laid_;
    const Run run_;
    Shuffle shuffle_;
    std::unique_ptr<PanelTrainer<T>> panels_;
};

// Whether an update takes less time than on panels, in multiply-adds of whole vectors; what they cost apart from the
// products was measured, with a margin for the panels. Lanes of rows pay for the sums over lanes, once for each
// parameter; panels pay for their padding, and for what they do row by row.
template <class T>
bool faster_than_panels(const Plan &plan) {
    constexpr double lanes = Simd<T>::lanes, sum_of_lanes = 10, update = 64 / lanes, row = 150, begin = 1500,
                     margin = 0.7;
    const double n = static_cast<double>(plan.batch_rows);
    double products = 0, padded = 0, flops = 0;
    for (const LayerPlan &layer : plan.layers) {
        const double i = static_cast<double>(layer.inputs), o = static_cast<double>(layer.outputs);
        const double i_panels = static_cast<double>(panels<T>(layer.inputs));
        const double o_panels = static_cast<double>(panels<T>(layer.outputs));
        products += 4 * i * o_panels + (&layer == plan.layers.data() ? 0 : 2 * o * i_panels);
        padded += (i + 1) * o_panels * panel<T>;
        flops += 6 * i * o * n;
    }
    const double here = static_cast<double>(plan.size) * (3 * std::ceil(n / lanes) + sum_of_lanes);
    const double there = n * (products + row) + padded * update + begin;
    return here < margin * (flops < flops_for_threads ? there : there / 2);
}

template <class T>
std::unique_ptr<Trainer<T>> make_row_lanes(const Plan &plan) {
    const bool plain = plan.penalties.empty() && std::isinf(plan.clip_value) && std::isinf(plan.clip_norm) &&
                       std::all_of(plan.layers.begin(), plan.layers.end(), [](auto &layer) { return layer.is_dense; });
    if (!plain || !(SplinePass<T>::fits(plan) || faster_than_panels<T>(plan))) return nullptr;
    return std::make_unique<RowLanesTrainer<T>>(plan);
}

}  // namespace unstuck::UNSTUCK_ISA
