// Philox (philox.hpp) in the lanes of vectors, for many words at a time.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "philox.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace unstuck::UNSTUCK_ISA {

// Which blocks: block l has the counter (c0 + l mod `across`, c1 + i, c2, c3) with i = l / across, where `down` is
// rows, or (c0 + l mod across, c1, c2 + i, c3), where it is updates. `across` is a power of two.
struct Blocks {
    Block counter;
    std::uint64_t across;
    enum { rows, updates } down = rows;
};

// Blocks side by side: one in each 64-bit lane of four vectors for its four words, and several such bundles at once,
// since every round waits for the one before. A word is the lower half of its lane; the upper one is left to chance.
class PhiloxLanes {
    typedef std::uint64_t Words __attribute__((vector_size(UNSTUCK_BYTES)));
    static constexpr std::size_t lanes = UNSTUCK_BYTES / 8;
    static constexpr auto all_lanes = std::make_index_sequence<lanes>{};
    static constexpr auto all_bundles = std::make_index_sequence<4>{};

  public:
    static constexpr std::size_t at_once = all_bundles.size() * lanes;

    explicit PhiloxLanes(std::uint64_t key) {
        auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
        for (auto &keys : keys_) {
            keys = {k0, k1};
            k0 += philox_W0;
            k1 += philox_W1;
        }
    }

    // use(words, first, count) for blocks 0 ... count - 1 of `which`, some at a time: words[4 (l - first) + k] = word k
    // of block l.
    template <class Use>
    void draw(const Blocks &which, std::size_t count, Use use) const {
        alignas(64) std::uint32_t words[4 * at_once];
        for (std::size_t l = 0; l < count; l += at_once) {
            draw(words, which, l, all_bundles);
            use(words, l, std::min(at_once, count - l));
        }
    }

  private:
    struct Bundle {
        Words c0, c1, c2, c3;

        Bundle(const Blocks &which, std::uint64_t first) {
            const Words block = iota(all_lanes) + first, i = block >> std::countr_zero(which.across), none{};
            c0 = (block & (which.across - 1)) + which.counter[0];
            c1 = (which.down == Blocks::rows ? i : none) + which.counter[1];
            c2 = (which.down == Blocks::updates ? i : none) + which.counter[2];
            c3 = none + which.counter[3];
        }

        void round(std::uint64_t k0, std::uint64_t k1) {
            const Words p0 = multiply(c0, philox_M0), p1 = multiply(c2, philox_M1);
            c0 = (p1 >> 32) ^ c1 ^ k0;
            c1 = p1;
            c2 = (p0 >> 32) ^ c3 ^ k1;
            c3 = p0;
        }

        void store(std::uint32_t *out) const {
            const Words front = (c0 & 0xFFFFFFFF) | c1 << 32, back = (c2 & 0xFFFFFFFF) | c3 << 32;
            interleave(out, front, back, all_lanes);
        }
    };

    template <std::size_t... b>
    void draw(std::uint32_t *out, const Blocks &which, std::uint64_t first, std::index_sequence<b...>) const {
        Bundle bundles[] = {Bundle(which, first + b * lanes)...};
#pragma GCC unroll 10
        for (const auto &[k0, k1] : keys_) (bundles[b].round(k0, k1), ...);  // no loop, or GCC interchanges the two
        (bundles[b].store(out + 4 * b * lanes), ...);
    }

    template <std::size_t... I>
    static Words iota(std::index_sequence<I...>) {
        return Words{I...};
    }

    // The 64-bit products of the lower halves.
    static Words multiply(Words a, std::uint64_t m) {
#if defined(__x86_64__) && UNSTUCK_BYTES == 64
        return (Words)_mm512_maskz_mul_epu32(0xFF, (__m512i)a, (__m512i)(Words{} + m));
#elif defined(__x86_64__) && UNSTUCK_BYTES == 32
        return (Words)_mm256_mul_epu32((__m256i)a, (__m256i)(Words{} + m));
#elif defined(__x86_64__)
        return (Words)_mm_mul_epu32((__m128i)a, (__m128i)(Words{} + m));
#else
        return (a & 0xFFFFFFFF) * m;
#endif
    }

    template <std::size_t... I>
    static void interleave(std::uint32_t *out, Words front, Words back, std::index_sequence<I...>) {
        const Words first = __builtin_shufflevector(front, back, (I / 2 + I % 2 * lanes)...);
        const Words second = __builtin_shufflevector(front, back, (lanes / 2 + I / 2 + I % 2 * lanes)...);
        std::memcpy(out, &first, sizeof first);
        std::memcpy(out + 2 * lanes, &second, sizeof second);
    }

    std::array<std::array<std::uint64_t, 2>, philox_rounds> keys_;  // of each round
};

}  // namespace unstuck::UNSTUCK_ISA
