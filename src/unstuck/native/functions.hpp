// Activations and losses: the formulas of unstuck.functions, elementwise and by row.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <utility>

#include "plan.hpp"
#include "simd_math.hpp"

namespace unstuck::UNSTUCK_ISA {

template <class T>
T normal_distribution(T z) {
    return T(0.5) * std::erfc(-z * T(0.70710678118654752440));
}

// Calls a function of one number for each number of a vector.
template <class T, class Function>
typename Simd<T>::Vector lane_by_lane(Function function, typename Simd<T>::Vector z) {
    for (int j = 0; j < Simd<T>::lanes; ++j) z[j] = function(z[j]);
    return z;
}

// Whether f' needs z; the others are functions of a.
inline bool derivative_needs_z(Activation f) {
    switch (f) {
        case Activation::gelu:
        case Activation::silu:
        case Activation::softplus:
        case Activation::softsign:
        case Activation::hard_sigmoid:
        case Activation::elu:
        case Activation::selu:
        case Activation::leaky_relu:
            return true;
        default:
            return false;
    }
}

constexpr double selu_scale = 1.0507009873554804934193349852946;
constexpr double selu_alpha = 1.6732632423543772848170429916717;

// a = f(z) for `count` numbers in whole vectors; a may be z. Softmax is done by row, elsewhere.
template <class T>
void activate(Activation f, T p, const T *z, T *a, std::size_t count) {
    using S = Simd<T>;
    using V = typename S::Vector;
    const auto each = [&](auto formula) {
        for (std::size_t j = 0; j < count; j += S::lanes) S::store(a + j, formula(S::load(z + j)));
    };
    const auto expm1 = [](V x) { return lane_by_lane<T>([](T one) { return std::expm1(one); }, x); };
    switch (f) {
        case Activation::identity:
        case Activation::softmax:
            if (a != z) std::copy_n(z, count, a);
            return;
        case Activation::relu:
            return each([](V x) { return x < 0 ? V{} : x; });
        case Activation::leaky_relu:
            return each([p](V x) { return x > 0 ? x : p * x; });
        case Activation::sigmoid:
            return each([](V x) { return sigmoid<T>(x); });
        case Activation::tanh:
            return each([](V x) { return tanh<T>(x); });
        case Activation::exponential:
            return each([](V x) { return exp<T>(x); });
        case Activation::silu:
            return each([](V x) { return x * sigmoid<T>(x); });
        case Activation::hard_sigmoid:
            return each([](V x) {
                const V line = x / 6 + T(0.5);
                return line < 0 ? V{} : line > 1 ? S::splat(1) : line;
            });
        case Activation::softsign:
            return each([](V x) { return x / (1 + (x < 0 ? -x : x)); });
        case Activation::elu:
            return each([=](V x) { return x > 0 ? x : p * expm1(x); });
        case Activation::selu:
            return each([=](V x) { return T(selu_scale) * (x > 0 ? x : T(selu_alpha) * expm1(x)); });
        case Activation::gelu:
            return each([](V x) { return x * lane_by_lane<T>(normal_distribution<T>, x); });
        case Activation::softplus:
            return each([](V x) {
                return lane_by_lane<T>([](T one) { return std::max(one, T(0)) + std::log1p(std::exp(-std::abs(one))); },
                                       x);
            });
    }
}

// Calls body with f' as a function of vectors z and a; for softmax that is the diagonal of its Jacobian.
template <class T, class Body>
void with_derivative(Activation f, T p, Body body) {
    using S = Simd<T>;
    using V = typename S::Vector;
    switch (f) {
        case Activation::identity:
            return body([](V, V) { return S::splat(1); });
        case Activation::relu:
            return body([](V, V y) { return y > 0 ? S::splat(1) : V{}; });
        case Activation::leaky_relu:
            return body([p](V x, V) { return x > 0 ? S::splat(1) : S::splat(p); });
        case Activation::sigmoid:
        case Activation::softmax:
            return body([](V, V y) { return y * (1 - y); });
        case Activation::tanh:
            return body([](V, V y) { return 1 - y * y; });
        case Activation::exponential:
            return body([](V, V y) { return y; });
        case Activation::elu:
            return body([p](V x, V y) { return x > 0 ? S::splat(1) : y + p; });
        case Activation::selu:
            return body([](V x, V y) { return x > 0 ? S::splat(T(selu_scale)) : y + T(selu_scale * selu_alpha); });
        case Activation::gelu:
            return body([](V x, V) {
                const V density = exp<T>(-x * x / 2) * T(0.39894228040143267794);
                return lane_by_lane<T>(normal_distribution<T>, x) + x * density;
            });
        case Activation::silu:
            return body([](V x, V) {
                const V s = sigmoid<T>(x);
                return s * (1 + x * (1 - s));
            });
        case Activation::softplus:
            return body([](V x, V) { return sigmoid<T>(x); });
        case Activation::hard_sigmoid:
            return body([](V x, V) { return (x < 0 ? -x : x) < 3 ? S::splat(T(1) / 6) : V{}; });
        case Activation::softsign:
            return body([](V x, V) {
                const V one_more = 1 + (x < 0 ? -x : x);
                return 1 / (one_more * one_more);
            });
    }
}

// d *= f'(z) for `count` numbers in whole vectors, for everything but softmax.
template <class T>
void times_derivative(Activation f, T p, const T *z, const T *a, T *d, std::size_t count) {
    using S = Simd<T>;
    if (f == Activation::identity || f == Activation::softmax) return;
    with_derivative<T>(f, p, [&](auto derivative) {
        for (std::size_t j = 0; j < count; j += S::lanes)
            S::store(d + j, S::load(d + j) * derivative(S::load(z + j), S::load(a + j)));
    });
}

// Vector number k / lanes of a row of o numbers, with `other` beyond its end.
template <class T>
typename Simd<T>::Vector part_of_row(const T *row, std::size_t k, std::size_t o, T other) {
    using S = Simd<T>;
    const auto left = static_cast<typename S::Integer>(std::min<std::size_t>(o - k, S::lanes));
    return S::numbers() < left ? S::load(row + k) : S::splat(other);
}

// a = softmax(z) for a row of o numbers in whole vectors, zero beyond its end; z may be a. Returns the highest z and
// the sum of exp(z - highest).
template <class T>
std::pair<T, T> softmax_row(const T *z, T *a, std::size_t o) {
    using S = Simd<T>;
    constexpr T none = -std::numeric_limits<T>::infinity();
    auto most = part_of_row(z, 0, o, none);
    for (std::size_t k = S::lanes; k < o; k += S::lanes) {
        const auto part = part_of_row(z, k, o, none);
        most = part > most ? part : most;
    }
    const T highest = S::across(most, [](auto left, auto right) { return left > right ? left : right; });
    typename S::Vector sum{};
    for (std::size_t k = 0; k < o; k += S::lanes) {
        const auto e = exp<T>(part_of_row(z, k, o, none) - highest);
        S::store(a + k, e);
        sum += e;
    }
    const T total = S::across(sum, std::plus<>{});
    for (std::size_t k = 0; k < o; k += S::lanes) S::store(a + k, S::load(a + k) / total);
    return {highest, total};
}

// dL/dz = a (da - sum of a da), in place.
template <class T>
void softmax_backward(const T *a, T *d, std::size_t o) {
    T sum = 0;
    for (std::size_t k = 0; k < o; ++k) sum += a[k] * d[k];
    for (std::size_t k = 0; k < o; ++k) d[k] = a[k] * (d[k] - sum);
}

// The loss l_r of one row and its derivative, d = dl_r/dz; y, z, a and d are rows of o numbers in whole vectors, y and
// d zero beyond. Together with cross-entropy, softmax is computed here and leaves a; else a is given.
template <class T>
class RowLoss {
    using S = Simd<T>;

