// Compiled once for each instruction set.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "batches.hpp"
#include "buffer.hpp"
#include "check.hpp"
#include "isa.hpp"

namespace unstuck::UNSTUCK_ISA {
namespace {

TEST(many_blocks_of_philox_are_its_blocks_one_by_one) {
    if (!runs_here()) return;
    const std::uint64_t key = std::uint64_t(7) << 32 | 5;
    for (const std::uint64_t across : {1, 4, 64})
        for (const auto down : {Blocks::rows, Blocks::updates})
            for (const std::size_t count : {std::size_t(1), PhiloxLanes::at_once, 3 * PhiloxLanes::at_once + 1}) {
                const Block start{3, 0xFFFFFFFE, 11, 1 << 16};
                std::size_t seen = 0;
                PhiloxLanes(key).draw({start, across, down}, count,
                                      [&](const std::uint32_t *words, std::size_t first, std::size_t here) {
                                          CHECK(first == seen);
                                          seen += here;
                                          for (std::size_t l = first; l < seen; ++l) {
                                              Block counter = start;
                                              counter[0] += l % across;
                                              counter[down == Blocks::rows ? 1 : 2] += l / across;
                                              const Block block = philox4x32_10(counter, key);
                                              CHECK(std::equal(block.begin(), block.end(), words + 4 * (l - first)));
                                          }
                                      });
                CHECK(seen == count);
            }
}

TEST(a_shuffle_is_the_stable_sort_of_its_words) {
    if (!runs_here()) return;
    Shuffle shuffle;
    for (const std::size_t n : {1, 2, 3, 4, 5, 31, 1000, 4097, 300'000})
        for (const std::uint64_t seed : {std::uint64_t(0), std::uint64_t(7) << 32 | 5})
            for (const std::size_t epoch : {0, 1, 12}) {
                std::vector<std::uint32_t> words(n), expected(n);
                for (std::size_t j = 0; j < n; ++j)
                    words[j] = philox4x32_10({std::uint32_t(j / 4), 0, std::uint32_t(epoch), 0}, seed)[j % 4];
                std::iota(expected.begin(), expected.end(), 0u);
                std::stable_sort(expected.begin(), expected.end(), [&](auto a, auto b) { return words[a] < words[b]; });
                Shuffle fresh;  // as one that has shuffled before
                CHECK(std::equal(expected.begin(), expected.end(), fresh.order(seed, epoch, n)));
                CHECK(std::equal(expected.begin(), expected.end(), shuffle.order(seed, epoch, n)));
                CHECK(std::equal(expected.begin(), expected.end(), shuffle.order(seed, epoch, n)));
            }
}

TEST(a_shuffle_of_more_rows_than_its_indices_can_name_is_refused) {
    if (!runs_here()) return;
    bool refused = false;
    try {
        Shuffle().order(0, 0, std::size_t(1) << 32);
    } catch (const std::invalid_argument &) {
        refused = true;
    }
    CHECK(refused);
}

TEST(a_buffer_is_aligned_zero_at_first_and_only_grows) {
    if (!runs_here()) return;
    Buffer<double> buffer;
    for (const std::size_t size : {1, 7, 1000}) {
        buffer.resize(size);
        CHECK(reinterpret_cast<std::uintptr_t>(buffer.get()) % 64 == 0);
        CHECK(std::count(buffer.get(), buffer.get() + size, 0.0) == std::ptrdiff_t(size));
    }
    std::fill_n(buffer.get(), 1000, 1.0);
    buffer.resize(500);
    CHECK(std::count(buffer.get(), buffer.get() + 1000, 1.0) == 1000);
}

}  // namespace
}  // namespace unstuck::UNSTUCK_ISA
