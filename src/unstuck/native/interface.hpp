// What the binding sees of a trainer, whatever instruction set it was compiled for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "plan.hpp"

namespace unstuck {

// X (count, inputs), Y (count, outputs) and weights (count), or none; row by row, as NumPy has them.
template <class T>
struct Rows {
    const T *X, *Y, *weights;
    std::size_t count;
};

// Updates to do, each with its rate: t, t + 1, ... on the mini-batches of unstuck.engines.batches.
struct Steps {
    const double *rates = nullptr;
    std::size_t t = 0, count = 0;
    std::size_t earlier = 0;  // updates before this training: to optimizer and dropout masks, t is number earlier + t
    std::size_t batch_size = 1;
    bool shuffled = false;
    double cost_sum = 0;  // of the epoch so far; added to in order, so that no pause changes a bit
    std::size_t rows = 0;
    double target = 0;   // return after an epoch whose mean cost is at most this
    double seconds = 0;  // return after about so long
    int threads = 1;
    bool notes_gradients = false;
};

struct Done {
    std::size_t steps = 0;
    double cost_sum = 0;  // of the latest epoch, each cost times its rows
    std::size_t rows = 0;
    bool failed = false, finite_cost = true, reached = false;
};

// What is wanted of unstuck.engines.signals: `numbers` has a place for those of each Dense layer, one after the other.
template <class T>
struct Signals {
    static constexpr std::size_t of_layer = 6;
    const T *w, *previous;  // after the last update, and before it
    const double *flat;     // of each Dense layer: the mean of |f'(z)| below which a unit is saturated
    double *numbers;
};

template <class T>
class Trainer {
  public:
    virtual ~Trainer() = default;
    virtual const char *name() const = 0;
    virtual void load(const T *w, const std::vector<const T *> &memory) = 0;
    virtual void store(T *w, const std::vector<T *> &memory, T *previous) const = 0;
    virtual Done steps(const Rows<T> &rows, const Steps &steps) = 0;
    // The norm of each Dense layer's gradient in the last update, before any clipping; none where it was not noted.
    virtual std::vector<double> gradient_norms() const { return {}; }
    virtual double cost_and_gradient(const Rows<T> &rows, int threads, T *gradient) = 0;
    // Leaves the outputs in A and returns the loss; notes signals where there is a place for them.
    virtual double evaluate(const Rows<T> &rows, int threads, T *A, const Signals<T> *signals) = 0;

    double momenta = 1;  // NAdam's product of momenta
};

namespace v4 {
template <class T>
std::unique_ptr<Trainer<T>> make_trainer(const Plan &);
}
namespace v3 {
template <class T>
std::unique_ptr<Trainer<T>> make_trainer(const Plan &);
}
namespace baseline {
template <class T>
std::unique_ptr<Trainer<T>> make_trainer(const Plan &);
}

}  // namespace unstuck
