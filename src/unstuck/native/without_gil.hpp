// Work without Python's lock, in a thread that may outlive the interpreter.
#pragma once

#include <chrono>
#include <thread>

#include <nanobind/nanobind.h>

namespace unstuck {

// As nanobind's gil_scoped_release. But in a daemon thread, once the interpreter is shutting down, Python (before 3.14)
// answers the wish for the lock by pthread_exit, which unwinds the stack through frames that let nothing pass: the
// process would abort. Such a thread waits here for the end of the process, as it does in newer Pythons.
class WithoutGil {
  public:
    WithoutGil() : state_(PyEval_SaveThread()) {}
    WithoutGil(const WithoutGil &) = delete;
    WithoutGil &operator=(const WithoutGil &) = delete;

    ~WithoutGil() {
        try {
            PyEval_RestoreThread(state_);
        } catch (...) {
            for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
        }
    }

  private:
    PyThreadState *state_;
};

}  // namespace unstuck
