// Compiled once for each instruction set, as the trainers are.
#include <cmath>
#include <limits>
#include <memory>
#include <random>

#include "check.hpp"
#include "isa.hpp"
#include "kernels.hpp"
#include "simd_math.hpp"

namespace unstuck::UNSTUCK_ISA {
namespace {

// A matrix in panels, in memory of exactly its size, so that the sanitizers see every step beyond it.
template <class T>
struct Panels {
    Panels(std::size_t n, std::size_t columns)
        : n(n), columns(columns), numbers(std::make_unique<T[]>(panels<T>(columns) * n * panel<T>)) {}
    T &operator()(std::size_t r, std::size_t c) { return numbers[(c / panel<T> * n + r) * panel<T> + c % panel<T>]; }
    T *get() { return numbers.get(); }
    std::size_t n, columns;
    std::unique_ptr<T[]> numbers;
};

template <class T>
Panels<T> at_random(std::size_t n, std::size_t columns) {
    static std::mt19937 random(1);
    Panels<T> made(n, columns);
    for (std::size_t r = 0; r < n; ++r)
        for (std::size_t c = 0; c < columns; ++c) made(r, c) = std::uniform_real_distribution<T>(-1, 1)(random);
    return made;
}

template <class T>
T tolerance(std::size_t terms) {
    return 2 * T(terms + 1) * std::numeric_limits<T>::epsilon();
}

// c = bias + a b, rows from..n of it, for all shapes around the size of a block and of a panel.
template <class T>
void products_of_rows() {
    constexpr std::size_t P = panel<T>;
    for (std::size_t n = 1; n <= 2 * block + 1; ++n)
        for (const std::size_t inner : {std::size_t(1), P - 1, P, P + 1, 2 * P + 3})
            for (const std::size_t from : {std::size_t(0), n / 2, n - 1})
                for (const bool with_bias : {false, true}) {
                    auto a = at_random<T>(n, inner), b = at_random<T>(inner, P), bias = at_random<T>(1, P);
                    Panels<T> c(n, P);
                    multiply_rows(a.get(), n * P, inner, from, n, b.get(), with_bias ? bias.get() : nullptr, c.get());
                    for (std::size_t r = 0; r < n; ++r)
                        for (std::size_t j = 0; j < P; ++j) {
                            T sum = with_bias ? bias(0, j) : T(0);
                            for (std::size_t k = 0; k < inner; ++k) sum += a(r, k) * b(k, j);
                            CHECK(std::abs(c(r, j) - (r < from ? T(0) : sum)) <= tolerance<T>(inner));
                        }
                }
}

// g = a^T b
template <class T>
void products_of_columns() {
    constexpr std::size_t P = panel<T>;
    for (std::size_t columns = 1; columns <= 2 * P + 1; ++columns)
        for (const std::size_t n : {1, 2, 5, 33}) {
            auto a = at_random<T>(n, columns), b = at_random<T>(n, P);
            std::size_t finished = 0;
            multiply_columns(a.get(), n * P, columns, n, b.get(), [&](std::size_t first, std::size_t count, T *g) {
                CHECK(first == finished);
                finished += count;
                for (std::size_t i = 0; i < count; ++i)
                    for (std::size_t j = 0; j < P; ++j) {
                        T sum = 0;
                        for (std::size_t r = 0; r < n; ++r) sum += a(r, first + i) * b(r, j);
                        CHECK(std::abs(g[i * P + j] - sum) <= tolerance<T>(n));
                    }
            });
            CHECK(finished == columns);
        }
}

// z = bias + x w^T, w having few rows; zero beyond them
template <class T>
void products_with_few() {
    constexpr std::size_t P = panel<T>;
    for (const std::size_t n : {std::size_t(1), P / 2, P / 2 + 1, P + 3})
        for (const std::size_t inputs : {std::size_t(1), P - 1, P, 2 * P + 3})
            for (std::size_t outputs = 1; outputs <= P / 2; ++outputs) {
                auto x = at_random<T>(n, inputs), w = at_random<T>(outputs, inputs), bias = at_random<T>(1, P);
                Panels<T> z(n, outputs);
                rows_times_few(x.get(), n * P, inputs, n / 2, n, w.get(), outputs, bias.get(), z.get());
                for (std::size_t r = n / 2; r < n; ++r) {
                    for (std::size_t k = 0; k < outputs; ++k) {
                        T sum = bias(0, k);
                        for (std::size_t i = 0; i < inputs; ++i) sum += x(r, i) * w(k, i);
                        CHECK(std::abs(z(r, k) - sum) <= tolerance<T>(inputs));
                    }
                    for (std::size_t k = outputs; k < P; ++k) CHECK(z(r, k) == 0);
                }
            }
}

template <class T>
void transpositions() {
    using S = Simd<T>;
    typename S::Vector v[S::lanes];
    for (int r = 0; r < S::lanes; ++r)
        for (int j = 0; j < S::lanes; ++j) v[r][j] = static_cast<T>(100 * r + j);
    transpose_square<T>(v);
    for (int r = 0; r < S::lanes; ++r)
        for (int j = 0; j < S::lanes; ++j) CHECK(v[r][j] == static_cast<T>(100 * j + r));
}

// A function of vectors and the library's of single numbers, over a range: within a few units of the last place.
template <class T, class Ours, class Exact>
void agree(Ours ours, Exact exact, T from, T to) {
    using S = Simd<T>;
    constexpr int points = 5000;
    T x[S::lanes], y[S::lanes];
    for (int point = 0; point <= points; point += S::lanes) {
        for (int k = 0; k < S::lanes; ++k) x[k] = from + (to - from) * (T(std::min(point + k, points)) / points);
        S::store(y, ours(S::load(x)));
        for (int k = 0; k < S::lanes; ++k) {
            const T expected = exact(x[k]);
            CHECK(std::abs(y[k] - expected) <= 6 * std::numeric_limits<T>::epsilon() * std::abs(expected));
        }
    }
}

template <class T>
void elementary_functions() {
    using V = typename Simd<T>::Vector;
    constexpr T range = exp_range<T>, least = std::numeric_limits<T>::min(), most = std::numeric_limits<T>::max();
    agree<T>([](V x) { return exp<T>(x); }, [](T x) { return std::exp(x); }, -range, range);
    agree<T>([](V x) { return exp_of_negative<T>(x); }, [](T x) { return std::exp(x); }, -range, 0);
    agree<T>([](V x) { return unstuck::UNSTUCK_ISA::sigmoid<T>(x); }, [](T x) { return 1 / (1 + std::exp(-x)); },
             -range, range);
    for (const T to : {2 * least, T(1e-3), T(1), T(2), T(1000), most})
        agree<T>([](V x) { return log<T>(x); }, [](T x) { return std::log(x); }, least, to);
    agree<T>([](V x) { return log1p_of_unit<T>(x); }, [](T x) { return std::log1p(x); }, 0, 1);
    for (const T to : {T(1e-6), T(1), T(50)})
        agree<T>([](V x) { return tanh<T>(x); }, [](T x) { return std::tanh(x); }, -to, to);
    agree<T>([](V x) { return sqrt<T>(x); }, [](T x) { return std::sqrt(x); }, 0, most);
}

template <class T>
void exponentials_beyond_the_range() {
    using S = Simd<T>;
    constexpr T infinite = std::numeric_limits<T>::infinity(), far = 2 * exp_range<T>;
    const auto of = [](T x) { return exp<T>(S::splat(x))[0]; };
    CHECK(of(0) == 1);
    CHECK(of(-infinite) == 0 && of(-far) == 0);
    CHECK(of(far) == infinite && of(2 * far) == infinite);
    CHECK(std::isnan(of(std::numeric_limits<T>::quiet_NaN())));
}

TEST(rows_against_a_panel_for_every_remainder) {
    if (!runs_here()) return;
    products_of_rows<float>();
    products_of_rows<double>();
}

TEST(columns_of_a_panel_for_every_remainder) {
    if (!runs_here()) return;
    products_of_columns<float>();
    products_of_columns<double>();
}

TEST(rows_against_few_outputs) {
    if (!runs_here()) return;
    products_with_few<float>();
    products_with_few<double>();
}

TEST(squares_of_vectors_are_transposed) {
    if (!runs_here()) return;
    transpositions<float>();
    transpositions<double>();
}

TEST(elementary_functions_are_those_of_the_library) {
    if (!runs_here()) return;
    elementary_functions<float>();
    elementary_functions<double>();
}

TEST(exp_outside_its_range_is_zero_or_infinite) {
    if (!runs_here()) return;
    exponentials_beyond_the_range<float>();
    exponentials_beyond_the_range<double>();
}

}  // namespace
}  // namespace unstuck::UNSTUCK_ISA
