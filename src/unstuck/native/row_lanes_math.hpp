// Forward, backward and the sums of gradients where lane = row of the batch.
//
// Units are kept as vectors over rows, x[i][r], r counting R vectors of rows; a parameter is one number for all rows:
//
//     forward     z_j = b_j + sum_i w_ij x_i         a_j = f(z_j)
//     backward    dL/dx_i = sum_j w_ij delta_j       delta of the layer below = f'(a) dL/dx
//     gradient    dL/dw_ij = sum of the lanes of x_i delta_j,    dL/db_j = sum of the lanes of delta_j
//
// The same text serves sizes that are known when it is compiled, when everything stays in registers, and sizes that are
// not: a `count` is a Constant or a std::size_t.
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "plan.hpp"
#include "simd_math.hpp"

namespace unstuck::UNSTUCK_ISA {

template <std::size_t N>
using Constant = std::integral_constant<std::size_t, N>;

template <std::size_t N, class Body>
void each(Constant<N>, Body body) {
    [&]<std::size_t... k>(std::index_sequence<k...>) { (body(Constant<k>{}), ...); }(std::make_index_sequence<N>{});
}

template <class Body>
void each(std::size_t n, Body body) {
    for (std::size_t k = 0; k < n; ++k) body(k);
}

// ---- layers and parameters
// -------------------------------------------------------------------------------------------

// A dense layer, and where its parameters lie in the flat vector of all.
struct Dense {
    std::size_t inputs, outputs, weights, biases;
    bool has_bias;
    std::size_t weight(std::size_t i, std::size_t j) const { return weights + i * outputs + j; }
    std::size_t bias(std::size_t j) const { return biases + j; }
};

template <std::size_t Inputs, std::size_t Outputs, std::size_t First>
struct FixedDense {
    static constexpr Constant<Inputs> inputs{};
    static constexpr Constant<Outputs> outputs{};
    static constexpr bool has_bias = true;
    template <std::size_t i, std::size_t j>
    static constexpr auto weight(Constant<i>, Constant<j>) {
        return Constant<First + i * Outputs + j>{};
    }
    template <std::size_t j>
    static constexpr auto bias(Constant<j>) {
        return Constant<First + Inputs * Outputs + j>{};
    }
    static constexpr std::size_t end = First + (Inputs + 1) * Outputs;
};

// Parameter p in all lanes, from memory and from registers.
template <class T>
struct InMemory {
    const T *w;
    auto operator[](std::size_t p) const { return Simd<T>::splat(w[p]); }
};

template <class V>
struct InRegisters {
    const V *w;
    template <std::size_t p>
    V operator[](Constant<p>) const {
        constexpr std::size_t lanes = sizeof(V) / sizeof(w[0][0]);
        return w[p / lanes][p % lanes] - V{};
    }
};

// ---- activations that know f' from a
// ---------------------------------------------------------------------------------

template <class T>
struct Identity {
    template <class V>
    V operator()(V z) const {
        return z;
    }
    template <class V>
    V back(V, V d) const {
        return d;
    }
};

template <class T>
struct Relu {
    template <class V>
    V operator()(V z) const {
        return z <= 0 ? V{} : z;
    }
    template <class V>
    V back(V a, V d) const {
        return a > 0 ? d : 0 * d;
    }
};

template <class T>
struct LeakyRelu {
    T slope;
    template <class V>
    V operator()(V z) const {
        return z > 0 ? z : slope * z;
    }
    template <class V>
    V back(V a, V d) const {
        return a > 0 ? d : slope * d;
    }
};

template <class T>
struct Sigmoid {
    template <class V>
    V operator()(V z) const {
        return sigmoid<T>(z);
    }
    template <class V>
    V back(V a, V d) const {
        return d * (a * (1 - a));
    }
};

template <class T>
struct Tanh {
    template <class V>
    V operator()(V z) const {
        return tanh<T>(z);
    }
    template <class V>
    V back(V a, V d) const {
        return d * (1 - a * a);
    }
};

inline bool knows_derivative_from_a(Activation f) {
    switch (f) {
        case Activation::identity:
        case Activation::relu:
        case Activation::leaky_relu:
        case Activation::sigmoid:
        case Activation::tanh:
            return true;
        default:
            return false;
    }
}

// Calls body with the formula of f, or with the identity where there is none.
template <class T, class Body>
void with_formula(Activation f, T parameter, Body body) {
    switch (f) {
        case Activation::relu:
            return body(Relu<T>{});
        case Activation::leaky_relu:
            return body(LeakyRelu<T>{parameter});
        case Activation::sigmoid:
            return body(Sigmoid<T>{});
        case Activation::tanh:
            return body(Tanh<T>{});
        default:
            return body(Identity<T>{});
    }
}

// ---- forward and backward
// --------------------------------------------------------------------------------------------

template <int R, class Layer, class Parameters, class V, class Formula>
void forward(const Layer layer, Parameters w, const V *x, V *__restrict a, Formula f) {
    each(layer.outputs, [&](auto j) {
        V z[R];
        const V b = layer.has_bias ? w[layer.bias(j)] : V{};
        for (V &of_rows : z) of_rows = b;
        each(layer.inputs, [&](auto i) {
            const V w_ij = w[layer.weight(i, j)];
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) z[r] += w_ij * x[i * R + r];
        });
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) a[j * R + r] = f(z[r]);
    });
}

