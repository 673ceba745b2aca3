// Attention as CUDA has it: three fused kernels, each with conditions of its own, and plain steps where none will do. The
// choice is that of a card of compute capability 9.0 (ATen/native/transformers/cuda/sdp_utils.cpp of libtorch 2.11); what
// is chosen is computed by the CPU's flash kernel. cuDNN's has no twin here: a program that lets it be chosen fails.

#include "kernels.h"

#include <ATen/native/transformers/attention.h>
#include <ATen/native/transformers/sdp_utils_cpp.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include <array>
#include <vector>

namespace phantom {
namespace {

using at::Tensor;
using c10::SymInt;
using sdp::SDPBackend;
using BelowAutograd = c10::impl::ExcludeDispatchKeyGuard;

const std::vector<at::ScalarType> HALVES{at::kHalf, at::kBFloat16};
const std::vector<at::ScalarType> EFFICIENT{at::kHalf, at::kBFloat16, at::kFloat};
constexpr int64_t WIDEST_FLASH_HEAD = 256;

bool has_equal_head_dims(const sdp::sdp_params& of) {
  return of.query.size(-1) == of.key.size(-1) && of.query.size(-1) == of.value.size(-1);
}

bool is_causal_over_a_rectangle(const sdp::sdp_params& of) {
  return of.is_causal && of.query.size(-2) != of.key.size(-2);
}

bool suits_all(const sdp::sdp_params& of) {
  return sdp::check_tensor_shapes(of, false) && sdp::check_nonzero_sequence_lengths_dense(of, false);
}

bool suits_flash(const sdp::sdp_params& of) {
  return suits_all(of) && sdp::check_runtime_disabled_flash(of, false) && sdp::check_tensor_dtype(of, HALVES, false) &&
      sdp::check_for_attn_mask(of, false) && has_equal_head_dims(of) && of.query.size(-1) <= WIDEST_FLASH_HEAD &&
      !is_causal_over_a_rectangle(of) && sdp::check_batch_size_and_num_heads_dense<true>(of, false) &&
      sdp::check_last_dim_stride_equals_1_dense<true>(of, false);
}

bool suits_efficient(const sdp::sdp_params& of) {
  // Rows are read sixteen bytes at a time.
  const int64_t aligned = 16 / of.query.itemsize();
  const bool is_aligned = of.query.size(-1) % aligned == 0 && of.value.size(-1) % aligned == 0;
  return suits_all(of) && sdp::check_runtime_disabled_mem_efficient(of, false) &&
      sdp::check_tensor_dtype(of, EFFICIENT, false) && sdp::check_attn_mask_shape(of, false) && is_aligned &&
      of.query.size(-1) == of.key.size(-1) && sdp::check_batch_size_and_num_heads_dense<false>(of, false) &&
      sdp::check_last_dim_stride_equals_1_dense<false>(of, false);
}

bool suits_cudnn(const sdp::sdp_params& of) {
  return suits_all(of) && at::globalContext().userEnabledCuDNNSDP() && sdp::check_tensor_dtype(of, HALVES, false) &&
      of.query.size(-1) % 8 == 0 && sdp::check_last_dim_stride_equals_1_dense<true>(of, false);
}

int64_t choose(const Tensor& query, const Tensor& key, const Tensor& value, const std::optional<Tensor>& mask,
               double dropout, bool is_causal, std::optional<double>, bool enable_gqa) {
  const sdp::sdp_params of{query, key, value, mask, dropout, is_causal, enable_gqa};
  const SDPBackend chosen = suits_cudnn(of) ? SDPBackend::cudnn_attention
      : suits_flash(of)                     ? SDPBackend::flash_attention
      : suits_efficient(of)                 ? SDPBackend::efficient_attention
                                            : SDPBackend::math;
  return static_cast<int64_t>(chosen);
}

// Seeds of a dropout that is not there.
Tensor seed() {
  return on_device(at::zeros({2}, at::kLong));
}

std::tuple<Tensor, Tensor, Tensor, Tensor, SymInt, SymInt, Tensor, Tensor, Tensor> flash(
    const Tensor& query, const Tensor& key, const Tensor& value, double dropout, bool is_causal, bool,
    std::optional<double> scale) {
  launch("aten::_scaled_dot_product_flash_attention", query);
  const c10::DeviceGuard guard(query.device());
  const BelowAutograd below(c10::autograd_dispatch_keyset_with_ADInplaceOrView);
  const auto [out, logsumexp] = at::_scaled_dot_product_flash_attention_for_cpu(
      as_kernels_see(query), as_kernels_see(key), as_kernels_see(value), dropout, is_causal, {}, scale);
  return {on_device(out), on_device(logsumexp), {}, {}, query.size(2), key.size(2), seed(), seed(), {}};
}

std::tuple<Tensor, Tensor, Tensor> flash_backward(const Tensor& grad_out, const Tensor& query, const Tensor& key,
                                                  const Tensor& value, const Tensor& out, const Tensor& logsumexp,
                                                  const Tensor&, const Tensor&, SymInt, SymInt, double dropout,
                                                  bool is_causal, const Tensor&, const Tensor&,
                                                  std::optional<double> scale) {
  launch("aten::_scaled_dot_product_flash_attention_backward", query);
  const c10::DeviceGuard guard(query.device());
  const BelowAutograd below(c10::autograd_dispatch_keyset_with_ADInplaceOrView);
  const auto [grad_query, grad_key, grad_value] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
      as_kernels_see(grad_out), as_kernels_see(query), as_kernels_see(key), as_kernels_see(value), as_kernels_see(out),
      as_kernels_see(logsumexp), dropout, is_causal, {}, scale);
  return {on_device(grad_query), on_device(grad_key), on_device(grad_value)};
}

std::optional<Tensor> mask_of(const std::optional<Tensor>& bias) {
  const bool is_there = bias.has_value() && bias->defined();
  return is_there ? std::optional<Tensor>(as_kernels_see(*bias)) : std::nullopt;
}

std::tuple<Tensor, Tensor, Tensor, Tensor> efficient(const Tensor& query, const Tensor& key, const Tensor& value,
                                                     const std::optional<Tensor>& bias, bool, double dropout,
                                                     bool is_causal, std::optional<double> scale) {
  launch("aten::_scaled_dot_product_efficient_attention", query);
  const c10::DeviceGuard guard(query.device());
  const BelowAutograd below(c10::autograd_dispatch_keyset_with_ADInplaceOrView);
  const auto [out, logsumexp] = at::_scaled_dot_product_flash_attention_for_cpu(
      as_kernels_see(query), as_kernels_see(key), as_kernels_see(value), dropout, is_causal, mask_of(bias), scale);
  return {on_device(out), on_device(logsumexp), seed(), seed()};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> efficient_backward(
    const Tensor& grad_out, const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& bias,
    const Tensor& out, const Tensor& logsumexp, const Tensor&, const Tensor&, double dropout, std::array<bool, 4> wanted,
    bool is_causal, std::optional<double> scale) {
  TORCH_CHECK(!wanted[3], "phantom: no gradient of an attention bias");
  launch("aten::_scaled_dot_product_efficient_attention_backward", query);
  const c10::DeviceGuard guard(query.device());
  const BelowAutograd below(c10::autograd_dispatch_keyset_with_ADInplaceOrView);
  const auto [grad_query, grad_key, grad_value] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
      as_kernels_see(grad_out), as_kernels_see(query), as_kernels_see(key), as_kernels_see(value), as_kernels_see(out),
      as_kernels_see(logsumexp), dropout, is_causal, mask_of(bias), scale);
  return {on_device(grad_query), on_device(grad_key), on_device(grad_value), {}};
}

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("_fused_sdp_choice", &choose);
  m.impl("_scaled_dot_product_flash_attention", &flash);
  m.impl("_scaled_dot_product_flash_attention_backward", &flash_backward);
  m.impl("_scaled_dot_product_efficient_attention", &efficient);
  m.impl("_scaled_dot_product_efficient_attention_backward", &efficient_backward);
}

}  // namespace
}  // namespace phantom

namespace at::native {
REGISTER_CUDA_DISPATCH(_fused_sdp_choice_stub, &phantom::choose)
}  // namespace at::native
