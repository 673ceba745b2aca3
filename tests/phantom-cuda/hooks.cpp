// What libtorch's CPU half asks its CUDA half before it uses it.

#include "memory.h"
#include "stream.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace at {
namespace {

using c10::DeviceType;

struct PhantomHooks final : CUDAHooksInterface {
  explicit PhantomHooks(CUDAHooksArgs) {}

  static c10::impl::VirtualGuardImpl guard() { return c10::impl::VirtualGuardImpl(DeviceType::CUDA); }

  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return phantom::device_count() > 0; }
  bool hasCUDA() const override { return isAvailable(); }
  bool hasCUDART() const override { return true; }
  bool hasPrimaryContext(DeviceIndex device) const override { return device < deviceCount(); }

  DeviceIndex deviceCount() const override { return static_cast<DeviceIndex>(phantom::device_count()); }
  int getNumGPUs() const override { return phantom::device_count(); }
  DeviceIndex current_device() const override { return getCurrentDevice(); }
  DeviceIndex getCurrentDevice() const override { return static_cast<DeviceIndex>(phantom::current_device()); }
  void setCurrentDevice(DeviceIndex device) const override { exchangeDevice(device); }
  DeviceIndex exchangeDevice(DeviceIndex device) const override {
    return guard().exchangeDevice({DeviceType::CUDA, device}).index();
  }
  DeviceIndex maybeExchangeDevice(DeviceIndex device) const override { return exchangeDevice(device); }
  void deviceSynchronize(DeviceIndex device) const override { guard().synchronizeDevice(device); }

  // Random numbers are the CPU's: the same seed draws the same on both.
  const Generator& getDefaultGenerator(DeviceIndex) const override { return detail::getDefaultCPUGenerator(); }
  Generator getNewGenerator(DeviceIndex) const override { return detail::createCPUGenerator(); }

  Allocator* getCUDADeviceAllocator() const override { return phantom::device_allocator(); }
  Allocator* getPinnedMemoryAllocator() const override { return phantom::pinned_allocator(); }
  bool isPinnedPtr(const void* address) const override { return phantom::is_pinned(address); }
  Device getDeviceFromPtr(void* address) const override {
    TORCH_CHECK(phantom::is_device_address(address), "phantom: an address of the host");
    return {DeviceType::CUDA, static_cast<DeviceIndex>(phantom::device_of(address))};
  }
};

C10_REGISTER_TYPED_CLASS(CUDAHooksRegistry, "CUDAHooks", PhantomHooks)

}  // namespace
}  // namespace at
