// Which device a thread works on, and what the devices have not done yet. Kernels run at once; copies from and to pinned
// memory that nobody waited for run as late as a real device might run them: into the device before the next kernel, out
// of it when the host waits. Until then what will be copied out reads as 0xFF, and who writes to memory that has still to
// be copied in is told so. What needs other processes has its own time: the device's next kernel waits for it, and here
// the host with it.
#pragma once

#include <ATen/core/TensorBase.h>

#include <memory>

namespace phantom {

int current_device();

// Takes a copy on: `to` and `from` are tensors of the host, or device memory as kernels see it.
void copy_in_later(int device, const at::TensorBase& to, const at::TensorBase& from);
void copy_out_later(int device, const at::TensorBase& to, const at::TensorBase& from);

// Something that takes its own time.
struct Work {
  virtual ~Work() = default;
  virtual bool is_done() = 0;
  virtual void wait() = 0;
};

// Takes it on behind everything that the device was asked before.
void take_on(int device, std::shared_ptr<Work> work);

// What a device does before its next kernel.
void run_copies_in(int device);

// What has happened by the time that the host has waited for a device.
void run_all_copies(int device);

}  // namespace phantom
