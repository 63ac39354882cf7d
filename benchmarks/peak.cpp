// What the processor does at most: floors.py compiles this for the machine it runs on, calls it and holds the clock.

#include <cstddef>

#if defined(__AVX512F__)
constexpr std::size_t vector_bytes = 64;
#elif defined(__AVX__)
constexpr std::size_t vector_bytes = 32;
#else
constexpr std::size_t vector_bytes = 16;
#endif
constexpr int chains = 12;  // enough to hide the latency of two units, few enough for 16 registers

template <typename T>
T multiply_add(long rounds) {
    typedef T vector __attribute__((vector_size(vector_bytes)));
    vector x[chains], a = vector{} + T(0.999999), b = vector{} + T(1e-6);
    for (int k = 0; k < chains; ++k) x[k] = vector{} + T(k);
    for (long r = 0; r < rounds; ++r)
        for (int k = 0; k < chains; ++k) x[k] = x[k] * a + b;
    T total = 0;
    for (int k = 0; k < chains; ++k) total += x[k][0];
    return total;
}

extern "C" {

// Floating-point operations in one round of the two functions below.
long round_flops_float32() {
    return 2 * chains * vector_bytes / sizeof(float);
}
long round_flops_float64() {
    return 2 * chains * vector_bytes / sizeof(double);
}

double flops_float32(long rounds) {
    return multiply_add<float>(rounds);
}
double flops_float64(long rounds) {
    return multiply_add<double>(rounds);
}

// Multiply-adds each of which needs the result of the one before.
double chain(long rounds) {
    double x = static_cast<double>(rounds);
    for (long r = 0; r < rounds; ++r) x = x * 0.999999 + 1e-6;
    return x;
}

// Reads every byte once.
double read(const double *data, long count) {
    typedef double vector __attribute__((vector_size(vector_bytes), aligned(8)));
    constexpr long lanes = vector_bytes / sizeof(double);
    vector sums[8] = {};
    for (long i = 0; i + 8 * lanes <= count; i += 8 * lanes)
        for (int k = 0; k < 8; ++k) sums[k] += *reinterpret_cast<const vector *>(data + i + k * lanes);
    for (int k = 1; k < 8; ++k) sums[0] += sums[k];
    return sums[0][0];
}
}
