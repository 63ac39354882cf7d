// Which rows an update sees: unstuck.engines.batches, with the order of unstuck.random.batch_order.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

#include "philox.hpp"

namespace unstuck::UNSTUCK_ISA {

// The stable argsort of n words of Philox: two passes of a radix sort over the upper 22 bits, then insertion, which
// finds little left to do.
class Shuffle {
  public:
    const std::uint32_t *order(std::uint64_t seed, std::size_t epoch, std::size_t n) {
        if (n == order_.size() && epoch == epoch_) return order_.data();
        if (n > std::numeric_limits<std::uint32_t>::max())
            throw std::invalid_argument("the compiled engine shuffles at most 2^32 - 1 rows");
        words_.resize(n);
        sorted_.resize(n);
        order_.resize(n);
        for (std::size_t j = 0; j < n; j += 4) {
            const auto block =
                philox4x32_10({static_cast<std::uint32_t>(j / 4), 0, static_cast<std::uint32_t>(epoch), 0}, seed);
            for (std::size_t k = j; k < std::min(j + 4, n); ++k) words_[k] = {block[k - j], std::uint32_t(k)};
        }
        pass(words_, sorted_, 10);
        pass(sorted_, words_, 21);
        for (std::size_t k = 1; k < n; ++k) {
            const Word moved = words_[k];
            std::size_t to = k;
            for (; to > 0 && words_[to - 1].word > moved.word; --to) words_[to] = words_[to - 1];
            words_[to] = moved;
        }
        for (std::size_t k = 0; k < n; ++k) order_[k] = words_[k].index;
        epoch_ = epoch;
        return order_.data();
    }

  private:
    struct Word {
        std::uint32_t word, index;
    };

    static void pass(const std::vector<Word> &from, std::vector<Word> &to, int shift) {
        constexpr std::uint32_t digits = 1u << 11;
        std::array<std::uint32_t, digits> place{};
        for (const Word &w : from) ++place[w.word >> shift & (digits - 1)];
        std::uint32_t sum = 0;
        for (auto &p : place) sum += std::exchange(p, sum);
        for (const Word &w : from) to[place[w.word >> shift & (digits - 1)]++] = w;
    }

    std::vector<Word> words_, sorted_;
    std::vector<std::uint32_t> order_;
    std::size_t epoch_ = 0;
};

}  // namespace unstuck::UNSTUCK_ISA
