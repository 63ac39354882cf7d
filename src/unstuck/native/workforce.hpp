// How many threads a machine that others use too lets work at a time.
//
// Where somebody else's process wants one of the processors, the system takes a thread off it for milliseconds at a
// time, and the rest of its team has to wait for what it had begun: two threads can then be slower than one. A team
// therefore measures how many processors it gets. Where they are hardly more than it would use with one member fewer,
// one member goes, and for a while the teams of this process are no larger.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>

namespace unstuck {

inline double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The time that the calling thread has been running on a processor.
inline double processor_seconds() {
#if defined(CLOCK_THREAD_CPUTIME_ID)
    std::timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
#else
    return now();  // not known: as if it always ran
#endif
}

class Workforce {
  public:
    int available(int wanted) const { return now() < until_ ? std::min(wanted, most_.load()) : wanted; }

    static bool too_few(double processors, int members) { return processors < members - 1 + worthwhile; }

    // A team of so many had too few processors. The sooner after the last time, the longer until the next try.
    void dismiss_one_of(int members) {
        const double time = now();
        pause_ = time - until_ < forgotten ? std::min(2 * pause_, longest) : shortest;
        most_ = std::max(1, members - 1);
        until_ = time + pause_;
    }

  private:
    static constexpr double worthwhile = 0.3;  // of a processor; less is lost at the barriers again
    static constexpr double shortest = 0.05, longest = 1, forgotten = 0.5;  // seconds
    std::atomic<int> most_{1};
    std::atomic<double> until_{0}, pause_{shortest};
};

inline Workforce workforce;  // of the process, whose trainers share the processors

}  // namespace unstuck
