// A curve by hidden units of two slopes (identity, ReLU, leaky ReLU): a full batch in O(rows + units).
//
// With one input such a network is a linear spline: unit j bends where w_j x + b_j = 0, its knot. Of the rows in the
// order of x, the k_j rows left of the knot have one f', l_j, and the others another, h_j:
//
//     l_j, h_j = s, 1 if w_j > 0, else 1, s         s = f'(z) where z <= 0
//
//     forward     z_r = p_r x_r + q_r    p_r = sum of h_j v_j w_j over k_j <= r, and of l_j v_j w_j over k_j > r
//                                        q_r = the same of v_j b_j, and the output's bias
//     backward    A_j = l_j (sum of delta_r x_r over r < k_j) + h_j (sum of delta_r x_r over r >= k_j)
//                 B_j = the same of delta_r
//                 dL/dw_j = v_j A_j    dL/db_j = v_j B_j    dL/dv_j = w_j A_j + b_j B_j
//
// p and q are running sums of what units add at their knots; A and B read running sums over rows at the knots. Each
// runs from the left and from the right: one of them and the total would do, but for the rounding of the difference,
// which Adam makes a full step of where the gradient is zero.
//
// Rounding keeps the order of numbers: in the order of x the computed z_j changes its sign once, as the exact one.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <functional>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "buffer.hpp"
#include "interface.hpp"
#include "optimizers.hpp"
#include "row_lanes_math.hpp"
#include "row_lanes_passes.hpp"

namespace unstuck::UNSTUCK_ISA {

// Lane l of the result is lane l - by of v, or zero.
template <int by, class V, int... lane>
V moved(V v, std::integer_sequence<int, lane...>) {
    constexpr int lanes = sizeof...(lane);
    return __builtin_shufflevector(v, V{}, (0 <= lane - by && lane - by < lanes ? lane - by : lanes)...);
}

// In each lane the sum of the lanes before it (direction 1), or of those after it (-1).
template <int direction, int distance = 0, class V>
V sum_of_others(V v) {
    constexpr int lanes = sizeof(V) / sizeof(v[0]);
    constexpr std::make_integer_sequence<int, lanes> all;
    if constexpr (distance == 0)
        return sum_of_others<direction, 1>(moved<direction>(v, all));
    else if constexpr (distance < lanes)
        return sum_of_others<direction, 2 * distance>(v + moved<direction * distance>(v, all));
    else
        return v;
}

template <class T>
class SplinePass {
    using S = Simd<T>;
    using V = typename S::Vector;

  public:
    static constexpr int lanes = S::lanes, least_vectors = 1;

    static bool fits(const Plan &plan) {
        const Activation f = plan.layers[0].activation;
        const bool two_slopes = f == Activation::identity || f == Activation::relu || f == Activation::leaky_relu;
        return is_curve(plan) && two_slopes && plan.batch_rows == plan.rows;
    }

    SplinePass(const Plan &plan, const State<T> &state)
        : plan_(plan),
          stage_(output_stage(plan)),
          hidden_(plan.layers[0]),
          first_(dense_of(plan.layers[0])),
          second_(dense_of(plan.layers[1])),
          slope_(hidden_.activation == Activation::identity ? 1 : static_cast<T>(hidden_.parameter)),
          units_((first_.outputs + lanes - 1) / lanes),
          size_(3 * units_ + 1),
          knots_(units_ * lanes) {
        for (Buffer<V> *buffer : {&w_, &previous_, &g_, &memory_[0], &memory_[1], &memory_[2]}) buffer->resize(size_);
        for (Buffer<V> *buffer : {&left_x_, &right_x_, &left_slope_, &right_slope_, &only_slope_})
            buffer->resize(units_);
        of_units_.resize(4 * units_);
        const auto take = [&](const Buffer<T> &from, Buffer<V> &to) {
            each_part([&](std::size_t flat, std::size_t vector, std::size_t count) {
                std::copy_n(from.get() + flat, count, numbers(to) + vector * lanes);
            });
        };
        take(state.w, w_);
        take(state.previous, previous_);
        for (int k = 0; k < plan_.slots; ++k) take(state.memory[k], memory_[k]);
    }

