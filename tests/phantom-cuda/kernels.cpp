#include "kernels.h"

#include "memory.h"
#include "report.h"
#include "stream.h"

#include <ATen/EmptyTensor.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include <algorithm>
#include <cstring>
#include <set>

namespace phantom {
namespace {

using at::Tensor;
using c10::DispatchKey;
using c10::DispatchKeySet;
using c10::IValue;
using BelowAutograd = c10::impl::ExcludeDispatchKeyGuard;

const DispatchKeySet CUDA(DispatchKey::CUDA);

c10::Device device(int index) {
  return {c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index)};
}

// Operators that take host tensors of any size beside device tensors: indices are copied to the device.
bool takes_host_indices(const std::string& name) {
  static const std::set<std::string> names{"aten::index.Tensor", "aten::_index_put_impl_", "aten::index_put_"};
  return names.count(name) != 0;
}

// Operators whose result the host needs before it can go on.
bool makes_the_host_wait(const std::string& name) {
  static const std::set<std::string> names{
      "aten::_local_scalar_dense", "aten::equal",           "aten::nonzero", "aten::masked_select",
      "aten::_unique2",            "aten::unique_consecutive", "aten::unique_dim", "aten::bincount",
      "aten::repeat_interleave.Tensor"};
  return names.count(name) != 0;
}

// The arguments of one call, turned into what the CPU computes on.
class Call {
 public:
  Call(const c10::FunctionSchema& schema, std::string name, torch::jit::Stack* stack)
      : schema_(schema), name_(std::move(name)), stack_(stack), given_(stack->end() - num_arguments(), stack->end()) {}

  // Which device it runs on: that of its tensors, or the one it is asked to make them on.
  int find_device() {
    int found = -1;
    for (size_t i = 0; i < num_arguments(); i++) {
      each_tensor(given_[i], [&](const Tensor& tensor) { found = same_device(found, tensor); });
      if (given_[i].isDevice() && given_[i].toDevice().has_index()) found = given_[i].toDevice().index();
    }
    return found < 0 ? current_device() : found;
  }

  void turn_arguments() {
    for (size_t i = 0; i < num_arguments(); i++) {
      const auto* alias = schema_.arguments()[i].alias_info();
      turn((*stack_)[stack_->size() - num_arguments() + i], alias != nullptr && alias->isWrite());
    }
  }

  // Puts results where they belong: into device memory that was given, or into new memory.
  void turn_results() {
    for (auto& [on_device, computed] : grown_) {
      if (computed.numel() == 0) continue;
      on_device.resize_(computed.sizes());
      as_kernels_see(on_device).copy_(computed);
    }
    const size_t count = schema_.returns().size();
    for (size_t i = 0; i < count; i++) {
      turn_result((*stack_)[stack_->size() - count + i], schema_.returns()[i].alias_info());
    }
  }

 private:
  size_t num_arguments() const { return schema_.arguments().size(); }

  template <typename Visit>
  static void each_tensor(const IValue& value, Visit visit) {
    if (value.isTensor()) {
      visit(value.toTensor());
    } else if (value.isTensorList()) {
      for (const Tensor& tensor : value.toTensorVector()) visit(tensor);
    } else if (value.isOptionalTensorList()) {
      for (const std::optional<Tensor> tensor : value.toOptionalTensorList()) {
        if (tensor) visit(*tensor);
      }
    }
  }

  int same_device(int before, const Tensor& tensor) const {
    if (!is_on_device(tensor)) return before;
    const int index = tensor.device().index();
    TORCH_CHECK(before < 0 || before == index, "Expected all tensors to be on the same device, but ", name_,
                " found at least two devices, cuda:", before, " and cuda:", index, "!");
    return index;
  }

  void turn(IValue& value, bool is_written) {
    if (value.isTensor()) {
      value = turned(value.toTensor(), is_written);
    } else if (value.isTensorList()) {
      std::vector<Tensor> list;
      for (const Tensor& tensor : value.toTensorVector()) list.push_back(turned(tensor, is_written));
      value = list;
    } else if (value.isOptionalTensorList()) {
      c10::List<std::optional<Tensor>> list;
      for (const std::optional<Tensor> tensor : value.toOptionalTensorList()) {
        list.push_back(tensor ? std::optional<Tensor>(turned(*tensor, is_written)) : std::nullopt);
      }
      value = list;
    } else if (value.isDevice()) {
      value = c10::Device(c10::kCPU);
    }
  }

