// The trainers as Python classes, and the choice of the instruction set.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "cpu_level.hpp"
#include "denormals.hpp"
#include "interface.hpp"
#include "plan_checks.hpp"
#include "without_gil.hpp"

namespace nb = nanobind;

namespace unstuck {
namespace {

template <class Enum>
Enum kind_of(const std::string &name, std::initializer_list<std::pair<const char *, Enum>> kinds) {
    for (const auto &[known, kind] : kinds)
        if (name == known) return kind;
    throw std::invalid_argument("the compiled engine does not know " + name);
}

Activation activation_of(const std::string &name) {
    using enum Activation;
    return kind_of<Activation>(name, {{"identity", identity},
                                      {"sigmoid", sigmoid},
                                      {"tanh", tanh},
                                      {"relu", relu},
                                      {"leaky_relu", leaky_relu},
                                      {"elu", elu},
                                      {"selu", selu},
                                      {"gelu", gelu},
                                      {"silu", silu},
                                      {"softplus", softplus},
                                      {"softmax", softmax},
                                      {"exponential", exponential},
                                      {"hard_sigmoid", hard_sigmoid},
                                      {"softsign", softsign}});
}

Loss loss_of(const std::string &name) {
    using enum Loss;
    return kind_of<Loss>(name, {{"squared_error", squared_error},
                                {"absolute_error", absolute_error},
                                {"huber", huber},
                                {"categorical_crossentropy", categorical_crossentropy},
                                {"binary_crossentropy", binary_crossentropy},
                                {"hinge", hinge},
                                {"poisson", poisson}});
}

Optimizer optimizer_of(const std::string &name) {
    using enum Optimizer;
    return kind_of<Optimizer>(name, {{"sgd", sgd},
                                     {"momentum", momentum},
                                     {"nesterov", nesterov},
                                     {"rmsprop", rmsprop},
                                     {"adaptive_rmsprop", adaptive_rmsprop},
                                     {"rprop", rprop},
                                     {"adagrad", adagrad},
                                     {"adam", adam},
                                     {"adamw", adamw},
                                     {"nadam", nadam},
                                     {"lbfgs", sgd}});
}

Penalty penalty_of(const std::string &name) {
    using enum Penalty;
    return kind_of<Penalty>(name,
                            {{"l1", l1}, {"l2", l2}, {"decoupled_decay", decoupled_decay}, {"max_norm", max_norm}});
}

template <class V>
V get(const nb::dict &from, const char *name) {
    return nb::cast<V>(from[name]);
}

Plan plan_of(const nb::dict &from) {
    Plan plan;
    for (nb::handle described : get<nb::list>(from, "layers")) {
        const auto layer = nb::cast<nb::dict>(described);
        plan.layers.push_back(
            {get<bool>(layer, "is_dense"), get<std::int64_t>(layer, "inputs"), get<std::int64_t>(layer, "outputs"),
             activation_of(get<std::string>(layer, "activation")), get<double>(layer, "parameter"),
             get<bool>(layer, "has_bias"), get<std::int64_t>(layer, "weights"), get<std::int64_t>(layer, "biases"),
             get<double>(layer, "rate"), get<std::uint32_t>(layer, "index")});
    }
    for (nb::handle described : get<nb::list>(from, "penalties")) {
        const auto penalty = nb::cast<nb::dict>(described);
        plan.penalties.push_back({penalty_of(get<std::string>(penalty, "kind")), get<double>(penalty, "strength"),
                                  get<bool>(penalty, "on_biases"), get<bool>(penalty, "per_row")});
    }
    plan.inputs = get<std::int64_t>(from, "inputs");
    plan.outputs = get<std::int64_t>(from, "outputs");
    plan.size = get<std::int64_t>(from, "size");
    plan.rows = get<std::int64_t>(from, "rows");
    plan.batch_rows = get<std::int64_t>(from, "batch_rows");
    plan.tiny = get<bool>(from, "tiny");
    plan.loss = loss_of(get<std::string>(from, "loss"));
    plan.threshold = get<double>(from, "threshold");
    plan.half = get<bool>(from, "half");
    plan.mean_of_outputs = get<bool>(from, "mean_of_outputs");
    plan.mean_of_rows = get<bool>(from, "mean_of_rows");
    plan.optimizer = optimizer_of(get<std::string>(from, "optimizer"));
    plan.settings = get<std::vector<double>>(from, "settings");
    plan.learning_rate = get<double>(from, "learning_rate");
    plan.clip_value = get<double>(from, "clip_value");
    plan.clip_norm = get<double>(from, "clip_norm");
    plan.seed = get<std::uint64_t>(from, "seed");
    plan.slots = get<int>(from, "slots");
    check(plan);
    return plan;
}

template <class T>
std::unique_ptr<Trainer<T>> make(const Plan &plan, const std::string &level) {
    const auto levels = cpu_levels();
    if (std::find(levels.begin(), levels.end(), level) == levels.end())
        throw std::invalid_argument("this processor is not of level " + level);
#if defined(__x86_64__)
    if (level == "x86-64-v4") return v4::make_trainer<T>(plan);
    if (level == "x86-64-v3") return v3::make_trainer<T>(plan);
#endif
    return baseline::make_trainer<T>(plan);
}

template <class T>
class Handle {
  public:
    using Vector = nb::ndarray<T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
    using Matrix = nb::ndarray<const T, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
    using ReadOnly = nb::ndarray<const T, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
    using Numbers = nb::ndarray<const double, nb::numpy, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
    using Outputs = nb::ndarray<T, nb::numpy, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

