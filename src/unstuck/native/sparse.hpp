// Products with a matrix most of whose entries are zero: pixels without ink, one-hot columns, what ReLU and Dropout
// leave of a layer. Zeros are left out and the rest is summed in the order of kernels.hpp, so that no bit is another.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "buffer.hpp"
#include "kernels.hpp"
#include "mini_batch.hpp"

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace unstuck::UNSTUCK_ISA {

// Where the two kinds of product take the same time, on layers of some hundred units, half of the entries are zero; to
// list them costs the rest.
constexpr double dense_share = 0.35;

// Panels that share the loading of an entry: more of them and the rows they have do not fit into the caches.
constexpr int together = 2;

// So many may be listed at a time, by all threads together: of 8 or 16 bytes each, by row and again by column.
constexpr std::size_t most_entries = std::size_t(1) << 26;

// A number, and where the row of panels that it multiplies begins.
template <class T>
struct Entry {
    std::uint32_t at;
    T x;
};

// Appends the entries among `count` numbers, the first of which goes with the row at `at`.
template <class T>
Entry<T> *append_entries(const T *x, std::size_t count, std::size_t at, Entry<T> *to) {
    constexpr auto step = static_cast<std::uint32_t>(panel<T>);
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) {
        const __m512i low = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
        const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
        const __m512i rows = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0) * step;
        for (std::size_t j = 0; j < count; j += 16) {
            const auto here = static_cast<__mmask16>(count - j >= 16 ? 0xffff : (1u << (count - j)) - 1);
            const __m512 numbers = _mm512_maskz_loadu_ps(here, x + j);
            const __mmask16 kept = _mm512_cmp_ps_mask(numbers, _mm512_setzero_ps(), _CMP_NEQ_UQ);
            const __m512i ats = _mm512_add_epi32(rows, _mm512_set1_epi32(static_cast<int>(at + j * step)));
            const __m512i a = _mm512_maskz_compress_epi32(kept, ats);
            const __m512i b = _mm512_castps_si512(_mm512_maskz_compress_ps(kept, numbers));
            _mm512_storeu_si512(to, _mm512_permutex2var_epi32(a, low, b));
            _mm512_storeu_si512(to + 8, _mm512_permutex2var_epi32(a, high, b));
            to += __builtin_popcount(kept);
        }
        return to;
    }
#endif
    for (std::size_t j = 0; j < count; ++j) {
        *to = {static_cast<std::uint32_t>(at + j * step), x[j]};
        to += x[j] != 0;
    }
    return to;
}

// sum[p] += x b[p][at] over entries, for N panels of b that lie `apart`.
template <class T, int N>
void add_entries(const Entry<T> *entry, const Entry<T> *end, const T *b, std::size_t apart,
                 typename Simd<T>::Vector (&sum)[N][2]) {
    using S = Simd<T>;
    for (; entry != end; ++entry) {
        const T x = entry->x, *row = b + entry->at;
#pragma GCC unroll 4
        for (int p = 0; p < N; ++p) {
            sum[p][0] += x * S::load(row + p * apart);
            sum[p][1] += x * S::load(row + p * apart + S::lanes);
        }
    }
}

// The entries of some rows of a matrix in panels, row by row.
template <class T>
class RowEntries {
    static constexpr std::size_t P = panel<T>;

  public:
    // For lists of up to so many rows and columns: the threads of a team must not have to ask for memory.
    void reserve(std::size_t rows, std::size_t columns) {
        const std::size_t entries = rows * panels<T>(columns) * P + P,
                          ends = rows * ((columns + piece - 1) / piece) + 1;
        if (list_.size() < entries) list_.resize(entries);
        if (ends_.size() < ends) ends_.resize(ends);
    }

    // Lists some rows of so many columns: place_of(r)(k) is where up to a panel of row r's numbers lie, from the k-th.
    template <class PlaceOf>
    void list(std::size_t columns, Stretch rows, PlaceOf place_of) {
        from_ = rows.from, to_ = rows.to;
        pieces_ = (columns + piece - 1) / piece;
        Entry<T> *end = list_.data();
        std::uint32_t *ends = ends_.data();
        *ends++ = 0;
        for (std::size_t r = from_; r < to_; ++r) {
            const auto place = place_of(r);
            for (std::size_t k = 0; k < columns; k += piece) {
                const std::size_t up_to = std::min(columns, k + piece);
                for (std::size_t j = k; j < up_to; j += P)
                    end = append_entries(place(j), std::min(P, up_to - j), j * P, end);
                *ends++ = static_cast<std::uint32_t>(end - list_.data());
            }
        }
    }

    // Lists rows of x (n, columns), which is in panels; or none, and says false, where too many are not zero.
    bool list_if_few(const T *x, std::size_t n, std::size_t columns, Stretch rows) {
        if (rows.from != rows.to && !mostly_zero(x, n, columns, rows.from, rows.to)) return false;
        list(columns, rows, [=](std::size_t r) { return [x = x + r * P, n](std::size_t k) { return x + k * n; }; });
        return true;
    }

    // c[r] = bias + sum over k of x(r, k) b[k], for panels first..last of b, which has `rows` rows; c's panels
    // lie `stride` apart. finish(p) is called for each panel while it is in the cache; and meanwhile(r, k, visits) when
    // row r is visited for the k-th time, of so many.
    template <class Finish, class Meanwhile>
    void times_panels(const T *b, std::size_t rows, std::size_t first, std::size_t last, const T *bias, T *c,
                      std::size_t stride, Finish finish, Meanwhile meanwhile) const {
        std::size_t visit = 0;
        const std::size_t visits = (last - first + together - 1) / together * pieces_;
        const auto next = [&](std::size_t r, std::size_t q) { meanwhile(r, visit + q, visits); };
        for (std::size_t p = first; p < last; p += together) {
            const T *panel = b + p * rows * P, *its_bias = bias ? bias + p * P : nullptr;
            if (p + together <= last)
                times<together>(panel, rows * P, its_bias, c + p * stride, stride, next);
            else
                times<1>(panel, rows * P, its_bias, c + p * stride, stride, next);
            visit += pieces_;
            for (std::size_t q = p; q < std::min(last, p + together); ++q) finish(q);
        }
    }

