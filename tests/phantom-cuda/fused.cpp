// Operators that CUDA computes in one kernel and the CPU in several: lists of tensors at once, and the root mean square
// norm. (Asked of the real library: `torch._C._dispatch_has_kernel_for_dispatch_key(name, "CUDA")`.)

#include "kernels.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include <array>

namespace phantom {
namespace {

using at::Tensor;

// The gradients of y = w · x · r with r = 1/√(mean(x²) + ε), step by step as autograd takes them on the CPU, so that they
// are equal to the bit.
std::tuple<Tensor, Tensor> fused_rms_norm_backward(const Tensor& grad_out, const Tensor& input,
                                                   c10::IntArrayRef normalized_shape, const Tensor& rstd,
                                                   const std::optional<Tensor>& weight, std::array<bool, 2> wanted) {
  launch("aten::_fused_rms_norm_backward", input);
  const c10::DeviceGuard guard(input.device());
  const c10::impl::ExcludeDispatchKeyGuard below(c10::autograd_dispatch_keyset_with_ADInplaceOrView);
  const auto wide = input.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const Tensor x = as_kernels_see(input).to(wide), r = as_kernels_see(rstd).to(wide);
  const Tensor grad = as_kernels_see(grad_out).to(wide);
  const int64_t leading = input.dim() - static_cast<int64_t>(normalized_shape.size());
  std::vector<int64_t> outer, inner;
  for (int64_t i = 0; i < input.dim(); i++) (i < leading ? outer : inner).push_back(i);

  const bool has_weight = weight.has_value() && weight->defined();
  const Tensor scaled = has_weight ? grad * as_kernels_see(*weight) : grad;
  Tensor grad_input, grad_weight;
  if (wanted[0]) {
    const Tensor grad_r = (scaled * x).sum(inner, /*keepdim=*/true);
    const Tensor grad_mean = grad_r * (r.pow(3) * -0.5);
    double count = 1;
    for (const int64_t size : normalized_shape) count *= static_cast<double>(size);
    grad_input = (scaled * r + grad_mean.expand_as(x) / count * (x * 2)).to(input.scalar_type());
  }
  if (wanted[1] && has_weight) {
    const Tensor each = grad * (x * r);
    grad_weight = (outer.empty() ? each : each.sum(outer)).to(weight->scalar_type());
  }
  return {on_device(grad_input), on_device(grad_weight)};
}

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("_fused_rms_norm", torch::CppFunction::makeFromBoxedFunction<&compute>());
  m.impl("_fused_rms_norm_backward", &fused_rms_norm_backward);
  m.impl("_grouped_mm", torch::CppFunction::makeFromBoxedFunction<&compute>());
  for (const auto& name : c10::Dispatcher::singleton().getAllOpNames()) {
    const bool is_list = name.name.rfind("aten::_foreach_", 0) == 0;
    const bool is_out = name.overload_name.find("out") != std::string::npos;
    if (!is_list || is_out) continue;
    const std::string overload = name.overload_name.empty() ? "" : "." + name.overload_name;
    const std::string plain = name.name.substr(name.name.find("::") + 2) + overload;
    m.impl(plain.c_str(), torch::CppFunction::makeFromBoxedFunction<&compute>());
  }
}

}  // namespace
}  // namespace phantom
