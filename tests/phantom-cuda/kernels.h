// The common part of all kernels: device memory as the CPU computes on it, and results put into device memory.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>

namespace phantom {

bool is_on_device(const at::Tensor& tensor);

// The same memory as a tensor of the CPU; a tensor of the CPU is itself.
at::Tensor as_kernels_see(const at::Tensor& tensor);

// A copy of what the CPU computed, in fresh memory of the current device. Undefined stays undefined.
at::Tensor on_device(const at::Tensor& computed);

// Any operator, as the CPU computes it: counted, checked, and with its results on the device.
void compute(const c10::OperatorHandle& op, torch::jit::Stack* stack);

// What stands before a kernel that is not computed by `compute`.
void launch(const std::string& name, const at::Tensor& on);

}  // namespace phantom