  Tensor turned(const Tensor& tensor, bool is_written) {
    if (!tensor.defined()) return tensor;
    if (!is_on_device(tensor)) {
      check_host_tensor(tensor);
      return tensor;
    }
    if (is_written && tensor.numel() == 0) {
      const Tensor computed = at::empty({0}, tensor.options().device(c10::kCPU));
      grown_.emplace_back(tensor, computed);
      return computed;
    }
    return as_kernels_see(tensor);
  }

  void check_host_tensor(const Tensor& tensor) const {
    if (tensor.dim() == 0) return;
    TORCH_CHECK(takes_host_indices(name_), "Expected all tensors to be on the same device, but ", name_,
                " found at least two devices, cuda:", current_device(), " and cpu!");
    count_copy_in(tensor.nbytes());
    count_wait("indices copied in");
  }

  void turn_result(IValue& value, const c10::AliasInfo* alias) {
    if (value.isTensorList()) {
      std::vector<Tensor> list;
      for (const Tensor& tensor : value.toTensorVector()) list.push_back(on_device(tensor));
      value = list;
    } else if (value.isTensor() && alias == nullptr) {
      value = on_device(value.toTensor());
    } else if (value.isTensor() && value.toTensor().defined()) {
      TORCH_CHECK(alias->isWrite(), "phantom: the view operator ", name_, " has no kernel");
      for (size_t i = 0; i < num_arguments(); i++) {
        const auto* given = schema_.arguments()[i].alias_info();
        if (given != nullptr && given_[i].isTensor() && *given == *alias) value = given_[i];
      }
    }
  }

  const c10::FunctionSchema& schema_;
  std::string name_;
  torch::jit::Stack* stack_;
  std::vector<IValue> given_;
  std::vector<std::pair<Tensor, Tensor>> grown_;  // A tensor without room, and what is to be put into it.
};

Tensor empty(c10::SymIntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
             std::optional<at::Device> on, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  const c10::OptionalDeviceGuard guard(on);
  return at::detail::empty_generic(C10_AS_INTARRAYREF_SLOW(size), device_allocator(), CUDA,
                                   dtype.value_or(at::kFloat), format);
}

Tensor empty_strided(c10::SymIntArrayRef size, c10::SymIntArrayRef stride, std::optional<at::ScalarType> dtype,
                     std::optional<at::Layout>, std::optional<at::Device> on, std::optional<bool>) {
  const c10::OptionalDeviceGuard guard(on);
  return at::detail::empty_strided_generic(C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride),
                                           device_allocator(), CUDA, dtype.value_or(at::kFloat));
}

void copy_in(const Tensor& self, const Tensor& source, bool non_blocking) {
  const int to = self.device().index();
  count_copy_in(source.nbytes());
  if (non_blocking && is_pinned(source.const_data_ptr())) {
    copy_in_later(to, as_kernels_see(self), source);
    return;
  }
  // Other memory is staged before the call returns, and may then be used again.
  if (!non_blocking) count_wait("copy in");
  run_copies_in(to);
  as_kernels_see(self).copy_(source);
}

void copy_out(const Tensor& self, const Tensor& source, bool non_blocking) {
  const int from = source.device().index();
  count_copy_out(self.nbytes());
  if (non_blocking && is_pinned(self.const_data_ptr())) {
    copy_out_later(from, self, as_kernels_see(source));
    return;
  }
  count_wait("copy out");
  run_all_copies(from);
  self.copy_(as_kernels_see(source));
}

Tensor& copy_(Tensor& self, const Tensor& source, bool non_blocking) {
  const BelowAutograd below(c10::autograd_dispatch_keyset_with_ADInplaceOrView);
  if (!is_on_device(source)) {
    copy_in(self, source, non_blocking);
  } else if (!is_on_device(self)) {
    copy_out(self, source, non_blocking);
  } else {
    if (self.device() != source.device()) count_copy_across(source.nbytes());
    run_copies_in(source.device().index());
    launch("aten::copy_", self);
    as_kernels_see(self).copy_(as_kernels_see(source));
  }
  return self;
}

const Tensor& resize_(const Tensor& self, c10::SymIntArrayRef size, std::optional<at::MemoryFormat>) {
  const c10::DeviceGuard guard(self.device());
  auto* impl = self.unsafeGetTensorImpl();
  impl->set_sizes_contiguous(C10_AS_INTARRAYREF_SLOW(size));
  auto& storage = impl->unsafe_storage();
  const size_t needed = (impl->numel() + impl->storage_offset()) * self.itemsize();
  if (needed > storage.nbytes()) {
    auto fresh = device_allocator()->allocate(needed);
    if (storage.nbytes() > 0) {
      memcpy(as_kernels_see(fresh.get()), as_kernels_see(storage.data()), storage.nbytes());
    }
    storage.set_data_ptr_noswap(std::move(fresh));
    storage.set_nbytes(needed);
  }
  return self;
}

}  // namespace