    void store(State<T> &state) const {
        const auto store = [&](const Buffer<V> &from, Buffer<T> &to) {
            each_part([&](std::size_t flat, std::size_t vector, std::size_t count) {
                std::copy_n(numbers(from) + vector * lanes, count, to.get() + flat);
            });
        };
        store(w_, state.w);
        store(previous_, state.previous);
        for (int k = 0; k < plan_.slots; ++k) store(memory_[k], state.memory[k]);
    }

    // Lane l takes rows l * vectors_, l * vectors_ + 1, ... of those in the order of x: sums run from vector to vector.
    void take(LaidOut<T> &laid) {
        vectors_ = laid.vectors;
        const std::size_t n = vectors_ * lanes;
        const T *X = laid.X.get();
        const auto before = [X](auto r, auto s) {
            const auto order = std::strong_order(X[r], X[s]);  // of any numbers, and those that are none
            return order != 0 ? order < 0 : r < s;
        };
        auto &order = laid.in_order_of_x;
        if (order.size() != n) {
            order.resize(n);
            std::iota(order.begin(), order.end(), 0);
        }
        if (!std::is_sorted(order.begin(), order.end(), before)) std::sort(order.begin(), order.end(), before);
        sorted_x_.assign(n + 2, std::numeric_limits<T>::infinity());
        sorted_x_[0] = -sorted_x_[0];
        for (Buffer<V> *buffer : {&x_, &y_, &shares_, &sums_of_y_}) buffer->resize(vectors_);
        for (std::size_t r = 0; r < n; ++r) {
            const std::size_t to = r % vectors_ * lanes + r / vectors_, from = order[r];
            sorted_x_[r + 1] = numbers(x_)[to] = X[from];
            numbers(y_)[to] = laid.Y.get()[from];
            numbers(shares_)[to] = laid.shares.get()[from];
            numbers(sums_of_y_)[to] = laid.sums.get()[from];
        }
        lines_.resize(vectors_);
        sums_.resize(vectors_ + 1);
        for (std::size_t j = 0; j < knots_.size(); ++j) find_knot(j);
    }

    void remember() { std::copy_n(w_.get(), size_, previous_.get()); }

    double cost_and_gradient() {
        find_knots_that_moved();
        const double cost = forward(add_lines());
        backward();
        return cost;
    }

    bool finite_gradient() const { return all_finite(g_.get(), size_); }

    void update(const Moment &moment) {
        with_rule<T>(plan_, moment, [&](auto rule) {
            apply(rule, w_.get(), g_.get(), memory_[0].get(), memory_[1].get(), memory_[2].get(), size_);
        });
    }

  private:
    // For a vector of rows, running sums of two numbers, from the left and from the right.
    struct Sums {
        V left[2], right[2];
    };
    // Where in Sums, as numbers, the last row left of a knot and the first row right of it are.
    struct Knot {
        std::size_t left, right;
        bool among_rows;
    };
    struct Line {
        T p, q;
    };

    static T *numbers(Buffer<V> &buffer) { return reinterpret_cast<T *>(buffer.get()); }
    static const T *numbers(const Buffer<V> &buffer) { return reinterpret_cast<const T *>(buffer.get()); }

    // Calls body for the weights w, the biases b, the weights v and the output's bias with their place in the flat
    // vector, their first vector here, where the lanes left over are zero, and their number.
    template <class Body>
    void each_part(Body body) const {
        body(first_.weights, 0, first_.outputs);
        if (first_.has_bias) body(first_.biases, units_, first_.outputs);
        body(second_.weights, 2 * units_, first_.outputs);
        if (second_.has_bias) body(second_.biases, 3 * units_, 1);
    }

