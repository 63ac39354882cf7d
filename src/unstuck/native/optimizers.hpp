// The optimizers of unstuck.functions.optimizers.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <variant>

#include "plan.hpp"
#include "simd_math.hpp"

namespace unstuck::UNSTUCK_ISA {

// b^(s t) for t = 0, 1, ...: b^(s 64 q) b^(s r), t = 64 q + r, with the second factor from a table and the first kept
// as long as it lasts. A function of t alone, whatever it was asked before.
class Powers {
  public:
    Powers() = default;
    explicit Powers(double base, double step = 1) : base_(base), step_(step) {
        for (std::size_t r = 0; r < length; ++r) low_[r] = std::pow(base, step * static_cast<double>(r));
    }

    double operator()(std::size_t t) {
        if (const std::size_t quotient = t / length; quotient != quotient_) {
            quotient_ = quotient;
            high_ = std::pow(base_, step_ * static_cast<double>(length * quotient));
        }
        return high_ * low_[t % length];
    }

  private:
    static constexpr std::size_t length = 64;
    double base_ = 1, step_ = 1, high_ = 1;
    std::size_t quotient_ = 0;
    std::array<double, length> low_{};
};

// What all parameters share at one update; computed once, in double.
struct Moment {
    double rate, mean_factor = 1, square_factor = 1, gradient_factor = 1, momentum = 1;
};

// The moments of update after update. Each thread has its own.
class Moments {
  public:
    explicit Moments(const Plan &plan) : plan_(plan) {
        const auto kind = plan.optimizer;
        if (kind != Optimizer::adam && kind != Optimizer::adamw && kind != Optimizer::nadam) return;
        mean_ = Powers(plan.settings[0]);
        square_ = Powers(plan.settings[1]);
        if (kind == Optimizer::nadam) warming_ = Powers(0.96, 0.004);
    }

    // Of update t, from 1.
    Moment at(std::size_t t, double rate, double momenta) {
        Moment moment;
        moment.rate = rate;
        switch (plan_.optimizer) {
            case Optimizer::adam:
            case Optimizer::adamw:
                moment.mean_factor = 1 / (1 - mean_(t));
                moment.square_factor = 1 / (1 - square_(t));
                break;
            case Optimizer::nadam: {
                const double now = plan_.settings[0] * (1 - 0.5 * warming_(t));
                const double soon = plan_.settings[0] * (1 - 0.5 * warming_(t + 1));
                moment.mean_factor = soon / (1 - momenta * now * soon);
                moment.gradient_factor = (1 - now) / (1 - momenta * now);
                moment.square_factor = 1 / (1 - square_(t));
                moment.momentum = now;
                break;
            }
            default:
                break;
        }
        return moment;
    }

