// The optimizers of unstuck.functions.optimizers, on a stretch of parameters: w, its gradient g, and its memory.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>

#include "plan.hpp"
#include "simd.hpp"

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

// Calls each(w, g, m, s, v) on one vector after the other and stores what it leaves in w, m, s and v; the memory that
// an optimizer does not have is null.
template <class T, int slots, class Each>
void for_vectors(T *w, const T *g, T *m, T *s, T *v, std::size_t count, Each each) {
    using S = Simd<T>;
    T *const memory[] = {m, s, v};
    typename S::Vector of_memory[3] = {};
    std::size_t j = 0;
    for (; j + S::lanes <= count; j += S::lanes) {
        auto of_w = S::load(w + j);
        for (int k = 0; k < slots; ++k) of_memory[k] = S::load(memory[k] + j);
        each(of_w, S::load(g + j), of_memory[0], of_memory[1], of_memory[2]);
        S::store(w + j, of_w);
        for (int k = 0; k < slots; ++k) S::store(memory[k] + j, of_memory[k]);
    }
    if (j == count) return;
    T last[5][S::lanes] = {};
    const std::size_t rest = count - j;
    std::copy_n(w + j, rest, last[3]);
    std::copy_n(g + j, rest, last[4]);
    for (int k = 0; k < slots; ++k) std::copy_n(memory[k] + j, rest, last[k]);
    for_vectors<T, slots>(last[3], last[4], last[0], last[1], last[2], S::lanes, each);
    std::copy_n(last[3], rest, w + j);
    for (int k = 0; k < slots; ++k) std::copy_n(last[k], rest, memory[k] + j);
}

template <class T>
void update(const Plan &plan, const Moment &moment, T *w, const T *g, T *m, T *s, T *v, std::size_t count) {
    using S = Simd<T>;
    using V = typename S::Vector;
    const auto setting = [&](std::size_t k) { return static_cast<T>(plan.settings[k]); };
    const auto rest = [&](std::size_t k) { return static_cast<T>(1 - plan.settings[k]); };
    const T rate = static_cast<T>(moment.rate);
    const auto with = [&]<int slots>(std::integral_constant<int, slots>, auto each) {
        for_vectors<T, slots>(w, g, m, s, v, count, each);
    };
    constexpr std::integral_constant<int, 0> none;
    constexpr std::integral_constant<int, 1> one;
    constexpr std::integral_constant<int, 2> two;
    constexpr std::integral_constant<int, 3> three;
    // sign(x), or one of three values by the sign of x
    const auto by_sign = [](V x, V positive, V negative, V zero) { return x > 0 ? positive : x < 0 ? negative : zero; };
    const auto within = [](V x, T least, T most) {
        const V bounded = x < least ? S::splat(least) : x;
        return bounded > most ? S::splat(most) : bounded;
    };
    switch (plan.optimizer) {
        case Optimizer::sgd:
            return with(none, [=](V &w, V g, V &, V &, V &) { w -= rate * g; });
        case Optimizer::momentum: {
            const T mu = setting(0);
            return with(one, [=](V &w, V g, V &m, V &, V &) {
                m = mu * m + g;
                w -= rate * m;
            });
        }
        case Optimizer::nesterov: {
            const T mu = setting(0);
            return with(one, [=](V &w, V g, V &m, V &, V &) {
                m = mu * m + g;
                w -= rate * (g + mu * m);
            });
        }
        case Optimizer::rmsprop: {
            const T decay = setting(0), more = rest(0), epsilon = setting(1);
            return with(one, [=](V &w, V g, V &m, V &, V &) {
                m = decay * m + more * g * g;
                w -= rate * over_root<T>(g, m, epsilon);
            });
        }
        case Optimizer::adaptive_rmsprop: {
            const T decay = setting(0), more = rest(0), up = setting(1), down = setting(2);
            const T least = setting(3), most = setting(4), epsilon = setting(5);
            return with(three, [=](V &w, V g, V &m, V &s, V &v) {
                m = decay * m + more * g * g;
                v = within(v * by_sign(g * s, S::splat(up), S::splat(down), S::splat(1)), least, most);
                w -= rate * v * over_root<T>(g, m, epsilon);
                s = g;
            });
        }
        case Optimizer::rprop: {
            const T up = setting(0), down = setting(1), least = setting(2), most = setting(3);
            const T scale = static_cast<T>(moment.rate / plan.learning_rate);
            return with(two, [=](V &w, V g, V &m, V &s, V &) {
                const V agreement = g * m;
                s = within(s * by_sign(agreement, S::splat(up), S::splat(down), S::splat(1)), least, most);
                m = agreement < 0 ? V{} : g;
                w -= scale * s * by_sign(m, S::splat(1), S::splat(-1), V{});
            });
        }
        case Optimizer::adagrad: {
            const T epsilon = setting(0);
            return with(one, [=](V &w, V g, V &m, V &, V &) {
                m += g * g;
                w -= rate * over_root<T>(g, m, epsilon);
            });
        }
        case Optimizer::adam:
        case Optimizer::adamw: {
            const T b1 = setting(0), r1 = rest(0), b2 = setting(1), r2 = rest(1), epsilon = setting(2);
            const T step = static_cast<T>(moment.rate * moment.mean_factor);
            const T square = static_cast<T>(moment.square_factor);
            const T keep =
                plan.optimizer == Optimizer::adamw ? static_cast<T>(1 - moment.rate * plan.settings[3]) : T(1);
            return with(two, [=](V &w, V g, V &m, V &s, V &) {
                m = b1 * m + r1 * g;
                s = b2 * s + r2 * g * g;
                w = keep * w - step * over_root<T>(m, square * s, epsilon);
            });
        }
        case Optimizer::nadam: {
            const T b1 = setting(0), r1 = rest(0), b2 = setting(1), r2 = rest(1), epsilon = setting(2);
            const T of_mean = static_cast<T>(moment.mean_factor), of_gradient = static_cast<T>(moment.gradient_factor);
            const T square = static_cast<T>(moment.square_factor);
            return with(two, [=](V &w, V g, V &m, V &s, V &) {
                m = b1 * m + r1 * g;
                s = b2 * s + r2 * g * g;
                w -= rate * over_root<T>(of_mean * m + of_gradient * g, square * s, epsilon);
            });
        }
    }
}

}  // namespace unstuck::UNSTUCK_ISA
