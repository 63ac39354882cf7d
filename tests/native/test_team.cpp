#include <pthread.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "check.hpp"
#include "team.hpp"

using namespace unstuck;
using namespace std::chrono_literals;

namespace {

// Every member writes its own number, without locks, and reads the others' after the barrier.
void meet(int members, int rounds, bool late) {
    Barrier barrier(members);
    std::vector<int> count(members), seen(members);
    const auto work = [&](int member) {
        for (int round = 1; round <= rounds; ++round) {
            if (late && round % members == member) std::this_thread::sleep_for(1ms);  // the others fall asleep
            count[member] = round;
            barrier.wait();
            bool all = true;
            for (int other : count) all = all && other == round;
            seen[member] += all;
            barrier.wait();
        }
    };
    std::vector<std::thread> others;
    for (int member = 1; member < members; ++member) others.emplace_back(work, member);
    work(0);
    for (auto &other : others) other.join();
    for (int rounds_seen : seen) CHECK(rounds_seen == rounds);
}

}  // namespace

TEST(nobody_leaves_a_barrier_before_all_have_come) {
    for (int members : {1, 2, 3, 8}) meet(members, members > 3 ? 100 : 3000, false);
}

TEST(nobody_leaves_a_barrier_on_which_others_sleep) {
    for (int members : {2, 3}) meet(members, 60, true);
}

TEST(the_last_to_come_works_for_all_and_nobody_leaves_before_it_is_done) {
    constexpr int members = 3, rounds = 1000;
    Barrier barrier(members);
    int sum = 0, right[members] = {};
    const auto work = [&](int member) {
        for (int round = 1; round <= rounds; ++round) {
            barrier.wait([&] { ++sum; });
            right[member] += sum == round;
            barrier.wait();
        }
    };
    std::vector<std::thread> others;
    for (int member = 1; member < members; ++member) others.emplace_back(work, member);
    work(0);
    for (auto &other : others) other.join();
    for (int number : right) CHECK(number == rounds);
}

TEST(a_barrier_goes_on_with_the_members_that_are_left) {
    constexpr int start = 4;
    Barrier barrier(start);
    int rounds[start] = {};
    const auto work = [&](int member) {
        while (member < barrier.members()) {
            ++rounds[member];
            barrier.wait();
            barrier.wait([&] { barrier.resize(barrier.members() - 1); });
        }
    };
    std::vector<std::thread> others;
    for (int member = 1; member < start; ++member) others.emplace_back(work, member);
    work(0);
    for (auto &other : others) other.join();
    for (int member = 0; member < start; ++member) CHECK(rounds[member] == start - member);
}

TEST(a_team_does_every_round_whole_whoever_is_dismissed) {
    constexpr int rounds = 2000, blocks = 7;
    for (int wanted : {1, 2, 3, 6}) {
        Team team(wanted);
        std::atomic<int> next{0};
        int done[blocks] = {}, round = 0;
        team.together([&](Team::Member &me) {
            while (me.stays() && round < rounds) {
                for (int block; (block = next++) < blocks;) ++done[block];
                me.meet();
                me.end_round([&] {
                    next = 0;
                    ++round;
                });
            }
        });
        CHECK(round == rounds);
        for (int times : done) CHECK(times == rounds);
    }
}

#if defined(__GLIBC__)
TEST(a_team_works_with_the_threads_that_the_system_gives) {
    pthread_attr_t usual, impossible;
    pthread_getattr_default_np(&usual);
    pthread_getattr_default_np(&impossible);
    pthread_attr_setstacksize(&impossible, std::size_t(1) << 60);
    if (pthread_setattr_default_np(&impossible) != 0) return;
    Team team(3);
    int rounds = 0;
    team.together([&](Team::Member &me) {
        for (; rounds < 10;) me.end_round([&] { ++rounds; });
    });
    pthread_setattr_default_np(&usual);
    CHECK(team.members() == 1 && rounds == 10);
}
#endif

TEST(a_team_that_gets_too_few_processors_is_smaller_for_a_while_and_then_whole_again) {
    Team team(2);
    int rounds = 0;
    team.together([&](Team::Member &me) {
        while (me.stays() && rounds < 30) {
            if (me.number == 1) std::this_thread::sleep_for(1ms);  // as if another process had its processor
            me.end_round([&] { ++rounds; });
        }
    });
    CHECK(rounds == 30 && team.members() == 1);
    CHECK(workforce.available(2) == 1);
    std::this_thread::sleep_for(100ms);
    CHECK(workforce.available(2) == 2);
}

TEST(the_workforce_grows_again_the_later_the_more_often_it_was_too_large) {
    Workforce force;
    CHECK(force.available(4) == 4);
    force.dismiss_one_of(4);
    CHECK(force.available(4) == 3 && force.available(2) == 2);
    const double first = now();
    while (force.available(4) < 4) std::this_thread::sleep_for(1ms);
    const double second = now();
    force.dismiss_one_of(4);
    while (force.available(4) < 4) std::this_thread::sleep_for(1ms);
    CHECK(now() - second > 1.5 * (second - first));
}
