// The Python module unstuck._native. Its functions are described in unstuck/_native.pyi.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>

#include "cpu_level.hpp"
#include "philox.hpp"
#include "without_gil.hpp"

namespace nb = nanobind;

namespace unstuck {

void bind_trainers(nb::module_ &module);

using Words = nb::ndarray<nb::numpy, std::uint32_t, nb::ndim<2>>;

void fill_words(std::uint32_t *out, std::uint64_t key, std::uint32_t stream, std::uint32_t step, std::uint64_t rows,
                std::uint64_t units, std::uint64_t first_row) {
    for (std::uint64_t r = first_row; r < first_row + rows; ++r) {
        for (std::uint64_t j = 0; j < units; j += 4) {
            const auto block =
                philox4x32_10({static_cast<std::uint32_t>(j / 4), static_cast<std::uint32_t>(r), step, stream}, key);
            out = std::copy_n(block.begin(), std::min<std::uint64_t>(4, units - j), out);
        }
    }
}

Words philox_words(std::uint64_t key, std::uint32_t stream, std::uint32_t step, std::uint64_t rows, std::uint64_t units,
                   std::uint64_t first_row) {
    constexpr std::uint64_t max_rows = std::uint64_t{1} << 32, max_units = std::uint64_t{1} << 34;
    if (rows > max_rows || first_row > max_rows - rows)
        throw std::invalid_argument("first_row + rows must be at most 2**32: the row is a 32-bit word of the counter");
    if (units > max_units)
        throw std::invalid_argument("units must be at most 2**34: a quarter of it is a 32-bit word of the counter");
    if (units != 0 && rows > PTRDIFF_MAX / sizeof(std::uint32_t) / units)
        throw std::invalid_argument("rows * units words are more than an array can hold");

    std::unique_ptr<std::uint32_t[]> words(new std::uint32_t[rows * units]);
    {
        const WithoutGil released;
        fill_words(words.get(), key, stream, step, rows, units, first_row);
    }
    nb::capsule owner(words.get(), [](void *pointer) noexcept { delete[] static_cast<std::uint32_t *>(pointer); });
    return Words(words.release(), {rows, units}, owner);
}

}  // namespace unstuck

NB_MODULE(_native, module) {
    using namespace nb::literals;
    nb::set_leak_warnings(false);  // a daemon thread may be training when the process ends
    module.def("philox_block", &unstuck::philox4x32_10, "counter"_a, "key"_a);
    module.def("philox_words", &unstuck::philox_words, "key"_a, "stream"_a, "step"_a, "rows"_a, "units"_a,
               "first_row"_a = 0);
    module.def("cpu_level", [] { return unstuck::cpu_levels().back(); });
    unstuck::bind_trainers(module);
}