bool is_on_device(const Tensor& tensor) {
  return tensor.defined() && tensor.is_cuda();
}

Tensor as_kernels_see(const Tensor& tensor) {
  if (!is_on_device(tensor)) return tensor;
  const BelowAutograd below(c10::autograd_dispatch_keyset_with_ADInplaceOrView);
  const auto options = tensor.options().device(c10::kCPU);
  if (tensor.numel() == 0) return at::empty_strided(tensor.sizes(), tensor.strides(), options);
  void* address = tensor.unsafeGetTensorImpl()->mutable_data();
  TORCH_CHECK(is_device_address(address), "phantom: a tensor of cuda has memory of the host");
  return at::from_blob(as_kernels_see(address), tensor.sizes(), tensor.strides(), options);
}

Tensor on_device(const Tensor& computed) {
  if (!computed.defined()) return computed;
  const Tensor dense = computed.is_non_overlapping_and_dense() ? computed : computed.contiguous();
  const Tensor result = at::detail::empty_strided_generic(dense.sizes(), dense.strides(), device_allocator(), CUDA,
                                                          dense.scalar_type());
  if (dense.numel() > 0) {
    memcpy(as_kernels_see(result.unsafeGetTensorImpl()->mutable_data()), dense.const_data_ptr(), dense.nbytes());
  }
  return result;
}

void launch(const std::string& name, const Tensor& on) {
  count_launch(name);
  run_copies_in(on.device().index());
}

void compute(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto& schema = op.schema();
  const auto& overload = schema.overload_name();
  const std::string name = overload.empty() ? schema.name() : schema.name() + "." + overload;
  Call call(schema, name, stack);
  const int runs_on = call.find_device();
  const c10::DeviceGuard guard(device(runs_on));
  count_launch(name);
  run_copies_in(runs_on);
  if (makes_the_host_wait(name)) {
    count_wait(name);
    run_all_copies(runs_on);
  }
  const BelowAutograd below(c10::autograd_dispatch_keyset_with_ADInplaceOrView);
  call.turn_arguments();
  op.redispatchBoxed(DispatchKeySet(DispatchKey::CPU), stack);
  call.turn_results();
}

TORCH_LIBRARY_IMPL(_, CUDA, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&compute>());
}

// Every operator that the CPU computes with a kernel of its own, as CUDA does; else libtorch would take some apart, which
// it does where a device has no kernel. Views and what makes or moves memory stand below.
void register_all_of_the_cpu(torch::Library& m) {
  static const std::set<std::string> OTHERS{"empty.memory_format", "empty_strided", "copy_", "resize_",
                                            "_fused_sdp_choice"};
  auto& dispatcher = c10::Dispatcher::singleton();
  for (const auto& name : dispatcher.getAllOpNames()) {
    const auto op = dispatcher.findSchema(name);
    if (name.name.rfind("aten::", 0) != 0 || !op || !op->hasKernelForDispatchKey(DispatchKey::CPU)) continue;
    const auto& returns = op->schema().returns();
    const auto is_view = [](const c10::Argument& it) { return it.alias_info() != nullptr && !it.alias_info()->isWrite(); };
    const std::string overload = name.overload_name.empty() ? "" : "." + name.overload_name;
    const std::string plain = name.name.substr(strlen("aten::")) + overload;
    const bool moves_memory = OTHERS.count(plain) != 0 || plain.rfind("set_", 0) == 0;
    if (moves_memory || std::any_of(returns.begin(), returns.end(), is_view)) continue;
    m.impl(plain.c_str(), torch::CppFunction::makeFromBoxedFunction<&compute>());
  }
}

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  register_all_of_the_cpu(m);
  m.impl("empty.memory_format", &empty);
  m.impl("empty_strided", &empty_strided);
  m.impl("copy_", &copy_);
  m.impl("resize_", &resize_);
  m.impl("as_strided", &at::native::as_strided_tensorimpl);
  m.impl("view", &at::native::view);
  m.impl("_reshape_alias", &at::native::_reshape_alias);
  m.impl("unfold", &at::native::unfold);
}

}  // namespace phantom
