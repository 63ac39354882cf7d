// The choice of the trainer for a plan, within one instruction set.
#pragma once

#include "panel_trainer.hpp"
#include "row_lanes.hpp"
#include "single_row.hpp"

namespace unstuck::UNSTUCK_ISA {

template <class T>
std::unique_ptr<Trainer<T>> make_trainer(const Plan &plan) {
    if (plan.tiny) {
        if (auto trainer = make_single_row<T>(plan)) return trainer;
        if (auto trainer = make_row_lanes<T>(plan)) return trainer;
    }
    return std::make_unique<PanelTrainer<T>>(plan);
}
template std::unique_ptr<Trainer<float>> make_trainer(const Plan &);
template std::unique_ptr<Trainer<double>> make_trainer(const Plan &);

}  // namespace unstuck::UNSTUCK_ISA