    // A knot stays where the rows on both sides of it do, unless w changes its sign: then the slopes change places.
    void find_knots_that_moved() {
        const V *w = w_.get(), *b = w + units_, *left_x = left_x_.get(), *right_x = right_x_.get();
        const V slope = V{} + slope_, one = V{} + 1;
        for (std::size_t u = 0; u < units_; ++u) {
            const auto rises = w[u] > 0;
            const auto left = (w[u] * left_x[u] + b[u] <= 0) ^ rises, right = (w[u] * right_x[u] + b[u] > 0) ^ rises;
            const auto turned = (rises ? slope : one) != left_slope_.get()[u];
            const V moved = left | right | turned ? one : V{};
            if (S::across(moved, std::plus<>{}) == 0) continue;
            for (int k = 0; k < lanes; ++k)
                if (moved[k] != 0) find_knot(u * lanes + k);
        }
    }

    void find_knot(std::size_t j) {
        const T w = numbers(w_)[j], b = numbers(w_)[units_ * lanes + j];
        const bool rises = w > 0;
        const std::size_t n = vectors_ * lanes;
        const T *first = &sorted_x_[1];
        const T *right = std::partition_point(first, first + n, [=](T x) { return (w * x + b > 0) != rises; });
        const auto k = static_cast<std::size_t>(right - first);
        const auto place = [&](std::size_t r) { return r % vectors_ * 4 * lanes + r / vectors_; };
        const std::size_t no_row = vectors_ * 4 * lanes;
        knots_[j] = {k > 0 ? place(k - 1) : no_row, k < n ? place(k) : no_row, 0 < k && k < n};
        numbers(left_x_)[j] = right[-1];
        numbers(right_x_)[j] = right[0];
        const T left_slope = rises ? slope_ : 1, right_slope = rises ? 1 : slope_;
        numbers(left_slope_)[j] = left_slope;
        numbers(right_slope_)[j] = right_slope;
        numbers(only_slope_)[j] = k == 0 ? right_slope : k == n ? left_slope : 0;
    }

    // Adds v f(z) at the knots, the line on either side of each. Returns the line that all rows share, which is not a
    // number if a z is not finite: the sums of v w and v b might not show it.
    Line add_lines() {
        const V *w = w_.get(), *b = w + units_, *v = b + units_;
        const V *left = left_slope_.get(), *right = right_slope_.get(), *only = only_slope_.get();
        const T first_x = sorted_x_[1], last_x = sorted_x_[vectors_ * lanes];
        V p{}, q{}, *of = of_units_.get();
        with_formula<T>(hidden_.activation, slope_, [&](auto f) {
            for (std::size_t u = 0; u < units_; ++u) {
                const V vw = v[u] * w[u], vb = v[u] * b[u];
                of[u] = left[u] * vw;
                of[units_ + u] = left[u] * vb;
                of[2 * units_ + u] = right[u] * vw;
                of[3 * units_ + u] = right[u] * vb;
                p += only[u] * vw;
                q += only[u] * vb + 0 * f(w[u] * first_x + b[u]) + 0 * f(w[u] * last_x + b[u]);
            }
        });
        T *lines = reinterpret_cast<T *>(lines_.get());
        const T *of_unit = numbers(of_units_);
        const std::size_t next = units_ * lanes;
        for (std::size_t j = 0; j < next; ++j) {
            if (!knots_[j].among_rows) continue;
            T *to_left = lines + knots_[j].left + 2 * lanes, *to_right = lines + knots_[j].right;
            to_left[0] += of_unit[j];
            to_left[lanes] += of_unit[next + j];
            to_right[0] += of_unit[2 * next + j];
            to_right[lanes] += of_unit[3 * next + j];
        }
        const T c = numbers(w_)[3 * next];
        return {S::across(p, std::plus<>{}), S::across(q, std::plus<>{}) + c};
    }

    double forward(Line everywhere) {
        Sums *lines = lines_.get();
        V left[2]{}, right[2]{};
        for (std::size_t i = vectors_; i-- > 0;) {
            for (int k = 0; k < 2; ++k) {
                left[k] += lines[i].left[k];
                lines[i].right[k] = right[k] += lines[i].right[k];
            }
        }
        const V p = sum_of_others<1>(left[0]) + sum_of_others<-1>(right[0]) + everywhere.p;
        const V q = sum_of_others<1>(left[1]) + sum_of_others<-1>(right[1]) + everywhere.q;
        double cost = 0;
        with_loss<T, 1>(plan_, stage_, [&](auto loss) { cost = outputs(loss, p, q); });
        return cost;
    }

