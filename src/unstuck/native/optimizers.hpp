// The optimizers of unstuck.functions.optimizers, on a stretch of parameters: w, its gradient g, and its memory.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "plan.hpp"

namespace unstuck::UNSTUCK_ISA {

// What all parameters share at update t (from 1); computed once, in double.
struct Moment {
    Moment(const Plan &plan, double rate_, double t, double momenta) : rate(rate_) {
        const auto &s = plan.settings;
        switch (plan.optimizer) {
            case Optimizer::adam:
            case Optimizer::adamw:
                mean_factor = 1 / (1 - std::pow(s[0], t));
                square_factor = 1 / (1 - std::pow(s[1], t));
                break;
            case Optimizer::nadam: {
                const double now = s[0] * (1 - 0.5 * std::pow(0.96, t * 0.004));
                const double soon = s[0] * (1 - 0.5 * std::pow(0.96, (t + 1) * 0.004));
                mean_factor = soon / (1 - momenta * now * soon);
                gradient_factor = (1 - now) / (1 - momenta * now);
                square_factor = 1 / (1 - std::pow(s[1], t));
                momentum = now;
                break;
            }
            default:
                break;
        }
    }
    double rate, mean_factor = 1, square_factor = 1, gradient_factor = 1, momentum = 1;
};

template <class T>
void update(const Plan &plan, const Moment &moment, T *__restrict w, const T *__restrict g, T *__restrict m,
            T *__restrict s, T *__restrict v, std::size_t count) {
    const auto setting = [&](std::size_t k) { return static_cast<T>(plan.settings[k]); };
    const auto rest = [&](std::size_t k) { return static_cast<T>(1 - plan.settings[k]); };
    const T rate = static_cast<T>(moment.rate);
    switch (plan.optimizer) {
        case Optimizer::sgd:
            for (std::size_t j = 0; j < count; ++j) w[j] -= rate * g[j];
            return;
        case Optimizer::momentum: {
            const T mu = setting(0);
            for (std::size_t j = 0; j < count; ++j) {
                m[j] = mu * m[j] + g[j];
                w[j] -= rate * m[j];
            }
            return;
        }
        case Optimizer::nesterov: {
            const T mu = setting(0);
            for (std::size_t j = 0; j < count; ++j) {
                m[j] = mu * m[j] + g[j];
                w[j] -= rate * (g[j] + mu * m[j]);
            }
            return;
        }
        case Optimizer::rmsprop: {
            const T decay = setting(0), more = rest(0), epsilon = setting(1);
            for (std::size_t j = 0; j < count; ++j) {
                m[j] = decay * m[j] + more * g[j] * g[j];
                w[j] -= rate * g[j] / (std::sqrt(m[j]) + epsilon);
            }
            return;
        }
        case Optimizer::adaptive_rmsprop: {
            const T decay = setting(0), more = rest(0), up = setting(1), down = setting(2);
            const T least = setting(3), most = setting(4), epsilon = setting(5);
            for (std::size_t j = 0; j < count; ++j) {
                m[j] = decay * m[j] + more * g[j] * g[j];
                const T agreement = g[j] * s[j];
                const T gain = v[j] * (agreement > 0 ? up : agreement < 0 ? down : T(1));
                v[j] = std::min(std::max(gain, least), most);
                w[j] -= rate * v[j] * g[j] / (std::sqrt(m[j]) + epsilon);
                s[j] = g[j];
            }
            return;
        }
        case Optimizer::rprop: {
            const T up = setting(0), down = setting(1), least = setting(2), most = setting(3);
            const T scale = static_cast<T>(moment.rate / plan.learning_rate);
            for (std::size_t j = 0; j < count; ++j) {
                const T agreement = g[j] * m[j];
                const T step = s[j] * (agreement > 0 ? up : agreement < 0 ? down : T(1));
                s[j] = std::min(std::max(step, least), most);
                m[j] = agreement < 0 ? T(0) : g[j];
                w[j] -= scale * s[j] * static_cast<T>((m[j] > 0) - (m[j] < 0));
            }
            return;
        }
        case Optimizer::adagrad: {
            const T epsilon = setting(0);
            for (std::size_t j = 0; j < count; ++j) {
                m[j] += g[j] * g[j];
                w[j] -= rate * g[j] / (std::sqrt(m[j]) + epsilon);
            }
            return;
        }
        case Optimizer::adam:
        case Optimizer::adamw: {
            const T b1 = setting(0), r1 = rest(0), b2 = setting(1), r2 = rest(1), epsilon = setting(2);
            const T step = static_cast<T>(moment.rate * moment.mean_factor);
            const T square = static_cast<T>(moment.square_factor);
            const T keep =
                plan.optimizer == Optimizer::adamw ? static_cast<T>(1 - moment.rate * plan.settings[3]) : T(1);
            for (std::size_t j = 0; j < count; ++j) {
                m[j] = b1 * m[j] + r1 * g[j];
                s[j] = b2 * s[j] + r2 * g[j] * g[j];
                w[j] = keep * w[j] - step * m[j] / (std::sqrt(square * s[j]) + epsilon);
            }
            return;
        }
        case Optimizer::nadam: {
            const T b1 = setting(0), r1 = rest(0), b2 = setting(1), r2 = rest(1), epsilon = setting(2);
            const T of_mean = static_cast<T>(moment.mean_factor), of_gradient = static_cast<T>(moment.gradient_factor);
            const T square = static_cast<T>(moment.square_factor);
            for (std::size_t j = 0; j < count; ++j) {
                m[j] = b1 * m[j] + r1 * g[j];
                s[j] = b2 * s[j] + r2 * g[j] * g[j];
                w[j] -= rate * (of_mean * m[j] + of_gradient * g[j]) / (std::sqrt(square * s[j]) + epsilon);
            }
            return;
        }
    }
}

}  // namespace unstuck::UNSTUCK_ISA
