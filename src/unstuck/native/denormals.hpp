// Numbers below the normal range count as zero while an object of this class lives, in its thread. The moments of a
// unit that gets no gradient any more decay into that range and stay there, where arithmetic takes several times as
// long.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace unstuck {

class DenormalsAreZero {
  public:
    DenormalsAreZero() : before_(get()) { set(before_ | flags); }
    ~DenormalsAreZero() { set(before_); }
    DenormalsAreZero(const DenormalsAreZero &) = delete;
    DenormalsAreZero &operator=(const DenormalsAreZero &) = delete;

  private:
#if defined(__x86_64__)
    using Control = unsigned;
    static constexpr Control flags = 0x8040;  // flush to zero, denormals are zero
    static Control get() { return _mm_getcsr(); }
    static void set(Control control) { _mm_setcsr(control); }
#elif defined(__aarch64__)
    using Control = std::uint64_t;
    static constexpr Control flags = 1u << 24;  // FZ
    static Control get() {
        Control control;
        asm volatile("mrs %0, fpcr" : "=r"(control));
        return control;
    }
    static void set(Control control) { asm volatile("msr fpcr, %0" : : "r"(control)); }
#else
    using Control = int;
    static constexpr Control flags = 0;
    static Control get() { return 0; }
    static void set(Control) {}
#endif
    const Control before_;
};

}  // namespace unstuck