    // Leaves delta x and delta in sums_: within each lane the sums from the left, and on the right the numbers
    // themselves.
    template <class OfRows>
    double outputs(OfRows loss, V p, V q) {
        const V *x = x_.get(), *y = y_.get(), *shares = shares_.get(), *sums_of_y = sums_of_y_.get();
        Sums *lines = lines_.get(), *sums = sums_.get();
        Total<T, V> cost;
        V of_dx{}, of_d{};
        for (std::size_t i = 0; i < vectors_; ++i) {
            p += lines[i].left[0];
            q += lines[i].left[1];
            const V z = (p + lines[i].right[0]) * x[i] + (q + lines[i].right[1]);
            lines[i] = {};
            V d;
            cost += loss(Constant<1>{}, &z, y + i, shares[i], sums_of_y[i], &d);
            const V dx = d * x[i];
            of_dx += dx;
            of_d += d;
            sums[i] = {{of_dx, of_d}, {dx, d}};
        }
        return double(cost);
    }

    void backward() {
        Sums *sums = sums_.get();
        V others[2], right[2];
        for (int k = 0; k < 2; ++k) {
            const V of_lane = sums[vectors_ - 1].left[k];
            others[k] = sum_of_others<1>(of_lane);
            right[k] = sum_of_others<-1>(of_lane);
        }
        for (std::size_t i = vectors_; i-- > 0;) {
            for (int k = 0; k < 2; ++k) {
                sums[i].left[k] += others[k];
                sums[i].right[k] = right[k] += sums[i].right[k];
            }
        }
        T *of_unit = numbers(of_units_);
        const T *at = reinterpret_cast<const T *>(sums);
        const std::size_t next = units_ * lanes;
        for (std::size_t j = 0; j < next; ++j) {
            const T *at_left = at + knots_[j].left, *at_right = at + knots_[j].right + 2 * lanes;
            of_unit[j] = at_left[0];
            of_unit[next + j] = at_left[lanes];
            of_unit[2 * next + j] = at_right[0];
            of_unit[3 * next + j] = at_right[lanes];
        }
        const V *w = w_.get(), *b = w + units_, *v = b + units_, *of = of_units_.get();
        const V *left_slope = left_slope_.get(), *right_slope = right_slope_.get();
        V *g = g_.get();
        for (std::size_t u = 0; u < units_; ++u) {
            const V A = left_slope[u] * of[u] + right_slope[u] * of[2 * units_ + u];
            const V B = left_slope[u] * of[units_ + u] + right_slope[u] * of[3 * units_ + u];
            g[u] = v[u] * A;
            if (first_.has_bias) g[units_ + u] = v[u] * B;
            g[2 * units_ + u] = w[u] * A + b[u] * B;
        }
        if (second_.has_bias) numbers(g_)[3 * next] = sums[0].right[1][0];
    }

    const Plan &plan_;
    const OutputStage stage_;
    const LayerPlan &hidden_;
    const Dense first_, second_;
    const T slope_;                   // f'(z) where z <= 0
    const std::size_t units_, size_;  // of the hidden layer and of all parameters, in vectors
    Buffer<V> w_, previous_, g_;
    std::array<Buffer<V>, 3> memory_;

    std::size_t vectors_ = 0;  // of rows
    std::vector<T> sorted_x_;  // between two infinite ones
    Buffer<V> x_, y_, shares_, sums_of_y_;

    std::vector<Knot> knots_;
    Buffer<V> left_x_, right_x_;                       // the rows on both sides of each knot
    Buffer<V> left_slope_, right_slope_, only_slope_;  // the last where all rows are on one side, else 0
    Buffer<V> of_units_;
    Buffer<Sums> lines_;  // zero between updates
    Buffer<Sums> sums_;   // one more, of no row, is zero
};

}  // namespace unstuck::UNSTUCK_ISA