  private:
    const Plan &plan_;
    Powers mean_, square_, warming_;
};

// The formulas, for one parameter w with gradient g or for a vector of them; m, s and v are the optimizer's memory, of
// which each formula takes what it needs.
namespace rules {

template <class T>
struct Sgd {
    static constexpr int slots = 0;
    T rate;
    template <class V>
    void operator()(V &w, V g) const {
        w -= rate * g;
    }
};

template <class T>
struct Momentum {
    static constexpr int slots = 1;
    T rate, mu;
    template <class V>
    void operator()(V &w, V g, V &m) const {
        m = mu * m + g;
        w -= rate * m;
    }
};

template <class T>
struct Nesterov {
    static constexpr int slots = 1;
    T rate, mu;
    template <class V>
    void operator()(V &w, V g, V &m) const {
        m = mu * m + g;
        w -= rate * (g + mu * m);
    }
};

template <class T>
struct RmsProp {
    static constexpr int slots = 1;
    T rate, decay, rest, epsilon;
    template <class V>
    void operator()(V &w, V g, V &m) const {
        m = decay * m + rest * g * g;
        w -= rate * g / (sqrt<T>(m) + epsilon);
    }
};

template <class T>
struct AdaptiveRmsProp {
    static constexpr int slots = 3;
    T rate, decay, rest, up, down, least, most, epsilon;
    template <class V>
    void operator()(V &w, V g, V &m, V &s, V &v) const {
        m = decay * m + rest * g * g;
        const V agreement = g * s;
        const V gain = v * (agreement > 0 ? up : agreement < 0 ? down : T(1));
        const V raised = gain < least ? least : gain;
        v = raised > most ? most : raised;
        w -= rate * v * g / (sqrt<T>(m) + epsilon);
        s = g;
    }
};

template <class T>
struct Rprop {
    static constexpr int slots = 2;
    T scale, up, down, least, most;
    template <class V>
    void operator()(V &w, V g, V &m, V &s) const {
        const V agreement = g * m;
        const V step = s * (agreement > 0 ? up : agreement < 0 ? down : T(1));
        const V raised = step < least ? least : step;
        s = raised > most ? most : raised;
        m = agreement < 0 ? T(0) : g;
        w -= scale * s * (m > 0 ? T(1) : m < 0 ? T(-1) : T(0));
    }
};

template <class T>
struct AdaGrad {
    static constexpr int slots = 1;
    T rate, epsilon;
    template <class V>
    void operator()(V &w, V g, V &m) const {
        m += g * g;
        w -= rate * g / (sqrt<T>(m) + epsilon);
    }
};

// With keep = 1 Adam, else AdamW.
template <class T>
struct Adam {
    static constexpr int slots = 2;
    T step, square, keep, b1, r1, b2, r2, epsilon;
    template <class V>
    void operator()(V &w, V g, V &m, V &s) const {
        m = b1 * m + r1 * g;
        s = b2 * s + r2 * g * g;
        w = keep * w - step * m / (sqrt<T>(V(square * s)) + epsilon);
    }
};

template <class T>
struct NAdam {
    static constexpr int slots = 2;
    T rate, of_mean, of_gradient, square, b1, r1, b2, r2, epsilon;
    template <class V>
    void operator()(V &w, V g, V &m, V &s) const {
        m = b1 * m + r1 * g;
        s = b2 * s + r2 * g * g;
        w -= rate * (of_mean * m + of_gradient * g) / (sqrt<T>(V(square * s)) + epsilon);
    }
};

}  // namespace rules

template <class T>
using Rule =
    std::variant<rules::Sgd<T>, rules::Momentum<T>, rules::Nesterov<T>, rules::RmsProp<T>, rules::AdaptiveRmsProp<T>,
                 rules::Rprop<T>, rules::AdaGrad<T>, rules::Adam<T>, rules::NAdam<T>>;

// The formula of this update, with its numbers.
template <class T>
Rule<T> rule_of(const Plan &plan, const Moment &moment) {
    const auto setting = [&](std::size_t k) { return static_cast<T>(plan.settings[k]); };
    const auto rest = [&](std::size_t k) { return static_cast<T>(1 - plan.settings[k]); };
    const T rate = static_cast<T>(moment.rate), square = static_cast<T>(moment.square_factor);
    switch (plan.optimizer) {
        case Optimizer::sgd:
            return rules::Sgd<T>{rate};
        case Optimizer::momentum:
            return rules::Momentum<T>{rate, setting(0)};
        case Optimizer::nesterov:
            return rules::Nesterov<T>{rate, setting(0)};
        case Optimizer::rmsprop:
            return rules::RmsProp<T>{rate, setting(0), rest(0), setting(1)};
        case Optimizer::adaptive_rmsprop:
            return rules::AdaptiveRmsProp<T>{rate,       setting(0), rest(0),    setting(1),
                                             setting(2), setting(3), setting(4), setting(5)};
        case Optimizer::rprop:
            return rules::Rprop<T>{static_cast<T>(moment.rate / plan.learning_rate), setting(0), setting(1), setting(2),
                                   setting(3)};
        case Optimizer::adagrad:
            return rules::AdaGrad<T>{rate, setting(0)};
        case Optimizer::adam:
        case Optimizer::adamw: {
            // epsilon hat stands beside sqrt(s), before s is corrected
            const double epsilon = plan.settings[2] * (plan.settings[3] ? std::sqrt(moment.square_factor) : 1);
            const double keep = plan.optimizer == Optimizer::adamw ? 1 - moment.rate * plan.settings[4] : 1;
            return rules::Adam<T>{static_cast<T>(moment.rate * moment.mean_factor),
                                  square,
                                  static_cast<T>(keep),
                                  setting(0),
                                  rest(0),
                                  setting(1),
                                  rest(1),
                                  static_cast<T>(epsilon)};
        }
        case Optimizer::nadam:
            return rules::NAdam<T>{rate,
                                   static_cast<T>(moment.mean_factor),
                                   static_cast<T>(moment.gradient_factor),
                                   square,
                                   setting(0),
                                   rest(0),
                                   setting(1),
                                   rest(1),
                                   setting(2)};
    }
    throw std::logic_error("an optimizer without a rule");
}

// Calls body with it.
template <class T, class Body>
void with_rule(const Plan &plan, const Moment &moment, Body body) {
    std::visit(body, rule_of<T>(plan, moment));
}

// The rule on entry j of each vector; a slot that it does not use may be missing.
template <class V, class Rule>
void apply(const Rule &rule, V *__restrict w, const V *__restrict g, V *__restrict m, V *__restrict s, V *__restrict v,
           std::size_t count) {
    for (std::size_t j = 0; j < count; ++j) {
        if constexpr (Rule::slots == 0) rule(w[j], g[j]);
        if constexpr (Rule::slots == 1) rule(w[j], g[j], m[j]);
        if constexpr (Rule::slots == 2) rule(w[j], g[j], m[j], s[j]);
        if constexpr (Rule::slots == 3) rule(w[j], g[j], m[j], s[j], v[j]);
    }
}

// The update of `count` parameters, in whole vectors and one by one at the end.
template <class T>
void update(const Rule<T> &rule, T *w, const T *g, T *m, T *s, T *v, std::size_t count) {
    using V = typename Simd<T>::Vector;
    const std::size_t vectors = count / Simd<T>::lanes, first = vectors * Simd<T>::lanes;
    const auto as_vectors = [](auto *x) { return reinterpret_cast<V *>(const_cast<T *>(x)); };
    const auto from = [first](auto *x) { return x ? x + first : x; };
    std::visit(
        [&](auto one) {
            apply<V>(one, as_vectors(w), as_vectors(g), as_vectors(m), as_vectors(s), as_vectors(v), vectors);
            apply<T>(one, from(w), from(g), from(m), from(s), from(v), count - first);
        },
        rule);
}

}  // namespace unstuck::UNSTUCK_ISA