// Adds to g, or sets it if there is nothing yet; with f, the activation of the layer below, leaves that layer's delta.
template <int R, bool adds, bool sends_back, class Layer, class Parameters, class V, class Formula>
void backward(const Layer layer, Parameters w, const V *x, const V *delta, V *__restrict g, V *__restrict below,
              Formula f) {
    const auto gather = [&](std::size_t p, V sum) { g[p] = adds ? g[p] + sum : sum; };
    each(layer.inputs, [&](auto i) {
        V d[R] = {};
        each(layer.outputs, [&](auto j) {
            const V *delta_j = delta + j * R, w_ij = w[layer.weight(i, j)];
            V sum = x[i * R] * delta_j[0];
#pragma GCC unroll 8
            for (int r = 1; r < R; ++r) sum += x[i * R + r] * delta_j[r];
            gather(layer.weight(i, j), sum);
#pragma GCC unroll 8
            for (int r = 0; sends_back && r < R; ++r) d[r] += w_ij * delta_j[r];
        });
#pragma GCC unroll 8
        for (int r = 0; sends_back && r < R; ++r) below[i * R + r] = f.back(x[i * R + r], d[r]);
    });
    each(layer.outputs, [&](auto j) {
        if (!layer.has_bias) return;
        V sum = delta[j * R];
#pragma GCC unroll 8
        for (int r = 1; r < R; ++r) sum += delta[j * R + r];
        gather(layer.bias(j), sum);
    });
}

// ---- outputs and losses
// ----------------------------------------------------------------------------------------------

// How cost and delta are had from the outputs' z.
enum class OutputStage {
    softmax_crossentropy,
    sigmoid_crossentropy,
    squared_error,
    row_by_row  // every other pair of activation and loss, by RowLoss
};

inline OutputStage output_stage(const Plan &plan) {
    const Activation f = plan.layers.back().activation;
    if (f == Activation::softmax && plan.loss == Loss::categorical_crossentropy)
        return OutputStage::softmax_crossentropy;
    if (f == Activation::sigmoid && plan.loss == Loss::binary_crossentropy) return OutputStage::sigmoid_crossentropy;
    if (plan.loss == Loss::squared_error && knows_derivative_from_a(f)) return OutputStage::squared_error;
    return OutputStage::row_by_row;
}

// These return sum_k c l(y_k, z_k) of each row and leave delta_k = dc l/dz_k, where c is the row's share of the cost.
// z, y and delta are R vectors apart from unit to unit. Of cross-entropies y is given multiplied by c, and its sum over
// k.

template <class T, int R>
struct SoftmaxCrossEntropy {
    template <class Count, class V>
    V operator()(Count outputs, const V *z, const V *cy, V, V sum_of_cy, V *delta) const {
        V highest = z[0], total = {}, cost = {};
        each(outputs, [&](auto k) { highest = z[k * R] > highest ? z[k * R] : highest; });
        each(outputs, [&](auto k) { total += delta[k * R] = exp_of_negative<T>(z[k * R] - highest); });
        each(outputs, [&](auto k) {
            delta[k * R] = delta[k * R] / total * sum_of_cy - cy[k * R];
            cost -= cy[k * R] * (z[k * R] - highest);
        });
        return cost + sum_of_cy * log<T>(total);
    }
};

template <class T, int R>
struct SigmoidCrossEntropy {
    template <class Count, class V>
    V operator()(Count outputs, const V *z, const V *cy, V c, V, V *delta) const {
        V cost = {};
        each(outputs, [&](auto k) {
            const V of_k = z[k * R];
            delta[k * R] = sigmoid<T>(of_k) * c - cy[k * R];
            const V tail = log1p_of_unit<T>(exp_of_negative<T>(of_k > 0 ? -of_k : of_k));
            cost += c * (tail + (of_k < 0 ? V{} : of_k)) - cy[k * R] * of_k;
        });
        return cost;
    }
};

