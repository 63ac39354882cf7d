// Philox4x32-10: a counter-based random number generator.
//
//   J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
//   https://doi.org/10.1145/2063384.2063405
//
// It has no state. A block of four 32-bit words is a function of a counter (c0, c1, c2, c3) and a key (k0, k1), so any
// thread of any engine can compute the words it needs, in any order. Ten times,
//
//   (c0, c1, c2, c3) <- (hi(M1 c2) ^ c1 ^ k0,  lo(M1 c2),  hi(M0 c0) ^ c3 ^ k1,  lo(M0 c0))
//   (k0, k1)         <- (k0 + W0, k1 + W1)                                          (mod 2^32)
//
// where hi and lo are the halves of the 64-bit product. M0 and M1 were chosen in the paper for how well they mix; W0 is
// the golden ratio and W1 is sqrt(3) - 1, each as a fraction of 2^32.

#pragma once

#include <array>
#include <cstdint>

namespace unstuck {

using Block = std::array<std::uint32_t, 4>;

constexpr std::uint64_t philox_M0 = 0xD2511F53, philox_M1 = 0xCD9E8D57;
constexpr std::uint32_t philox_W0 = 0x9E3779B9, philox_W1 = 0xBB67AE85;
constexpr int philox_rounds = 10;

inline Block philox4x32_10(Block c, std::uint64_t key) {
    auto k0 = static_cast<std::uint32_t>(key);
    auto k1 = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < philox_rounds; ++round) {
        const std::uint64_t p0 = philox_M0 * c[0], p1 = philox_M1 * c[2];
        c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(p1),
             static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<std::uint32_t>(p0)};
        k0 += philox_W0;
        k1 += philox_W1;
    }
    return c;
}

}  // namespace unstuck
