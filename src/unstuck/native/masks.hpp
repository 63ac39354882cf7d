// The factors of dropout layers: unstuck.random.dropout_mask, divided by the share of units that are kept.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "philox_lanes.hpp"
#include "plan.hpp"

namespace unstuck::UNSTUCK_ISA {

constexpr std::uint32_t dropout_stream = 1u << 16;

// The factors of a dropout layer: 0 for the units it drops, 1 / (1 - rate) for those it keeps.
template <class T>
class DropoutFactors {
  public:
    DropoutFactors(const LayerPlan &layer, std::uint64_t seed)
        : philox_(seed), stream_(dropout_stream + layer.index), kept_(static_cast<T>(1 / (1 - layer.rate))) {
        const auto threshold = static_cast<std::uint64_t>(std::nearbyint(layer.rate * 4294967296.0));
        dropped_ = threshold == 0 ? kept_ : T(0);
        highest_dropped_ = static_cast<std::uint32_t>(threshold - 1);
    }

    // out (rows, units): of units `unit` on, in rows `row` on of update t. Both `unit` and `units` are multiples of
    // four, and units / 4 is a power of two.
    void of_rows(T *out, std::size_t unit, std::size_t units, std::size_t row, std::size_t rows, std::size_t t) const {
        fill(out, {counter(unit, row, t), units / 4, Blocks::rows}, rows);
    }

    // out (updates, units): of row 0 in updates t on.
    void of_updates(T *out, std::size_t units, std::size_t t, std::size_t updates) const {
        fill(out, {counter(0, 0, t), units / 4, Blocks::updates}, updates);
    }

  private:
    Block counter(std::size_t unit, std::size_t row, std::size_t t) const {
        return {static_cast<std::uint32_t>(unit / 4), static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(t),
                stream_};
    }

    void fill(T *out, const Blocks &which, std::size_t down) const {
        const T kept = kept_, dropped = dropped_;
        const std::uint32_t highest = highest_dropped_;
        philox_.draw(which, which.across * down, [=](const std::uint32_t *words, std::size_t first, std::size_t count) {
            constexpr std::size_t all = 4 * PhiloxLanes::at_once;
            alignas(64) T spare[all];
            T *to = count == PhiloxLanes::at_once ? out + 4 * first : spare;
            for (std::size_t j = 0; j < all; ++j) to[j] = words[j] > highest ? kept : dropped;
            if (to == spare) std::copy_n(spare, 4 * count, out + 4 * first);
        });
    }

    PhiloxLanes philox_;
    std::uint32_t stream_, highest_dropped_;
    T kept_, dropped_;
};

}  // namespace unstuck::UNSTUCK_ISA
