// Trainings by the baseline trainer (on ARM the NEON one) against backprop written with plain loops, in double.
#include <cmath>
#include <memory>
#include <vector>

#include "check.hpp"
#include "interface.hpp"
#include "philox.hpp"

using namespace unstuck;

namespace {

double uniform(std::uint32_t n, std::uint32_t stream) {
    return philox4x32_10({n, stream, 0, 1}, 0)[0] / 2147483648.0 - 1;
}

// Widths of the layers, tanh between them, squared error (half, mean of rows) or softmax with cross-entropy on top.
struct Problem {
    std::vector<std::size_t> widths;
    bool softmax;
    Optimizer optimizer;
    std::size_t rows, batch, steps;
    double rate;
    int threads = 1;

    std::size_t inputs() const { return widths.front(); }
    std::size_t outputs() const { return widths.back(); }

    Plan plan() const {
        Plan plan{};
        std::int64_t end = 0;
        for (std::size_t l = 0; l + 1 < widths.size(); ++l) {
            LayerPlan layer{};
            layer.is_dense = layer.has_bias = true;
            layer.inputs = widths[l];
            layer.outputs = widths[l + 1];
            layer.activation = l + 2 < widths.size() ? Activation::tanh
                               : softmax             ? Activation::softmax
                                                     : Activation::identity;
            layer.index = l;
            layer.weights = end;
            layer.biases = end += layer.inputs * layer.outputs;
            end += layer.outputs;
            plan.layers.push_back(layer);
        }
        plan.inputs = inputs();
        plan.outputs = outputs();
        plan.size = end;
        plan.rows = rows;
        plan.batch_rows = batch;
        plan.loss = softmax ? Loss::categorical_crossentropy : Loss::squared_error;
        plan.half = plan.mean_of_rows = true;
        plan.optimizer = optimizer;
        plan.learning_rate = rate;
        plan.clip_value = plan.clip_norm = std::numeric_limits<double>::infinity();
        if (optimizer == Optimizer::momentum) plan.settings = {0.9}, plan.slots = 1;
        if (optimizer == Optimizer::adam) plan.settings = {0.9, 0.999, 1e-8, 0}, plan.slots = 2;
        return plan;
    }
};

// Data, and a start.
struct Given {
    explicit Given(const Problem &problem) {
        std::uint32_t n = 0;
        for (std::size_t r = 0; r < problem.rows; ++r) {
            for (std::size_t i = 0; i < problem.inputs(); ++i) X.push_back(uniform(n++, 0));
            for (std::size_t k = 0; k < problem.outputs(); ++k)
                Y.push_back(problem.softmax ? r % problem.outputs() == k : uniform(n++, 1));
        }
        for (std::int64_t k = 0; k < problem.plan().size; ++k) w.push_back(0.3 * uniform(k, 2));
    }
    std::vector<double> X, Y, w;
};

// The same training, on batches in the order of the rows, by the book.
std::vector<double> by_hand(const Problem &problem, const Given &given, double &epoch_cost) {
    const Plan plan = problem.plan();
    const std::size_t P = given.w.size(), depth = plan.layers.size();
    std::vector<double> w = given.w, m(P), v(P);
    for (std::size_t t = 0; t < problem.steps; ++t) {
        const std::size_t per_epoch = (problem.rows + problem.batch - 1) / problem.batch;
        const std::size_t first = t % per_epoch * problem.batch;
        const std::size_t n = std::min(problem.batch, problem.rows - first);
        std::vector<double> g(P);
        double cost = 0;
        for (std::size_t r = first; r < first + n; ++r) {
            std::vector<std::vector<double>> a(1);
            a[0].assign(&given.X[r * problem.inputs()], &given.X[r * problem.inputs()] + problem.inputs());
            for (const LayerPlan &layer : plan.layers) {
                std::vector<double> z(layer.outputs);
                for (std::int64_t j = 0; j < layer.outputs; ++j) {
                    z[j] = w[layer.biases + j];
                    for (std::int64_t i = 0; i < layer.inputs; ++i)
                        z[j] += a.back()[i] * w[layer.weights + i * layer.outputs + j];
                }
                double sum = 0;
                for (double &x : z) sum += std::exp(x);
                for (double &x : z)
                    x = layer.activation == Activation::tanh      ? std::tanh(x)
                        : layer.activation == Activation::softmax ? std::exp(x) / sum
                                                                  : x;
                a.push_back(z);
            }
            std::vector<double> delta(problem.outputs());
            for (std::size_t k = 0; k < delta.size(); ++k) {
                const double y = given.Y[r * problem.outputs() + k], out = a.back()[k];
                cost += (problem.softmax ? -y * std::log(out) : (out - y) * (out - y) / 2) / double(n);
                delta[k] = (out - y) / double(n);
            }
            for (std::size_t l = depth; l-- > 0;) {
                const LayerPlan &layer = plan.layers[l];
                std::vector<double> below(layer.inputs);
                for (std::int64_t i = 0; i < layer.inputs; ++i)
                    for (std::int64_t j = 0; j < layer.outputs; ++j) {
                        g[layer.weights + i * layer.outputs + j] += a[l][i] * delta[j];
                        below[i] += w[layer.weights + i * layer.outputs + j] * delta[j] * (1 - a[l][i] * a[l][i]);
                    }
                for (std::int64_t j = 0; j < layer.outputs; ++j) g[layer.biases + j] += delta[j];
                delta = below;
            }
        }
        for (std::size_t k = 0; k < P; ++k) {
            switch (problem.optimizer) {
                case Optimizer::momentum:
                    m[k] = 0.9 * m[k] + g[k];
                    w[k] -= problem.rate * m[k];
                    break;
                case Optimizer::adam:
                    m[k] = 0.9 * m[k] + 0.1 * g[k];
                    v[k] = 0.999 * v[k] + 0.001 * g[k] * g[k];
                    w[k] -= problem.rate * m[k] / (1 - std::pow(0.9, t + 1)) /
                            (std::sqrt(v[k] / (1 - std::pow(0.999, t + 1))) + 1e-8);
                    break;
                default:
                    w[k] -= problem.rate * g[k];
            }
        }
        epoch_cost = (first == 0 ? 0 : epoch_cost) + cost * static_cast<double>(n);
    }
    return w;
}

template <class T>
void train_and_compare(const Problem &problem, double tolerance) {
    const Given given(problem);
    double expected_cost = 0;
    const auto expected = by_hand(problem, given, expected_cost);

    const Plan plan = problem.plan();
    const auto trainer = baseline::make_trainer<T>(plan);
    const std::vector<T> X(given.X.begin(), given.X.end()), Y(given.Y.begin(), given.Y.end());
    std::vector<T> w(given.w.begin(), given.w.end()), previous(w), g(w.size());
    std::vector<std::vector<T>> memory(plan.slots, std::vector<T>(w.size()));
    std::vector<const T *> from;
    std::vector<T *> to;
    for (auto &slot : memory) from.push_back(slot.data()), to.push_back(slot.data());
    const Rows<T> rows{X.data(), Y.data(), nullptr, problem.rows};
    const std::vector<double> rates(problem.steps, problem.rate);

    Steps steps;
    steps.rates = rates.data();
    steps.count = problem.steps;
    steps.batch_size = problem.batch;
    steps.target = -std::numeric_limits<double>::infinity();
    steps.seconds = 1000;
    steps.threads = problem.threads;
    trainer->load(w.data(), from);
    const Done done = trainer->steps(rows, steps);
    trainer->store(w.data(), to, previous.data());
    CHECK(done.steps == problem.steps && !done.failed);
    double largest = 0, off = 0;
    for (std::size_t k = 0; k < w.size(); ++k) {
        largest = std::max(largest, std::abs(expected[k]));
        off = std::max(off, std::abs(double(w[k]) - expected[k]));
    }
    CHECK(off <= tolerance * largest);
    CHECK(std::abs(done.cost_sum - expected_cost) <= tolerance * expected_cost);

    std::vector<T> A(problem.rows * problem.outputs());
    const double loss = trainer->evaluate(rows, problem.threads, A.data(), nullptr),
                 cost = trainer->cost_and_gradient(rows, problem.threads, g.data());
    CHECK(std::abs(loss - cost) <= tolerance * std::abs(cost));
}

template <class T>
void all_small_trainings(double tolerance) {
    for (const Optimizer optimizer : {Optimizer::sgd, Optimizer::momentum, Optimizer::adam})
        for (const bool softmax : {false, true})
            for (const std::vector<std::size_t> &widths :
                 {std::vector<std::size_t>{1, 1}, {3, 5, 2}, {17, 33, 8, 9}, {40, 3, 70, 5}})
                for (const std::size_t batch : {1, 7, 30})
                    train_and_compare<T>({widths, softmax, optimizer, 30, batch, 25, 0.01}, tolerance);
}

}  // namespace

TEST(small_trainings_in_double) {
    all_small_trainings<double>(1e-11);
}
TEST(small_trainings_in_single) {
    all_small_trainings<float>(2e-3);
}
TEST(a_training_large_enough_for_threads) {
    for (int threads : {1, 2, 3}) {  // by chunks of rows; and layer by layer
        train_and_compare<double>({{60, 70, 30, 4}, true, Optimizer::adam, 330, 150, 5, 0.01, threads}, 1e-11);
        train_and_compare<double>({{300, 70, 50, 4}, true, Optimizer::adam, 130, 60, 5, 0.01, threads}, 1e-11);
        train_and_compare<double>({{300, 70, 50, 20}, false, Optimizer::momentum, 130, 60, 5, 0.01, threads}, 1e-11);
    }
}