  public:
    explicit RowLoss(const Plan &plan) : plan_(plan), output_(plan.layers.back()) {
        const auto f = output_.activation;
        pair_ = (f == Activation::softmax && plan.loss == Loss::categorical_crossentropy) ||
                (f == Activation::sigmoid && plan.loss == Loss::binary_crossentropy) ||
                (f == Activation::exponential && plan.loss == Loss::poisson);
    }

    bool computes_softmax() const { return pair_ && plan_.loss == Loss::categorical_crossentropy; }

    T operator()(const T *y, const T *z, T *a, T *d) const {
        const auto o = static_cast<std::size_t>(plan_.outputs);
        if (computes_softmax()) return softmax_crossentropy(y, z, a, d, o);
        const T factor = plan_.mean_of_outputs && plan_.loss != Loss::categorical_crossentropy ? T(1) / T(o) : T(1);
        T sum = 0;
        for (std::size_t k = 0; k < o; ++k) {
            sum += pair_ ? of_pair(y[k], z[k], a[k], d[k]) : element(y[k], a[k], d[k]);
            d[k] *= factor;
        }
        if (pair_) return sum * factor;
        if (output_.activation == Activation::softmax)
            softmax_backward(a, d, o);
        else
            times_derivative(output_.activation, static_cast<T>(output_.parameter), z, a, d, whole_vectors(o));
        return sum * factor;
    }

