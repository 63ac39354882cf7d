// Threads that work together in rounds.
#pragma once

#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

#include "workforce.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace unstuck {

// Spins briefly, then sleeps, so that a busy machine is not made busier.
class Barrier {
  public:
    explicit Barrier(int members) : members_(members) {}

    // Returns when all members have called it and the last of them has done its work.
    template <class Work>
    void wait(Work work) {
        if (members() == 1) return work();
        const auto round = round_.load(std::memory_order_acquire);
        if (waiting_.fetch_add(1, std::memory_order_acq_rel) + 1 == members()) {
            work();
            waiting_.store(0, std::memory_order_relaxed);
            round_.store(round + 1, std::memory_order_release);
            round_.notify_all();
            return;
        }
        const double begun = now();
        do {
            for (int spin = 0; spin < 16; ++spin) {
                if (round_.load(std::memory_order_acquire) != round) return;
                pause();
            }
        } while (now() - begun < patience);
        while (round_.load(std::memory_order_acquire) == round) round_.wait(round, std::memory_order_acquire);
    }

    void wait() {
        wait([] {});
    }

    int members() const { return members_.load(std::memory_order_relaxed); }

    // To be called by the work of a round, for the next one; or before one comes for whom the others wait.
    void resize(int members) { members_.store(members, std::memory_order_relaxed); }

  private:
    // To fall asleep and be woken takes about as long. To spin for just that time costs at most twice what knowing the
    // future would (Karlin et al. 1991, https://doi.org/10.1145/121132.286599).
    static constexpr double patience = 50e-6;

    static void pause() {
#if defined(__x86_64__)
        _mm_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    }

    std::atomic<int> members_;
    std::atomic<int> waiting_{0};
    std::atomic<unsigned> round_{0};
};

// As many threads as the workforce has, the calling one among them. In each round they may meet, and end it together;
// then the last of them may be dismissed.
class Team {
  public:
    explicit Team(int wanted) : barrier_(workforce.available(wanted)) {}

    class Member {
      public:
        Member(Team &team, int number) : number(number), team_(team) {}
        const int number;

        // To be asked before a new round, first of all: for one who was dismissed the others do not wait any more.
        bool stays() const { return number < team_.members(); }

        // Returns when all have come and the last of them has done its work.
        template <class Work>
        void meet(Work work) {
            team_.barrier_.wait(work);
        }
        void meet() { team_.barrier_.wait(); }

        template <class Work>
        void end_round(Work work) {
            if (team_.members() == 1) return work();
            if (team_.measuring_) account();
            meet([&] {
                work();
                team_.review();
            });
        }

        void account() {
            const double until_now = processor_seconds();
            team_.used_.fetch_add(until_now - used_);
            used_ = until_now;
        }

      private:
        Team &team_;
        double used_ = processor_seconds();
    };

    int members() const { return barrier_.members(); }

    // Calls work(member) on all threads; where the system gives no more, on those there are.
    template <class Work>
    void together(Work work) {
        const auto one = [&](int number) {
            Member member(*this, number);
            work(member);
            member.account();
        };
        measured_ = now();
        std::vector<std::thread> others;
        others.reserve(members() - 1);
        try {
            for (int number = 1; number < members(); ++number) others.emplace_back(one, number);
        } catch (const std::system_error &) {
            barrier_.resize(static_cast<int>(others.size()) + 1);
        }
        one(0);
        for (auto &other : others) other.join();
        if (members() > 1 && now() - measured_ > least) judge();
    }

  private:
    // Now and then the members add up, at the end of a round, what they have used since the last time.
    void review() {
        if (measuring_) judge();
        measuring_ = now() - measured_ > interval;
    }

    void judge() {
        const double time = now();
        if (Workforce::too_few(used_ / (time - measured_), members())) {
            workforce.dismiss_one_of(members());
            barrier_.resize(members() - 1);
        }
        measured_ = time;
        used_ = 0;
    }

    // Seconds. The system gives its processors in turn for some milliseconds each.
    static constexpr double interval = 10e-3, least = 3e-3;
    Barrier barrier_;
    double measured_ = 0;
    bool measuring_ = false;
    std::atomic<double> used_{0};  // seconds of processors
};

}  // namespace unstuck
