// For tests that are compiled once for each instruction set, as the trainers are.
#pragma once

namespace unstuck::UNSTUCK_ISA {

// Whether this processor has the instructions that the file was compiled for.
inline bool runs_here() {
#if defined(__AVX512F__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#elif defined(__AVX2__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#else
    return true;
#endif
}

}  // namespace unstuck::UNSTUCK_ISA
