// What the trainers take for granted of a plan: sizes that agree, so that every index is within its array.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "plan.hpp"

namespace unstuck {

struct OptimizerNeeds {
    std::size_t settings;
    int slots;
};

inline OptimizerNeeds needs_of(Optimizer kind) {
    switch (kind) {
        case Optimizer::sgd:
            return {0, 0};
        case Optimizer::momentum:
        case Optimizer::nesterov:
        case Optimizer::adagrad:
            return {1, 1};
        case Optimizer::rmsprop:
            return {2, 1};
        case Optimizer::adaptive_rmsprop:
            return {6, 3};
        case Optimizer::rprop:
            return {4, 2};
        case Optimizer::adam:
            return {4, 2};
        case Optimizer::adamw:
            return {5, 2};
        case Optimizer::nadam:
            return {3, 2};
    }
    throw std::invalid_argument("no such optimizer");
}

// Throws std::invalid_argument, in Python a ValueError, unless the layers follow each other and their parameters lie
// one after the other, W (inputs, outputs) and b (outputs) of each.
inline void check(const Plan &plan) {
    constexpr std::int64_t most = std::int64_t{1} << 40;  // of anything that is counted: products of two are below 2^63
    const auto require = [](bool holds, const char *what) {
        if (!holds) throw std::invalid_argument(std::string("this is no plan of a training: ") + what);
    };
    const auto is_count = [](std::int64_t n) { return 1 <= n && n <= most; };
    require(is_count(plan.inputs) && is_count(plan.outputs) && is_count(plan.size), "a size is out of range");
    require(is_count(plan.rows) && is_count(plan.batch_rows), "it has no rows, or too many");
    require(!plan.layers.empty() && plan.layers.back().is_dense, "its last layer is not dense");
    std::int64_t width = plan.inputs, end = 0;
    for (const LayerPlan &layer : plan.layers) {
        require(is_count(layer.outputs) && layer.inputs == width, "a layer does not take what the one before it gives");
        width = layer.outputs;
        if (!layer.is_dense) {
            require(layer.outputs == layer.inputs && 0 <= layer.rate && layer.rate < 1, "a dropout layer is none");
            continue;
        }
        require(layer.outputs <= most / layer.inputs, "a layer is too large");
        require(layer.weights == end, "weights do not lie where they should");
        end += layer.inputs * layer.outputs;
        if (layer.has_bias) {
            require(layer.biases == end, "biases do not lie where they should");
            end += layer.outputs;
        }
        require(end <= plan.size, "it has fewer parameters than its layers");
    }
    require(end == plan.size && width == plan.outputs, "its sizes are not those of its layers");
    const auto needs = needs_of(plan.optimizer);
    require(plan.settings.size() >= needs.settings, "its optimizer lacks settings");
    require(plan.slots == needs.slots, "its optimizer has another memory");
}

}  // namespace unstuck
