// Compiled once for each instruction set, as the trainers are.
#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <vector>

#include "check.hpp"
#include "isa.hpp"
#include "sparse.hpp"

namespace unstuck::UNSTUCK_ISA {
namespace {

template <class T>
std::vector<T> at_random(std::size_t count, double share) {
    static std::mt19937 random(1);
    std::vector<T> made(count);
    for (T &x : made)
        if (std::bernoulli_distribution(share)(random)) x = std::uniform_real_distribution<T>(-1, 1)(random);
    return made;
}

// n rows in panels, in memory of exactly their size; what fills up the last panel is zero.
template <class T>
std::vector<T> in_panels(const std::vector<T> &x, std::size_t n, std::size_t columns) {
    constexpr std::size_t P = panel<T>;
    std::vector<T> made(panels<T>(columns) * n * P);
    for (std::size_t r = 0; r < n; ++r)
        for (std::size_t k = 0; k < columns; ++k) made[(k / P * n + r) * P + k % P] = x[r * columns + k];
    return made;
}

// Both kinds of product give the same bits: rows from..to against panels, and the columns that two chunks list.
template <class T>
void products_of_entries() {
    constexpr std::size_t P = panel<T>;
    for (const std::size_t n : {1, 9, 33})
        for (const std::size_t columns : {std::size_t(1), P - 1, P + 1, std::size_t(500)})
            for (const std::size_t count : {1, 2, 3})
                for (const double share : {0.0, 0.2}) {
                    const auto x = in_panels(at_random<T>(n * columns, share), n, columns);
                    const auto b = at_random<T>(count * columns * P, 1), bias = at_random<T>(count * P, 1);
                    const std::size_t middle = n / 2;
                    RowEntries<T> rows;
                    rows.reserve(n, columns);
                    ColumnEntries<T> entries;
                    entries.reserve(columns, n);
                    entries.begin(2);
                    std::vector<T> dense(count * n * P), sparse(dense);
                    bool listed = true;
                    for (const auto [chunk, from, to] : {std::array{std::size_t(1), middle, n}, {0, 0, middle}}) {
                        if (from == to) {
                            entries.take(chunk, from, &(rows = {}));
                            continue;
                        }
                        const bool here = rows.list_if_few(x.data(), n, columns, {from, to});
                        listed &= here;
                        entries.take(chunk, from, here ? &rows : nullptr);
                        CHECK(here || share > 0);
                        for (std::size_t p = 0; p < count; ++p)
                            multiply_rows(x.data(), n * P, columns, from, to, b.data() + p * columns * P,
                                          bias.data() + p * P, dense.data() + p * n * P);
                        std::size_t finished = 0;
                        std::vector<std::size_t> visited(n);
                        if (here)
                            rows.times_panels(
                                b.data(), columns, 0, count, bias.data(), sparse.data(), n * P,
                                [&](std::size_t p) { CHECK(p == finished++); },
                                [&](std::size_t r, std::size_t visit, std::size_t visits) {
                                    CHECK(visit == visited[r]++ && visit < visits);
                                });
                        CHECK(finished == (here ? count : 0));
                    }
                    CHECK(entries.complete() == listed);
                    if (!listed) continue;
                    CHECK(dense == sparse);
                    const auto delta = at_random<T>(together * n * P, 1);
                    std::vector<T> g(together * columns * P), expected(g);
                    for (std::size_t p = 0; p < together; ++p)
                        multiply_columns(x.data(), n * P, columns, n, delta.data() + p * n * P,
                                         [&](std::size_t i, std::size_t rows, const T *products) {
                                             std::copy_n(products, rows * P, &expected[(p * columns + i) * P]);
                                         });
                    const auto keep = [&](std::size_t p, std::size_t i, std::size_t rows, const T *products) {
                        std::copy_n(products, rows * P, &g[(p * columns + i) * P]);
                    };
                    entries.template times_panels<together>(delta.data(), n * P, keep);
                    CHECK(g == expected);
                    std::fill(g.begin(), g.begin() + columns * P, T(0));
                    entries.template times_panels<1>(delta.data(), n * P, keep);
                    CHECK(g == expected);
                }
}

TEST(products_of_entries_have_the_bits_of_dense_ones) {
    if (!runs_here()) return;
    products_of_entries<float>();
    products_of_entries<double>();
}

template <class T>
void entries_beyond_the_last_column() {
    constexpr std::size_t P = panel<T>, n = 3, columns = 10 * P + 1;
    std::vector<T> x(panels<T>(columns) * n * P);
    for (std::size_t r = 0; r < n; ++r) std::fill_n(x.end() - (n - r) * P + 1, P - 1, T(1));
    RowEntries<T> rows;
    rows.reserve(n, columns);
    CHECK(rows.list_if_few(x.data(), n, columns, {0, n}));
    rows.for_each([](std::size_t, const Entry<T> &) { CHECK(false); });
}

TEST(what_fills_up_the_last_panel_is_not_listed) {
    if (!runs_here()) return;
    entries_beyond_the_last_column<float>();
    entries_beyond_the_last_column<double>();
}

TEST(what_is_not_mostly_zero_is_not_listed) {
    if (!runs_here()) return;
    constexpr std::size_t P = panel<float>;
    RowEntries<float> rows;
    rows.reserve(20, P);
    CHECK(!rows.list_if_few(std::vector<float>(20 * P, 1).data(), 20, P, {0, 20}));
    CHECK(rows.list_if_few(std::vector<float>(20 * P, 0).data(), 20, P, {0, 20}));
}

}  // namespace
}  // namespace unstuck::UNSTUCK_ISA
