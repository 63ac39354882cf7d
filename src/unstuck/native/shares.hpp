// Work dealt out to the members of a team: who has done a share of their own helps with those of the others.
//
// The same member gets the same part in every round, which finds in that member's cache what the last round left there.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <vector>

namespace unstuck {

class Shares {
  public:
    // Part k to member owners[k].
    void deal(std::size_t members, const std::vector<std::size_t> &owners) {
        start(members);
        for (std::size_t part = 0; part < owners.size(); ++part) shares_[owners[part]].parts.push_back(part);
    }

    // Everything is to be done again. To be called while nobody is at work.
    void renew() {
        for (Share &share : shares_) share.next.store(0, std::memory_order_relaxed);
    }

    // Calls each(part), together with the others once for every part; there may be fewer of them than shares.
    template <class Each>
    void work(std::size_t member, Each each) {
        for (std::size_t k = 0; k < shares_.size(); ++k) {
            Share &share = shares_[(member + k) % shares_.size()];
            for (std::size_t j; (j = share.next.fetch_add(1, std::memory_order_relaxed)) < share.parts.size();)
                each(share.parts[j]);
        }
    }

  private:
    struct alignas(64) Share {  // a cache line of its own
        std::atomic<std::size_t> next{0};
        std::vector<std::size_t> parts;
    };

    void start(std::size_t members) {
        while (shares_.size() < members) shares_.emplace_back();
        for (Share &share : shares_) share.parts.clear();
        renew();
    }

    std::deque<Share> shares_;  // in their places, which atomics must keep
};

}  // namespace unstuck
