// Attention over sequences of several lengths that lie one behind the other, by FlashAttention's kernel
// (https://arxiv.org/abs/2307.08691), which only CUDA has. Its way back is libtorch's own.

#include "guarded.h"

#include <ATen/ops/_flash_attention_forward.h>

#include <cstdint>
#include <optional>

using at::Tensor;

extern "C" {

// Each sequence's tokens see those of its keys up to themselves, the last token the last key, at most `before` of them
// before themselves; all, where that is negative. The result is the caller's.
// [N, H, Dh], [M, Hk, Dh] twice, [S + 1] twice -> [N, H, Dh]
char* iterit_flash_attention(Tensor* queries, Tensor* keys, Tensor* values, Tensor* query_starts, Tensor* key_starts,
                             int64_t most_queries, int64_t most_keys, double scale, int64_t before, Tensor** gathered) {
  return guarded([&] {
    const std::optional<int64_t> left = before < 0 ? std::nullopt : std::make_optional(before);
    // Without a bound on the right causality would be dropped where the longest sequence has one token.
    auto [out, logsumexp, seed, unused, mask] = at::_flash_attention_forward(
        *queries, *keys, *values, *query_starts, *key_starts, most_queries, most_keys, /*dropout_p=*/0.0,
        /*is_causal=*/true, /*return_debug_mask=*/false, scale, left, /*window_size_right=*/0);
    *gathered = new Tensor(out);
  });
}

}  // extern "C"