    // With softmax and cross-entropy for as many rows at once as a vector has lanes, a row in each lane: from y and z,
    // o vectors each, a and d; returns the rows' losses.
    static typename S::Vector softmax_crossentropy(const typename S::Vector *y, const typename S::Vector *z,
                                                   typename S::Vector *a, typename S::Vector *d, std::size_t o) {
        typename S::Vector highest = z[0], total{}, weight{}, sum{};
        for (std::size_t k = 1; k < o; ++k) highest = z[k] > highest ? z[k] : highest;
        for (std::size_t k = 0; k < o; ++k) {
            a[k] = exp<T>(z[k] - highest);
            total += a[k];
            weight += y[k];
        }
        const auto log_total = log<T>(total), share = 1 / total;
        for (std::size_t k = 0; k < o; ++k) {
            a[k] *= share;
            sum += y[k] * (log_total - (z[k] - highest));
            d[k] = a[k] * weight - y[k];
        }
        return sum;
    }

  private:
    static constexpr T eps = std::numeric_limits<T>::epsilon();

    static std::size_t whole_vectors(std::size_t o) { return (o + S::lanes - 1) / S::lanes * S::lanes; }

    // l = sum over k of y_k (ln sum of exp(z) - z_k)
    T softmax_crossentropy(const T *y, const T *z, T *a, T *d, std::size_t o) const {
        const auto [highest, total] = softmax_row(z, a, o);
        const T log_total = std::log(total);
        typename S::Vector sum{}, weights{};
        for (std::size_t k = 0; k < o; k += S::lanes) {
            const auto part = S::load(y + k);
            sum += part * (log_total - (part_of_row(z, k, o, T(0)) - highest));
            weights += part;
        }
        const T weight = S::across(weights, std::plus<>{});
        for (std::size_t k = 0; k < o; k += S::lanes) S::store(d + k, S::load(a + k) * weight - S::load(y + k));
        return S::across(sum, std::plus<>{});
    }

    T of_pair(T y, T z, T a, T &d) const {
        d = a - y;
        if (plan_.loss == Loss::poisson) return a - y * z;
        return std::max(z, T(0)) + std::log1p(std::exp(-std::abs(z))) - y * z;
    }

    // l(y, a), and slope = dl/da
    T element(T y, T a, T &slope) const {
        const T e = a - y;
        switch (plan_.loss) {
            case Loss::squared_error:
                slope = plan_.half ? e : 2 * e;
                return plan_.half ? e * e / 2 : e * e;
            case Loss::absolute_error:
                slope = static_cast<T>((e > 0) - (e < 0));
                return std::abs(e);
            case Loss::huber: {
                const T t = static_cast<T>(plan_.threshold), size = std::abs(e);
                slope = std::clamp(e, -t, t);
                return size <= t ? e * e / 2 : t * (size - t / 2);
            }
            case Loss::categorical_crossentropy: {
                const T p = std::max(a, eps);
                slope = eps <= a ? -y / p : T(0);
                return -y * std::log(p);
            }
            case Loss::binary_crossentropy: {
                const T p = std::clamp(a, eps, 1 - eps);
                slope = eps <= a && a <= 1 - eps ? (p - y) / (p * (1 - p)) : T(0);
                return -y * std::log(p) - (1 - y) * std::log1p(-p);
            }
            case Loss::hinge:
                slope = y * a < 1 ? -y : T(0);
                return std::max(T(0), 1 - y * a);
            case Loss::poisson: {
                const T p = std::max(a, eps);
                slope = eps <= a ? 1 - y / p : T(0);
                return p - y * std::log(p);
            }
        }
        return 0;
    }

    const Plan &plan_;
    const LayerPlan &output_;
    bool pair_;
};

}  // namespace unstuck::UNSTUCK_ISA
