// Where tensors on the CPU lie.
//
// libtorch asks posix_memalign for them, for which glibc (2.36) looks for more room than it then takes: what a tensor
// leaves is not found for another of the same size, and the heap grows to several times what tensors take. malloc finds
// it. It is asked for some bytes more, and the tensor begins at the next multiple of what libtorch's kernels expect.
//
// Large blocks come from the system, as between them the heap would break up. A system takes long to hand out memory, page
// by page, and longer to take it back from a process of several threads; a step of training asks for several times what
// it holds. So what is freed is kept for the next that asks for about as much, but never so much that there would be more
// than the tensors alone have once taken.

#include <c10/core/Allocator.h>
#include <c10/util/Exception.h>

#include <malloc.h>
#include <sys/mman.h>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

namespace {

// What libtorch's kernels expect, and where what stands before a tensor has room.
constexpr size_t ALIGNMENT = 64;

// Bytes from which on a block is large, and what the system hands out at once.
constexpr size_t LARGE = 4 << 20, PAGE = 4096;

// A kept block may be larger than what is asked for by this part of it.
constexpr size_t SPARE = 8;

// What stands before a tensor: where its block begins, and its bytes if it is large, else 0.
struct Before {
  void* block;
  size_t bytes;
};

// Large blocks that are free, and how much is not.
class Kept {
 public:
  // Of at least so many bytes; null where there is no such memory.
  void* take(size_t bytes, size_t* of) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = free_.lower_bound(bytes);
    if (found != free_.end() && found->first - bytes <= bytes / SPARE) return given(found, of);
    in_use_ += bytes;
    most_ = most_ > in_use_ ? most_ : in_use_;
    while (kept_ + in_use_ > most_ && !free_.empty()) drop(oldest());
    void* block = from_the_system(bytes);
    if (block == nullptr) {
      drop_all();
      block = from_the_system(bytes);
    }
    if (block == nullptr) in_use_ -= bytes;
    *of = bytes;
    return block;
  }

  void put(void* block, size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    in_use_ -= bytes;
    try {
      free_.insert({bytes, {block, ++puts_}});
      kept_ += bytes;
    } catch (const std::bad_alloc&) {
      munmap(block, bytes);
    }
  }

  // Gives back what is free, and forgets what was once taken.
  void release() {
    const std::lock_guard<std::mutex> lock(mutex_);
    drop_all();
    most_ = in_use_;
  }

 private:
  struct Free {
    void* block;
    uint64_t put;  // how many were put before
  };
  using Blocks = std::multimap<size_t, Free>;

  static void* from_the_system(size_t bytes) {
    void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block == MAP_FAILED ? nullptr : block;
  }

  void* given(Blocks::iterator found, size_t* of) {
    void* block = found->second.block;
    *of = found->first;
    kept_ -= *of;
    in_use_ += *of;
    free_.erase(found);
    return block;
  }

  Blocks::iterator oldest() {
    auto oldest = free_.begin();
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      if (it->second.put < oldest->second.put) oldest = it;
    }
    return oldest;
  }

  void drop(Blocks::iterator it) {
    munmap(it->second.block, it->first);
    kept_ -= it->first;
    free_.erase(it);
  }

  void drop_all() {
    while (!free_.empty()) drop(free_.begin());
  }

  std::mutex mutex_;
  Blocks free_;
  size_t kept_ = 0, in_use_ = 0, most_ = 0;  // bytes
  uint64_t puts_ = 0;
};

// Never destroyed: threads may run beyond the end of `main`.
Kept& kept() {
  static Kept* const kept = new Kept;
  return *kept;
}

struct Heap final : c10::Allocator {
  static void give_back(void* data) {
    if (data == nullptr) return;
    const Before before = static_cast<Before*>(data)[-1];
    before.bytes == 0 ? std::free(before.block) : kept().put(before.block, before.bytes);
  }

  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &give_back, c10::Device(c10::kCPU)};
    Before before{nullptr, 0};
    const size_t whole = bytes + sizeof(Before) + ALIGNMENT;
    if (whole >= LARGE && whole <= SIZE_MAX - PAGE) {
      before.block = kept().take((whole + PAGE - 1) / PAGE * PAGE, &before.bytes);
    } else if (whole > bytes) {
      before.block = std::malloc(whole);
      if (before.block == nullptr) {
        kept().release();
        before.block = std::malloc(whole);
      }
    }
    TORCH_CHECK_WITH(OutOfMemoryError, before.block, "cannot allocate memory: ", bytes, " bytes");
    const auto first = reinterpret_cast<uintptr_t>(before.block) + sizeof(Before) + ALIGNMENT - 1;
    void* data = reinterpret_cast<void*>(first & ~(ALIGNMENT - 1));
    static_cast<Before*>(data)[-1] = before;
    return {data, data, &give_back, c10::Device(c10::kCPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }

  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }
};

}  // namespace

extern "C" {

// From now on tensors on the CPU lie here. By default glibc gives the freed end of its heap back and gets it again page
// by page, which takes a tenth of the processor's time on small models. It keeps up to 1 GiB instead.
void iterit_keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, LARGE);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  static Heap* const heap = [] {
    auto* it = new Heap;
    c10::SetAllocator(c10::kCPU, it, /*priority=*/1);
    return it;
  }();
  static_cast<void>(heap);
}

// Gives back what large tensors have left.
void iterit_give_back_freed_memory() { kept().release(); }

}  // extern "C"
