// Memory on cache lines, zero at first; it only grows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

namespace unstuck {

template <class T>
class Buffer {
  public:
    void resize(std::size_t size) {
        if (size <= size_) return;
        data_.reset(static_cast<T *>(::operator new[](size * sizeof(T), alignment)));
        std::fill_n(data_.get(), size, T{});
        size_ = size;
    }
    T *get() { return data_.get(); }
    const T *get() const { return data_.get(); }

  private:
    static constexpr std::align_val_t alignment{64};
    struct Free {
        void operator()(T *data) const { ::operator delete[](data, alignment); }
    };
    std::unique_ptr<T[], Free> data_;
    std::size_t size_ = 0;
};

}  // namespace unstuck
