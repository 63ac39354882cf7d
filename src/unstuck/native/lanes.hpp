// Sums over the lanes of registers, several registers at a time.
//
// A group is 16 bytes of a register, within which a lane moves in one cycle; across groups it takes longer.
// `group_sums` leaves the sums of G registers, G being the lanes of a group, in the lanes of every group: from there
// each of them is broadcast within the groups.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "simd.hpp"

namespace unstuck::UNSTUCK_ISA {

template <class T>
struct Groups {
    using S = Simd<T>;
    using V = typename S::Vector;
    static constexpr int lanes = S::lanes, size = 16 / sizeof(T), count = lanes / size;
    typedef T Group __attribute__((vector_size(16)));

    // In every group lane k is the sum of all lanes of v[k], and of lane k of `more`, which is the same in every group.
    // Each group adds up in an order of its own, so that they are the same but for rounding.
    static V group_sums(const V (&v)[size], V more) {
        V s;
        if constexpr (size == 4) {
            const V ab = shuffled<unpack_low>(v[0], v[1]) + shuffled<unpack_high>(v[0], v[1]);
            const V cd = shuffled<unpack_low>(v[2], v[3]) + shuffled<unpack_high>(v[2], v[3]);
            s = shuffled<pairs_low>(ab, cd) + shuffled<pairs_high>(ab, cd);
        } else {
            s = shuffled<unpack_low>(v[0], v[1]) + shuffled<unpack_high>(v[0], v[1]);
        }
        if constexpr (count == 1) return s + more;
        if constexpr (count == 2) return (s + more) + shuffled<turn<1>>(s, s);
        if constexpr (count == 4)
            return ((s + more) + shuffled<turn<1>>(s, s)) + (shuffled<turn<2>>(s, s) + shuffled<turn<3>>(s, s));
    }

    // The first group, in every group.
    static V first_in_all(V v) { return shuffled<of_first>(v, v); }

    // Lane k of each group, in all lanes of that group.
    template <int k>
    static V broadcast(V v) {
        return shuffled<lane<k>>(v, v);
    }

    // n numbers, at most a group, in every group; the rest of it zero.
    template <int n>
    static V repeat(const T *from) {
        return repeat(from, std::make_integer_sequence<int, n>{});
    }

    static T sum(V v) {
        T sum = 0;
        for (int l = 0; l < lanes; ++l) sum += v[l];
        return sum;
    }

    static Group first(V v) {
        Group g;
        std::memcpy(&g, &v, sizeof g);
        return g;
    }

  private:
    // Where lane l of the result comes from, among the lanes of two registers.
    static constexpr int unpack_low(int l) { return l / size * size + l % size / 2 + l % 2 * lanes; }
    static constexpr int unpack_high(int l) { return unpack_low(l) + size / 2; }
    static constexpr int pairs_low(int l) { return l / size * size + l % 2 + l % size / 2 * lanes; }
    static constexpr int pairs_high(int l) { return pairs_low(l) + 2; }
    template <int groups>
    static constexpr int turn(int l) {
        return (l + groups * size) % lanes;
    }
    static constexpr int of_first(int l) { return l % size; }
    template <int k>
    static constexpr int lane(int l) {
        return l / size * size + k;
    }

    template <auto from>
    static V shuffled(V a, V b) {
        return shuffled<from>(a, b, std::make_index_sequence<lanes>{});
    }
    template <auto from, std::size_t... l>
    static V shuffled(V a, V b, std::index_sequence<l...>) {
        return __builtin_shufflevector(a, b, from(l)...);
    }
    template <int... k>
    static V repeat(const T *from, std::integer_sequence<int, k...>) {
        V v{};
        ((v = is_lane<k>(std::make_index_sequence<lanes>{}) ? S::splat(from[k]) : v), ...);
        return v;
    }
    template <int k, std::size_t... l>
    static typename S::Integers is_lane(std::index_sequence<l...>) {
        return typename S::Integers{(l % size == k ? -1 : 0)...};
    }
};

}  // namespace unstuck::UNSTUCK_ISA