    Handle(const nb::dict &plan, const std::string &level) : plan_(plan_of(plan)), trainer_(make<T>(plan_, level)) {}

    const char *name() const { return trainer_->name(); }

    void load(ReadOnly w, std::vector<ReadOnly> memory, double momenta) {
        const Use use(*this);
        check(w, memory);
        std::vector<const T *> slots;
        for (auto &slot : memory) slots.push_back(slot.data());
        trainer_->momenta = momenta;
        trainer_->load(w.data(), slots);
    }

    double store(Vector w, std::vector<Vector> memory, Vector previous) {
        const Use use(*this);
        check(w, memory);
        check(previous);
        std::vector<T *> slots;
        for (auto &slot : memory) slots.push_back(slot.data());
        trainer_->store(w.data(), slots, previous.data());
        return trainer_->momenta;
    }

    Done steps(Matrix X, Matrix Y, std::optional<ReadOnly> weights, std::size_t batch_size, bool shuffled,
               std::size_t t, std::size_t earlier, Numbers rates, double cost_sum, std::size_t rows_seen, double target,
               double seconds, int threads, bool notes_gradients) {
        const Use use(*this);
        check(threads);
        const auto rows = rows_of(X, Y, weights);
        if (t > most_updates || earlier > most_updates)
            throw std::invalid_argument("so many updates cannot be counted");
        if (rows.count < 1) throw std::invalid_argument("there are no rows to train on");
        if (batch_size < 1) throw std::invalid_argument("a mini-batch has at least one row");
        Steps steps;
        steps.rates = rates.data();
        steps.t = t;
        steps.earlier = earlier;
        steps.count = rates.shape(0);
        steps.batch_size = std::min(batch_size, rows.count);
        steps.shuffled = shuffled;
        steps.cost_sum = cost_sum;
        steps.rows = rows_seen;
        steps.target = target;
        steps.seconds = seconds;
        steps.threads = threads;
        steps.notes_gradients = notes_gradients;
        const WithoutGil released;
        const DenormalsAreZero fast;
        return trainer_->steps(rows, steps);
    }

    std::vector<double> gradient_norms() {
        const Use use(*this);
        return trainer_->gradient_norms();
    }

    double cost_and_gradient(Matrix X, Matrix Y, std::optional<ReadOnly> weights, Vector gradient, int threads) {
        const Use use(*this);
        check(threads);
        const auto rows = rows_of(X, Y, weights);
        if (gradient.shape(0) != static_cast<std::size_t>(plan_.size)) throw std::invalid_argument("wrong size");
        const WithoutGil released;
        const DenormalsAreZero fast;
        return trainer_->cost_and_gradient(rows, threads, gradient.data());
    }

    double evaluate(Matrix X, Matrix Y, std::optional<ReadOnly> weights, Outputs A, int threads) {
        const Use use(*this);
        const auto rows = rows_of(X, Y, weights);
        check(Y, A, threads);
        const WithoutGil released;
        const DenormalsAreZero fast;
        return trainer_->evaluate(rows, threads, A.data(), nullptr);
    }

