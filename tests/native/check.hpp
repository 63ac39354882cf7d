// As much of a test framework as is needed: TEST(name) { CHECK(condition); } and run_tests().
#pragma once

#include <cstdio>
#include <exception>
#include <vector>

struct Test {
    const char *name;
    void (*run)();
};
inline std::vector<Test> tests;
inline int failures = 0;

#define TEST(name)                                                            \
    static void name();                                                       \
    static const bool name##_listed = (tests.push_back({#name, name}), true); \
    static void name()

#define CHECK(condition)                                                                      \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            if (++failures <= 10) std::printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
        }                                                                                     \
    } while (false)

inline int run_tests() {
    for (const Test &test : tests) {
        const int before = failures;
        try {
            test.run();
        } catch (const std::exception &error) {
            std::printf("%s: %s\n", test.name, error.what());
            ++failures;
        }
        std::printf("%-60s %s\n", test.name, failures == before ? "ok" : "FAILED");
        std::fflush(stdout);
    }
    std::printf("%zu tests, %d failures\n", tests.size(), failures);
    return failures != 0;
}
