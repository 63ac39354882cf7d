// Which rows an update sees: unstuck.engines.batches, with the order of unstuck.random.batch_order.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

#include "philox_lanes.hpp"

namespace unstuck::UNSTUCK_ISA {

// The stable argsort of n words of Philox: two passes of a radix sort over so many of their upper bits that few are
// equal in them, then insertion, which finds little left to do.
class Shuffle {
  public:
    const std::uint32_t *order(std::uint64_t seed, std::size_t epoch, std::size_t n) {
        if (n == order_.size() && epoch == epoch_) return order_.data();
        if (n > std::numeric_limits<std::uint32_t>::max())
            throw std::invalid_argument("the compiled engine shuffles at most 2^32 - 1 rows");
        words_.resize(n);
        sorted_.resize(n);
        order_.resize(n);
        const int digit = std::clamp<int>((std::bit_width(n) + 5) / 2, 4, 11);  // so many bits in one pass
        Pass first(32 - 2 * digit, digit), second(32 - digit, digit);
        PhiloxLanes(seed).draw({{0, 0, static_cast<std::uint32_t>(epoch), 0}, 1ull << 32}, (n + 3) / 4,
                               [&](const std::uint32_t *words, std::size_t block, std::size_t count) {
                                   const std::size_t begin = 4 * block, end = std::min(begin + 4 * count, n);
                                   for (std::size_t j = begin; j < end; ++j) {
                                       words_[j] = {words[j - begin], static_cast<std::uint32_t>(j)};
                                       first.count(words_[j]);
                                       second.count(words_[j]);
                                   }
                               });
        first.sort(words_, sorted_);
        second.sort(sorted_, words_);
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

    // A stable sort by `bits` bits from bit `shift` on, after all words have been counted.
    class Pass {
      public:
        Pass(int shift, int bits) : shift_(shift), place_(std::size_t{1} << bits) {}

        void count(const Word &w) { ++place_[digit(w)]; }

        void sort(const std::vector<Word> &from, std::vector<Word> &to) {
            std::uint32_t sum = 0;
            for (auto &p : place_) sum += std::exchange(p, sum);
            for (const Word &w : from) to[place_[digit(w)]++] = w;
        }

      private:
        std::size_t digit(const Word &w) const { return w.word >> shift_ & (place_.size() - 1); }

        int shift_;
        std::vector<std::uint32_t> place_;
    };

    std::vector<Word> words_, sorted_;
    std::vector<std::uint32_t> order_;
    std::size_t epoch_ = 0;
};

}  // namespace unstuck::UNSTUCK_ISA
