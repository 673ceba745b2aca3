// Attention over sequences that lie one behind the other, each by itself, as FlashAttention's kernel on CUDA has it: for
// 16 bits, heads of a multiple of eight features and at most 256, starts as int32. Computed sequence by sequence by the
// CPU's flash kernel.

#include "kernels.h"

#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include <algorithm>
#include <vector>

namespace phantom {
namespace {

using at::Tensor;
using c10::SymInt;
using BelowAutograd = c10::impl::ExcludeDispatchKeyGuard;

constexpr int64_t WIDEST_HEAD = 256, ALIGNED = 8;

// Where each sequence begins, and where the last ends.
std::vector<int64_t> starts_of(const std::optional<Tensor>& starts, int64_t tokens, const SymInt& longest) {
  TORCH_CHECK(starts && starts->scalar_type() == at::kInt && starts->is_contiguous(), "starts have to be int32, in one piece");
  TORCH_CHECK(is_on_device(*starts), "starts have to be on the device");
  const Tensor seen = as_kernels_see(*starts);
  const int* numbers = seen.const_data_ptr<int>();
  const std::vector<int64_t> all(numbers, numbers + seen.numel());
  TORCH_CHECK(all.front() == 0 && all.back() == tokens, "sequences end at ", all.back(), " of ", tokens, " tokens");
  for (size_t i = 1; i < all.size(); i++) {
    TORCH_CHECK(all[i] >= all[i - 1] && all[i] - all[i - 1] <= longest, "a sequence is longer than the longest");
  }
  return all;
}

void check_numbers(const Tensor& x, const Tensor& query) {
  TORCH_CHECK(x.dim() == 3 && x.scalar_type() == query.scalar_type() && x.stride(-1) == 1, "tokens, heads, features");
  TORCH_CHECK(x.scalar_type() == at::kHalf || x.scalar_type() == at::kBFloat16, "FlashAttention only supports 16 bits");
  TORCH_CHECK(x.size(2) == query.size(2) && x.size(2) % ALIGNED == 0 && x.size(2) <= WIDEST_HEAD, "features of a head");
}

// Of one sequence, for a kernel that wants [1, H, T, Dh].
Tensor of_one(const Tensor& x, int64_t start, int64_t end) {
  return x.slice(0, start, end).transpose(0, 1).unsqueeze(0);
}

// Added to the scores: the last query stands at the last key. // [queries, keys]
Tensor mask(int64_t queries, int64_t keys, int64_t left, at::ScalarType kind) {
  const Tensor ones = at::ones({queries, keys}, at::kBool);
  Tensor hidden = ones.triu(keys - queries + 1);
  if (left >= 0) hidden = hidden.logical_or(ones.tril(keys - queries - left - 1));
  return at::zeros({queries, keys}, kind).masked_fill(hidden, -INFINITY);
}

struct One {
  int64_t first_query, end_query, first_key, end_key;
  bool is_causal;
  std::optional<Tensor> mask;
};

// The sequences, and what each of their tokens sees.
std::vector<One> sequences(const std::vector<int64_t>& queries, const std::vector<int64_t>& keys, int64_t left,
                           at::ScalarType kind) {
  TORCH_CHECK(queries.size() == keys.size(), "as many sequences of keys as of queries");
  std::vector<One> all;
  for (size_t i = 1; i < queries.size(); i++) {
    const int64_t own = queries[i] - queries[i - 1], seen = keys[i] - keys[i - 1];
    TORCH_CHECK(own > 0 && own <= seen, "a query that sees nothing");
    const bool is_plain = own == seen && (left < 0 || left + 1 >= seen);
    all.push_back({queries[i - 1], queries[i], keys[i - 1], keys[i], is_plain,
                   is_plain ? std::nullopt : std::optional<Tensor>(mask(own, seen, left, kind))});
  }
  return all;
}

int64_t left_of(const std::optional<SymInt>& left, const std::optional<SymInt>& right, bool is_causal) {
  TORCH_CHECK(is_causal && right && *right == 0, "phantom: only what is causal");
  return left ? left->expect_int() : -1;
}

// A number that stands for a seed of a dropout that is not there.
Tensor seed() {
  return on_device(at::zeros({2}, at::kLong));
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> forward(
    const Tensor& query, const Tensor& key, const Tensor& value, const std::optional<Tensor>& query_starts,
    const std::optional<Tensor>& key_starts, SymInt most_queries, SymInt most_keys, double dropout, bool is_causal,
    bool, std::optional<double> scale, std::optional<SymInt> left, std::optional<SymInt> right,
    const std::optional<Tensor>&, const std::optional<Tensor>&) {
  launch("aten::_flash_attention_forward", query);
  const c10::DeviceGuard guard(query.device());
  const BelowAutograd below(c10::autograd_dispatch_keyset_with_ADInplaceOrView);
  for (const Tensor* x : {&query, &key, &value}) check_numbers(*x, query);
  const Tensor q = as_kernels_see(query), k = as_kernels_see(key), v = as_kernels_see(value);
  const auto all = sequences(starts_of(query_starts, q.size(0), most_queries), starts_of(key_starts, k.size(0), most_keys),
                             left_of(left, right, is_causal), q.scalar_type());
  Tensor out = at::empty(q.sizes(), q.options());
  Tensor logsumexp = at::empty({q.size(1), q.size(0)}, q.options().dtype(at::kFloat));
  for (const One& one : all) {
    const auto [gathered, sums] = at::_scaled_dot_product_flash_attention_for_cpu(
        of_one(q, one.first_query, one.end_query), of_one(k, one.first_key, one.end_key),
        of_one(v, one.first_key, one.end_key), dropout, one.is_causal, one.mask, scale);
    of_one(out, one.first_query, one.end_query).copy_(gathered);
    logsumexp.slice(1, one.first_query, one.end_query).copy_(sums[0]);
  }
  return {on_device(out), on_device(logsumexp), seed(), seed(), on_device(at::empty({0}, q.options()))};
}

std::tuple<Tensor, Tensor, Tensor> backward(const Tensor& grad_out, const Tensor& query, const Tensor& key,
                                            const Tensor& value, const Tensor& out, const Tensor& logsumexp,
                                            const Tensor& query_starts, const Tensor& key_starts, SymInt most_queries,
                                            SymInt most_keys, double dropout, bool is_causal, const Tensor&, const Tensor&,
                                            std::optional<double> scale, std::optional<SymInt> left,
                                            std::optional<SymInt> right) {
  launch("aten::_flash_attention_backward", query);
  const c10::DeviceGuard guard(query.device());
  const BelowAutograd below(c10::autograd_dispatch_keyset_with_ADInplaceOrView);
  const Tensor q = as_kernels_see(query), k = as_kernels_see(key), v = as_kernels_see(value);
  const Tensor gathered = as_kernels_see(out), of_gathered = as_kernels_see(grad_out), sums = as_kernels_see(logsumexp);
  const auto all = sequences(starts_of(query_starts, q.size(0), most_queries), starts_of(key_starts, k.size(0), most_keys),
                             left_of(left, right, is_causal), q.scalar_type());
  Tensor grad_q = at::empty(q.sizes(), q.options()), grad_k = at::empty(k.sizes(), k.options()),
         grad_v = at::empty(v.sizes(), v.options());
  for (const One& one : all) {
    const auto queries = [&](const Tensor& x) { return of_one(x, one.first_query, one.end_query); };
    const auto keys = [&](const Tensor& x) { return of_one(x, one.first_key, one.end_key); };
    const auto [of_q, of_k, of_v] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
        queries(of_gathered), queries(q), keys(k), keys(v), queries(gathered),
        sums.slice(1, one.first_query, one.end_query).unsqueeze(0), dropout, one.is_causal, one.mask, scale);
    queries(grad_q).copy_(of_q);
    keys(grad_k).copy_(of_k);
    keys(grad_v).copy_(of_v);
  }
  return {on_device(grad_q), on_device(grad_k), on_device(grad_v)};
}

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("_flash_attention_forward", &forward);
  m.impl("_flash_attention_backward", &backward);
}

}  // namespace
}  // namespace phantom
