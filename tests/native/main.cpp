#include "check.hpp"

int main() {
    return run_tests();
}
