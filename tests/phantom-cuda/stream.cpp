#include "stream.h"

#include "memory.h"
#include "report.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <list>
#include <mutex>
#include <string>
#include <vector>

namespace phantom {
namespace {

using at::Tensor;

struct Copy {
  int device;
  Tensor to;
  Tensor from;
  bool comes_in;
  std::string seen;  // What a source that the host may write to held when the copy was asked for.
  uint64_t number;
};

std::mutex mutex;
std::list<Copy>& copies() {
  static auto* list = new std::list<Copy>;
  return *list;
}
struct Pending {
  int device;
  std::shared_ptr<Work> work;
  uint64_t number;
};

std::list<Pending>& works() {
  static auto* list = new std::list<Pending>;
  return *list;
}
uint64_t last_number = 0;

// The bytes that a tensor's numbers lie in.
std::string bytes_of(const Tensor& tensor) {
  size_t length = tensor.numel() == 0 ? 0 : tensor.itemsize();
  for (int64_t i = 0; i < tensor.dim(); i++) length += (tensor.size(i) - 1) * tensor.stride(i) * tensor.itemsize();
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.numel() == 0 ? 0 : length};
}

void run(const Copy& copy) {
  const c10::impl::ExcludeDispatchKeyGuard below_autograd(c10::autograd_dispatch_keyset_with_ADInplaceOrView);
  TORCH_CHECK(!copy.comes_in || bytes_of(copy.from) == copy.seen,
              "phantom: pinned memory was written to before cuda:", copy.device, " had copied it");
  copy.to.copy_(copy.from);
}

template <typename Which>
void run_those(Which which) {
  const std::lock_guard<std::mutex> lock(mutex);
  for (auto copy = copies().begin(); copy != copies().end();) {
    if (!which(*copy)) {
      ++copy;
      continue;
    }
    const Copy taken = std::move(*copy);
    copy = copies().erase(copy);
    run(taken);
  }
}

// An event is the number of the last copy or work that was asked for before it.
struct Event {
  int device;
  uint64_t number;
};

constexpr uint64_t ANY = UINT64_MAX;

void run_copies_before(const Event& event) {
  run_those([&](const Copy& copy) { return copy.device == event.device && copy.number <= event.number; });
}

// What a device has taken on before an event and not done.
std::vector<std::shared_ptr<Work>> undone(const Event& event) {
  const std::lock_guard<std::mutex> lock(mutex);
  works().remove_if([](const Pending& it) { return it.work->is_done(); });
  std::vector<std::shared_ptr<Work>> result;
  for (const Pending& it : works()) {
    if (it.device == event.device && it.number <= event.number) result.push_back(it.work);
  }
  return result;
}

void wait_for(const Event& event) {
  for (const auto& work : undone(event)) work->wait();
  run_copies_before(event);
}

// Whether a device has come as far as an event.
bool has_reached(const Event& event) {
  if (!undone(event).empty()) return false;
  run_copies_before(event);
  return true;
}

thread_local c10::DeviceIndex device_in_use = 0;
thread_local std::vector<c10::StreamId> streams_in_use;

// Streams differ by name alone: there is one queue a device.
struct Guard final : c10::impl::DeviceGuardImplInterface {
  static constexpr c10::DeviceType static_type = c10::DeviceType::CUDA;

  static c10::Device device(c10::DeviceIndex index) { return {static_type, index}; }
  static c10::StreamId& stream_of(c10::DeviceIndex index) {
    if (index < 0) index = device_in_use;
    streams_in_use.resize(std::max<size_t>(streams_in_use.size(), index + 1));
    return streams_in_use[index];
  }

