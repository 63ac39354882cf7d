// The rows of an update, of a gradient or of an evaluation.
#pragma once

#include <cstddef>
#include <cstdint>

#include "interface.hpp"

namespace unstuck {

// Rows, or panels, from one up to another.
struct Stretch {
    std::size_t from, to;
};

// A mini-batch, and the slab of its rows under way: n rows from `first` on, of `order` or as they are.
template <class T>
struct MiniBatch {
    const Rows<T> *rows;
    const std::uint32_t *order = nullptr;
    std::size_t first = 0, n = 0;
    std::size_t done = 0, count = 0;  // rows of the batch before the slab, and all of them
    std::size_t next = 0;             // rows of the mini-batch after it, if the epoch goes on
    std::int64_t t = -1;              // the update it is for, which names its dropout masks; -1: evaluation
    double row_share = 1;             // 1 / sum w_r
    double row_scale = 1;             // dL/dl_r = row_scale w_r
    bool observed = false;            // for the signals: z of all layers is kept
    bool goes_back = false;           // for its gradient

    std::size_t row(std::size_t r) const { return order ? order[first + r] : first + r; }
    std::size_t next_row(std::size_t r) const { return order ? order[first + n + r] : first + n + r; }
    T weight(std::size_t r) const { return rows->weights ? rows->weights[row(r)] : T(1); }
    bool is_first() const { return done == 0; }
    bool is_last() const { return done + n == count; }
};

}  // namespace unstuck
