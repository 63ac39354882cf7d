// What a trainer computes: a recipe's network and training, as plain data.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace unstuck {

enum class Activation {
    identity,
    sigmoid,
    tanh,
    relu,
    leaky_relu,
    elu,
    selu,
    gelu,
    silu,
    softplus,
    softmax,
    exponential,
    hard_sigmoid,
    softsign
};

enum class Loss { squared_error, absolute_error, huber, categorical_crossentropy, binary_crossentropy, hinge, poisson };

enum class Optimizer { sgd, momentum, nesterov, rmsprop, adaptive_rmsprop, rprop, adagrad, adam, adamw, nadam };

enum class Penalty { l1, l2, decoupled_decay, max_norm };

struct LayerPlan {
    bool is_dense;
    std::int64_t inputs, outputs;  // of a Dropout layer both are its width
    Activation activation;
    double parameter;  // slope or alpha
    bool has_bias;
    std::int64_t weights, biases;  // where they begin in the flat vector
    double rate;                   // of a Dropout layer
    std::uint32_t index;           // in recipe.layers, which names a Dropout layer's masks
};

struct PenaltyPlan {
    Penalty kind;
    double strength;  // or the limit of max-norm
    bool on_biases;
    bool per_row = false;  // the strength is divided by the sum of the batch's row weights
};

struct Plan {
    std::vector<LayerPlan> layers;
    std::int64_t inputs, outputs, size;
    std::int64_t rows, batch_rows;  // of the training set, of a mini-batch
    bool tiny;                      // whether a trainer for tiny networks may be chosen
    Loss loss;
    double threshold;  // of Huber's loss
    bool half, mean_of_outputs, mean_of_rows;
    Optimizer optimizer;
    std::vector<double> settings;  // the optimizer's numbers, in the order of its fields after learning_rate
    double learning_rate;
    std::vector<PenaltyPlan> penalties;
    double clip_value = std::numeric_limits<double>::infinity();
    double clip_norm = std::numeric_limits<double>::infinity();
    std::uint64_t seed;
    int slots;  // vectors of optimizer memory
};

}  // namespace unstuck
