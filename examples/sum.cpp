// C++11: a segment that is detached when its object goes out of scope.
//
//     c++ sum.cpp -lshm_util

#include <cstring>
#include <iostream>
#include <string>
#include <system_error>
#include <utility>

#include "numbers.h"
#include "shm_util.h"
#include "shm_util_ext.h"

class Segment {
public:
    // Creates a segment of `size` bytes, or attaches the existing one; with 0 only the latter.
    explicit Segment(const std::string &name, long size = 0)
    {
        const int status = shmCreate(name.c_str(), size, nullptr, &memory_);
        if (status != 0) {
            throw std::system_error(status, std::generic_category(), "segment " + name);
        }
    }

    // Never deletes the segment: programs that come and go leave it to the one that created it,
    // which calls shmDestroy.
    ~Segment() { shmxDetach(memory_); } // does nothing if it is NULL

    Segment(Segment &&other) noexcept : memory_(other.memory_) { other.memory_ = nullptr; }

    Segment &operator=(Segment &&other) noexcept
    {
        std::swap(memory_, other.memory_);
        return *this;
    }

    Segment(const Segment &) = delete;
    Segment &operator=(const Segment &) = delete;

    long size() const { return shmSizeOf(memory_); }

    // The bytes as a T; the segment must be large enough.
    template <typename T> T &as() const
    {
        if (size() < static_cast<long>(sizeof(T))) {
            throw std::length_error("the segment is too small");
        }
        return *static_cast<T *>(shmAddress(memory_));
    }

private:
    SharedMemory memory_ = nullptr;
};

int main()
try {
    const Segment segment(SEGMENT);
    numbers &shared = segment.as<numbers>();

    shared.sum = 0;
    for (int i = 0; i < shared.count && i < COUNT; i++) {
        shared.sum += shared.numbers[i];
    }
    std::strncpy(shared.who, "C++", sizeof shared.who);
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
