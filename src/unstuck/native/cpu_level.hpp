// What the processor can do, in the levels of the System V ABI supplement for x86-64.
#pragma once

#include <string>
#include <vector>

namespace unstuck {

// The lowest first.
inline std::vector<std::string> cpu_levels() {
    std::vector<std::string> levels{"baseline"};
#if defined(__x86_64__)
    const auto has_v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                        __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    const auto has_v4 = has_v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vl");
    if (has_v3) levels.push_back("x86-64-v3");
    if (has_v4) levels.push_back("x86-64-v4");
#elif defined(__aarch64__)
    levels.push_back("arm64");
#endif
    return levels;
}

}  // namespace unstuck