template <class T, int R, class Formula>
struct SquaredError {
    Formula f;
    T factor;  // 1/2 or 1
    template <class Count, class V>
    V operator()(Count outputs, const V *z, const V *y, V c, V, V *delta) const {
        V cost = {};
        const V slope = 2 * factor * c;
        each(outputs, [&](auto k) {
            const V a = f(z[k * R]), e = a - y[k * R];
            delta[k * R] = f.back(a, e * slope);
            cost += factor * (e * e) * c;
        });
        return cost;
    }
};

// Calls body with the loss of one of the first three stages.
template <class T, int R, class Body>
void with_loss(const Plan &plan, OutputStage stage, Body body) {
    if (stage == OutputStage::softmax_crossentropy) return body(SoftmaxCrossEntropy<T, R>{});
    if (stage == OutputStage::sigmoid_crossentropy) return body(SigmoidCrossEntropy<T, R>{});
    const LayerPlan &last = plan.layers.back();
    with_formula<T>(last.activation, static_cast<T>(last.parameter),
                    [&](auto f) { body(SquaredError<T, R, decltype(f)>{f, plan.half ? T(0.5) : T(1)}); });
}

// A sum in double of numbers in all lanes, gathered in vectors as wide as theirs.
template <class T, class V>
class Total {
    static constexpr int lanes = sizeof(V) / sizeof(T), parts = sizeof(double) / sizeof(T);
    using Doubles = Simd<double, sizeof(V)>;
    using D = typename Doubles::Vector;

  public:
    void operator+=(V v) {
        if constexpr (parts == 1) {
            sums_[0] += v;
        } else {
            add(v, std::make_index_sequence<lanes / 2>{});
        }
    }
    explicit operator double() const {
        D all = sums_[0];
        if constexpr (parts == 2) all += sums_[1];
        double sum = 0;
        for (int k = 0; k < Doubles::lanes; ++k) sum += all[k];
        return sum;
    }

  private:
    template <std::size_t... k>
    void add(V v, std::index_sequence<k...>) {
        sums_[0] += __builtin_convertvector(__builtin_shufflevector(v, v, int(k)...), D);
        sums_[1] += __builtin_convertvector(__builtin_shufflevector(v, v, int(k + lanes / 2)...), D);
    }
    D sums_[parts] = {};
};

// Softmax within each lane, and dL/dz = a (da - sum of a da) in place.
template <class T, int R, class V>
void softmax(std::size_t outputs, const V *z, V *a) {
    V highest = z[0], total = {};
    for (std::size_t k = 1; k < outputs; ++k) highest = z[k * R] > highest ? z[k * R] : highest;
    for (std::size_t k = 0; k < outputs; ++k) total += a[k * R] = exp_of_negative<T>(z[k * R] - highest);
    for (std::size_t k = 0; k < outputs; ++k) a[k * R] /= total;
}

template <int R, class V>
void softmax_backward(std::size_t outputs, const V *a, V *d) {
    V sum = {};
    for (std::size_t k = 0; k < outputs; ++k) sum += a[k * R] * d[k * R];
    for (std::size_t k = 0; k < outputs; ++k) d[k * R] = a[k * R] * (d[k * R] - sum);
}

// ---- sums over lanes
// -------------------------------------------------------------------------------------------------

// Vector k of `from` summed into lane k. Each round adds the halves of all segments and puts those of two vectors into
// one, so that there are half as many vectors, of twice as many segments half as long.
template <std::size_t lanes, std::size_t width, class V, std::size_t... lane>
V add_halves(V u, V v, std::index_sequence<lane...>) {
    constexpr std::size_t half = width / 2;
    // segment s of u and v taken together begins at lane s * width of both, one after the other
    return __builtin_shufflevector(u, v, int(lane / half * width + lane % half)...) +
           __builtin_shufflevector(u, v, int(lane / half * width + lane % half + half)...);
}

template <std::size_t width, class V, std::size_t N>
V sums_of_lanes(const std::array<V, N> &from) {
    if constexpr (N == 1) {
        return from[0];
    } else {
        constexpr std::size_t lanes = sizeof(V) / sizeof(from[0][0]);
        std::array<V, N / 2> sums;
#pragma GCC unroll 8
        for (std::size_t k = 0; k < N / 2; ++k)
            sums[k] = add_halves<lanes, width>(from[2 * k], from[2 * k + 1], std::make_index_sequence<lanes>{});
        return sums_of_lanes<width / 2>(sums);
    }
}

template <class V>
V sums_of_lanes(const V *from) {
    constexpr std::size_t lanes = sizeof(V) / sizeof(from[0][0]);
    std::array<V, lanes> all;
#pragma GCC unroll 16
    for (std::size_t k = 0; k < lanes; ++k) all[k] = from[k];
    return sums_of_lanes<lanes>(all);
}

}  // namespace unstuck::UNSTUCK_ISA