    // Returns the signals beside the loss.
    std::pair<double, std::vector<double>> observe(Matrix X, Matrix Y, std::optional<ReadOnly> weights, Outputs A,
                                                   int threads, ReadOnly w, ReadOnly previous, Numbers flat) {
        const Use use(*this);
        const auto rows = rows_of(X, Y, weights);
        check(Y, A, threads);
        check(w);
        check(previous);
        const auto layers =
            std::count_if(plan_.layers.begin(), plan_.layers.end(), [](const auto &layer) { return layer.is_dense; });
        if (flat.shape(0) != static_cast<std::size_t>(layers))
            throw std::invalid_argument("flat has a slope for each Dense layer");
        std::vector<double> numbers(Signals<T>::of_layer * flat.shape(0));
        const Signals<T> signals{w.data(), previous.data(), flat.data(), numbers.data()};
        const WithoutGil released;
        const DenormalsAreZero fast;
        const double loss = trainer_->evaluate(rows, threads, A.data(), &signals);
        return {loss, std::move(numbers)};
    }

  private:
    static constexpr std::size_t most_updates = std::size_t{1} << 62;
    static constexpr int most_threads = 1024;

    // A call works without Python's lock, so another thread could begin a second one on the same memory.
    class Use {
      public:
        explicit Use(Handle &handle) : in_use_(handle.in_use_) {
            if (in_use_.exchange(true)) throw std::runtime_error("this trainer is at work in another thread");
        }
        ~Use() { in_use_ = false; }

      private:
        std::atomic<bool> &in_use_;
    };

    static void check(int threads) {
        if (threads < 1 || threads > most_threads) throw std::invalid_argument("threads must be 1 to 1024");
    }

    static void check(const Matrix &Y, const Outputs &A, int threads) {
        check(threads);
        if (A.shape(0) != Y.shape(0) || A.shape(1) != Y.shape(1))
            throw std::invalid_argument("the outputs have another shape than Y");
    }

    template <class Array>
    void check(const Array &w, const std::vector<Array> &memory = {}) const {
        bool right = w.shape(0) == static_cast<std::size_t>(plan_.size);
        for (const auto &slot : memory) right = right && slot.shape(0) == w.shape(0);
        if (!right || (!memory.empty() && memory.size() != static_cast<std::size_t>(plan_.slots)))
            throw std::invalid_argument("parameters and memory must be vectors of the network's size");
    }

    Rows<T> rows_of(const Matrix &X, const Matrix &Y, const std::optional<ReadOnly> &weights) const {
        const std::size_t n = X.shape(0);
        if (X.shape(1) != static_cast<std::size_t>(plan_.inputs) || Y.shape(0) != n ||
            Y.shape(1) != static_cast<std::size_t>(plan_.outputs) || (weights && weights->shape(0) != n))
            throw std::invalid_argument("X, Y and weights do not fit the network");
        return {X.data(), Y.data(), weights ? weights->data() : nullptr, n};
    }

    const Plan plan_;
    std::unique_ptr<Trainer<T>> trainer_;
    std::atomic<bool> in_use_{false};
};

template <class T>
void bind(nb::module_ &module, const char *name) {
    using namespace nb::literals;
    nb::class_<Handle<T>>(module, name)
        .def(nb::init<const nb::dict &, const std::string &>(), "plan"_a, "level"_a)
        .def_prop_ro("name", &Handle<T>::name)
        .def("load", &Handle<T>::load, "w"_a, "memory"_a, "momenta"_a)
        .def("store", &Handle<T>::store, "w"_a, "memory"_a, "previous"_a)
        .def("steps", &Handle<T>::steps, "X"_a, "Y"_a, "weights"_a.none(), "batch_size"_a, "shuffled"_a, "t"_a,
             "earlier"_a, "rates"_a, "cost_sum"_a, "rows_seen"_a, "target"_a, "seconds"_a, "threads"_a,
             "notes_gradients"_a = false)
        .def("gradient_norms", &Handle<T>::gradient_norms)
        .def("cost_and_gradient", &Handle<T>::cost_and_gradient, "X"_a, "Y"_a, "weights"_a.none(), "gradient"_a,
             "threads"_a)
        .def("evaluate", &Handle<T>::evaluate, "X"_a, "Y"_a, "weights"_a.none(), "A"_a, "threads"_a)
        .def("observe", &Handle<T>::observe, "X"_a, "Y"_a, "weights"_a.none(), "A"_a, "threads"_a, "w"_a, "previous"_a,
             "flat"_a);
}

}  // namespace

void bind_trainers(nb::module_ &module) {
    nb::class_<Done>(module, "Done")
        .def_ro("steps", &Done::steps)
        .def_ro("cost_sum", &Done::cost_sum)
        .def_ro("rows", &Done::rows)
        .def_ro("failed", &Done::failed)
        .def_ro("finite_cost", &Done::finite_cost)
        .def_ro("reached", &Done::reached);
    bind<float>(module, "TrainerFloat32");
    bind<double>(module, "TrainerFloat64");
}

}  // namespace unstuck