  c10::DeviceType type() const override { return static_type; }
  c10::Device getDevice() const override { return device(device_in_use); }
  c10::Device exchangeDevice(c10::Device other) const override {
    const c10::Device before = getDevice();
    setDevice(other);
    return before;
  }
  void setDevice(c10::Device other) const override {
    TORCH_CHECK(other.index() < device_count(), "CUDA error: invalid device ordinal");
    uncheckedSetDevice(other);
  }
  void uncheckedSetDevice(c10::Device other) const noexcept override {
    if (other.has_index()) device_in_use = other.index();
  }
  c10::DeviceIndex deviceCount() const noexcept override { return static_cast<c10::DeviceIndex>(device_count()); }

  c10::Stream getStream(c10::Device of) const override {
    return c10::Stream(c10::Stream::UNSAFE, of, stream_of(of.index()));
  }
  c10::Stream getDefaultStream(c10::Device of) const override {
    return c10::Stream(c10::Stream::DEFAULT, of);
  }
  c10::Stream getStreamFromGlobalPool(c10::Device of, bool) const override { return getNewStream(of, 0); }
  c10::Stream getNewStream(c10::Device of, int) const override {
    static std::atomic<c10::StreamId> last{0};
    return c10::Stream(c10::Stream::UNSAFE, of, ++last);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    const c10::Stream before = getStream(stream.device());
    stream_of(stream.device_index()) = stream.id();
    return before;
  }
  void* getStreamNativeHandle(const c10::Stream stream) const override {
    return reinterpret_cast<void*>(stream_of(stream.device_index()));
  }
  bool queryStream(const c10::Stream& stream) const override { return has_reached({stream.device_index(), ANY}); }
  void synchronizeStream(const c10::Stream& stream) const override { synchronizeDevice(stream.device_index()); }
  void synchronizeDevice(c10::DeviceIndex index) const override {
    count_wait("device");
    run_all_copies(index);
  }

  void record(void** event, const c10::Stream& stream, c10::DeviceIndex, c10::EventFlag) const override {
    const std::lock_guard<std::mutex> lock(mutex);
    if (*event == nullptr) *event = new Event;
    *static_cast<Event*>(*event) = {stream.device_index(), last_number};
  }
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void* event) const override {
    return event == nullptr || has_reached(*static_cast<Event*>(event));
  }
  void synchronizeEvent(void* event) const override {
    count_wait("event");
    if (event != nullptr) wait_for(*static_cast<Event*>(event));
  }
  void destroyEvent(void* event, c10::DeviceIndex) const noexcept override { delete static_cast<Event*>(event); }
  void recordDataPtrOnStream(const c10::DataPtr&, const c10::Stream&) const override {}
};

C10_REGISTER_GUARD_IMPL(CUDA, Guard)

}  // namespace

int current_device() {
  return device_in_use;
}

void copy_in_later(int device, const at::TensorBase& to, const at::TensorBase& from) {
  const std::lock_guard<std::mutex> lock(mutex);
  const Tensor source(from);
  copies().push_back({device, Tensor(to), source, true, bytes_of(source), ++last_number});
}

void copy_out_later(int device, const at::TensorBase& to, const at::TensorBase& from) {
  run_copies_in(device);
  const c10::impl::ExcludeDispatchKeyGuard below_autograd(c10::autograd_dispatch_keyset_with_ADInplaceOrView);
  const std::lock_guard<std::mutex> lock(mutex);
  // Kernels that follow may write to the source, after the device has read it.
  const Tensor target(to), source = Tensor(from).clone();
  memset(target.mutable_data_ptr(), 0xFF, bytes_of(target).size());
  copies().push_back({device, target, source, false, {}, ++last_number});
}

void take_on(int device, std::shared_ptr<Work> work) {
  const std::lock_guard<std::mutex> lock(mutex);
  works().push_back({device, std::move(work), ++last_number});
}

void run_copies_in(int device) {
  for (const auto& work : undone({device, ANY})) work->wait();
  run_those([&](const Copy& copy) { return copy.device == device && copy.comes_in; });
}

void run_all_copies(int device) {
  wait_for({device, ANY});
}

}  // namespace phantom
