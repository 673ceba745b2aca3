#include "memory.h"

#include "report.h"
#include "stream.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/Exception.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace phantom {
namespace {

constexpr int MOST_DEVICES = 16;
constexpr uintptr_t ON_DEVICE = 1ull << 62;
constexpr int NUMBER_AT = 48;
constexpr uintptr_t TAG = ON_DEVICE | (0xFFull << NUMBER_AT);

// Stands before every block.
struct alignas(64) Header {
  size_t bytes;
  int device;
};

std::atomic<size_t> in_use[MOST_DEVICES];

size_t number_from(const char* variable, size_t otherwise) {
  const char* value = getenv(variable);
  return value != nullptr ? strtoull(value, nullptr, 10) : otherwise;
}

double mebibytes(size_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

void check_room(size_t bytes, int device) {
  const size_t free = free_bytes(device);
  TORCH_CHECK_WITH(OutOfMemoryError, bytes <= free, "CUDA out of memory. Tried to allocate ", mebibytes(bytes),
                   " MiB. GPU ", device, " has a total capacity of ", mebibytes(total_bytes()), " MiB of which ",
                   mebibytes(free), " MiB is free.");
}

void give_back(void* address) {
  if (address == nullptr) return;
  Header* header = static_cast<Header*>(as_kernels_see(address)) - 1;
  in_use[header->device] -= header->bytes;
  free(header);
}

c10::DataPtr allocate_on(int device, size_t bytes) {
  const c10::Device owner(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(device));
  if (bytes == 0) return {nullptr, nullptr, &give_back, owner};
  check_room(bytes, device);
  const size_t whole = sizeof(Header) + (bytes + 63) / 64 * 64;
  auto* header = static_cast<Header*>(aligned_alloc(alignof(Header), whole));
  TORCH_CHECK(header != nullptr, "phantom: the host has no memory left for ", bytes, " bytes");
  *header = {bytes, device};
  memset(header + 1, 0xFF, whole - sizeof(Header));
  count_allocation(device, bytes, in_use[device] += bytes);
  const auto tag = ON_DEVICE | (static_cast<uintptr_t>(device) << NUMBER_AT);
  auto* address = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(header + 1) | tag);
  return {address, address, &give_back, owner};
}

// libtorch asks for the free memory of a device by this interface too.
struct DeviceMemory final : c10::DeviceAllocator {
  c10::DataPtr allocate(size_t bytes) override { return allocate_on(current_device(), bytes); }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    memcpy(as_kernels_see(to), as_kernels_see(from), bytes);
  }

  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override { return {}; }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override {}
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex device) override {
    return {free_bytes(device), total_bytes()};
  }
};

std::mutex pinned_mutex;
std::map<uintptr_t, size_t>& pinned_blocks() {
  static auto* blocks = new std::map<uintptr_t, size_t>;
  return *blocks;
}

void unpin(void* address) {
  const std::lock_guard<std::mutex> lock(pinned_mutex);
  pinned_blocks().erase(reinterpret_cast<uintptr_t>(address));
  free(address);
}

struct PinnedMemory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    void* address = aligned_alloc(64, (bytes + 64) / 64 * 64);
    TORCH_CHECK(address != nullptr, "phantom: the host has no memory left for ", bytes, " pinned bytes");
    const std::lock_guard<std::mutex> lock(pinned_mutex);
    pinned_blocks()[reinterpret_cast<uintptr_t>(address)] = bytes;
    return {address, address, &unpin, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &unpin; }
  void copy_data(void* to, const void* from, size_t bytes) const override { memcpy(to, from, bytes); }
};

}  // namespace

int device_count() {
  static const int count = static_cast<int>(std::min<size_t>(number_from("PHANTOM_DEVICES", 1), MOST_DEVICES));
  return count;
}

bool is_device_address(const void* address) {
  return (reinterpret_cast<uintptr_t>(address) & ON_DEVICE) != 0;
}

int device_of(const void* address) {
  return static_cast<int>((reinterpret_cast<uintptr_t>(address) & TAG & ~ON_DEVICE) >> NUMBER_AT);
}

void* as_kernels_see(const void* address) {
  if (!is_device_address(address)) return const_cast<void*>(address);
  return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(address) & ~TAG);
}

size_t total_bytes() {
  static const size_t bytes = number_from("PHANTOM_MEMORY", 1ull << 40);
  return bytes;
}

size_t free_bytes(int device) {
  const size_t used = in_use[device];
  return used < total_bytes() ? total_bytes() - used : 0;
}

c10::Allocator* device_allocator() {
  static auto* memory = new DeviceMemory;
  return memory;
}

c10::Allocator* pinned_allocator() {
  static auto* memory = new PinnedMemory;
  return memory;
}

bool is_pinned(const void* address) {
  const auto place = reinterpret_cast<uintptr_t>(address);
  const std::lock_guard<std::mutex> lock(pinned_mutex);
  auto block = pinned_blocks().upper_bound(place);
  if (block == pinned_blocks().begin()) return false;
  --block;
  return place < block->first + std::max<size_t>(block->second, 1);
}

REGISTER_ALLOCATOR(c10::DeviceType::CUDA, device_allocator())

}  // namespace phantom