    // Calls each(r, entry) in order.
    template <class Each>
    void for_each(Each each) const {
        for (std::size_t r = from_; r < to_; ++r)
            for (std::size_t j = ends_[(r - from_) * pieces_]; j < ends_[(r + 1 - from_) * pieces_]; ++j)
                each(r, list_[j]);
    }

  private:
    static constexpr std::size_t piece = 448;  // rows of two panels of b that the caches hold, a multiple of P

    static bool mostly_zero(const T *x, std::size_t n, std::size_t columns, std::size_t from, std::size_t to) {
        const std::size_t rows = std::min<std::size_t>(to - from, 8);
        std::size_t entries = 0;
        for (std::size_t k = 0; k < columns; k += P) {
            const T *first = x + (k / P * n + from) * P;
            for (std::size_t j = 0; j < rows * P; ++j) entries += first[j] != 0;
        }
        return static_cast<double>(entries) < dense_share * static_cast<double>(rows * columns);
    }

    template <int N, class Visit>
    [[gnu::noinline]] void times(const T *b, std::size_t apart, const T *bias, T *c, std::size_t stride,
                                 Visit visit) const {
        using S = Simd<T>;
        for (std::size_t q = 0; q < pieces_; ++q)
            for (std::size_t r = from_; r < to_; ++r) {
                visit(r, q);
                const std::uint32_t *ends = ends_.data() + (r - from_) * pieces_ + q;
                const T *start = q > 0 ? c + r * P : bias;
                const std::size_t next = q > 0 ? stride : P;
                typename S::Vector sum[N][2] = {};
                for (int p = 0; start && p < N; ++p)
                    for (int half = 0; half < 2; ++half) sum[p][half] = S::load(start + p * next + half * S::lanes);
                add_entries<T, N>(list_.data() + ends[0], list_.data() + ends[1], b, apart, sum);
                for (int p = 0; p < N; ++p)
                    for (int half = 0; half < 2; ++half)
                        S::store(c + p * stride + r * P + half * S::lanes, sum[p][half]);
            }
    }

    std::size_t from_ = 0, to_ = 0, pieces_ = 1;
    std::vector<Entry<T>> list_;
    std::vector<std::uint32_t> ends_;
};

// The entries of a matrix, column by column, as the chunks of its rows bring them.
template <class T>
class ColumnEntries {
    static constexpr std::size_t P = panel<T>;

  public:
    void reserve(std::size_t columns, std::size_t n) {
        columns_ = columns;
        apart_ = (n / 8 | 1) * 8 + 8;  // no power of two, whose multiples share their place in the cache
        list_.resize(columns * apart_);
    }

    // Before the chunks of a batch or a slab.
    void begin(std::size_t chunks) {
        if (chunks_.size() == chunks) return;
        chunks_.resize(chunks);
        for (Chunk &chunk : chunks_) chunk.ends.resize(columns_);
    }

    // Takes the entries of rows `from` on; or none, which leaves the matrix incomplete. Chunks may come from several
    // threads.
    void take(std::size_t chunk, std::size_t from, const RowEntries<T> *rows) {
        Chunk &here = chunks_[chunk];
        here.listed = rows != nullptr;
        if (!rows) return;
        here.from = from;
        for (std::size_t k = 0; k < columns_; ++k) here.ends[k] = list_.get() + k * apart_ + from;
        rows->for_each([&](std::size_t r, const Entry<T> &entry) {
            *here.ends[entry.at / P]++ = {static_cast<std::uint32_t>(r * P), entry.x};
        });
    }

    bool complete() const {
        return std::all_of(chunks_.begin(), chunks_.end(), [](const Chunk &chunk) { return chunk.listed; });
    }

    // g[i][:] = sum over rows r of x(r, i) b[r][:] for N panels of b, which lie `apart`: finish(q, i, count, g) is
    // called with the products of the q-th of them and of as many columns as a panel of x has, g (count, panel).
    template <int N, class Finish>
    void times_panels(const T *b, std::size_t apart, Finish finish) const {
        using S = Simd<T>;
        alignas(64) T g[N][P * P];
        for (std::size_t i = 0; i < columns_; i += P) {
            const std::size_t count = std::min(P, columns_ - i);
            for (std::size_t k = 0; k < count; ++k) {
                typename S::Vector sum[N][2] = {};
                for (const Chunk &chunk : chunks_) {
                    const Entry<T> *list = list_.get() + (i + k) * apart_ + chunk.from;
                    add_entries<T, N>(list, chunk.ends[i + k], b, apart, sum);
                }
                for (int q = 0; q < N; ++q)
                    for (int half = 0; half < 2; ++half) S::store(g[q] + k * P + half * S::lanes, sum[q][half]);
            }
            for (int q = 0; q < N; ++q) finish(q, i, count, g[q]);
        }
    }

  private:
    struct Chunk {
        std::size_t from = 0;
        bool listed = false;
        std::vector<Entry<T> *> ends;  // of the columns
    };
    std::size_t columns_ = 0, apart_ = 0;
    Buffer<Entry<T>> list_;
    std::vector<Chunk> chunks_;
};

}  // namespace unstuck::UNSTUCK_ISA
