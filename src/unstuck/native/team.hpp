// A barrier for a few threads: spin briefly, then sleep, so that a busy machine is not made busier.
#pragma once

#include <atomic>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace unstuck {

class Barrier {
  public:
    explicit Barrier(int members) : members_(members) {}

    // Returns when all members have called it and the last of them has done its work.
    template <class Work>
    void wait(Work work) {
        if (members_ == 1) return work();
        const auto round = round_.load(std::memory_order_acquire);
        if (waiting_.fetch_add(1, std::memory_order_acq_rel) + 1 == members_) {
            work();
            waiting_.store(0, std::memory_order_relaxed);
            round_.store(round + 1, std::memory_order_release);
            round_.notify_all();
            return;
        }
        for (int spin = 0; spin < spins; ++spin) {
            if (round_.load(std::memory_order_acquire) != round) return;
#if defined(__x86_64__)
            _mm_pause();
#endif
        }
        while (round_.load(std::memory_order_acquire) == round) round_.wait(round, std::memory_order_acquire);
    }

    void wait() {
        wait([] {});
    }

  private:
    static constexpr int spins = 2000;
    const int members_;
    std::atomic<int> waiting_{0};
    std::atomic<unsigned> round_{0};
};

}  // namespace unstuck
