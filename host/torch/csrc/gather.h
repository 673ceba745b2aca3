// Attention on a processor: `gather.cpp` and the way back through it, `gather_back.cpp`. Knows pointers and sizes, not
// tensors.

#pragma once

#include <algorithm>
#include <cstdint>

// Where a tensor [B, T, H, Dh] lies, and how far it is from one sequence or token to the next, in numbers; a head's
// features lie beside one another, and so do heads.
struct Numbers {
  const float* start;
  int64_t sequence, token;
};

// T queries, S keys of which the last T stand where the queries do, and of which one sees at most a window.
struct Sizes {
  int64_t sequences, length, seen, heads, key_heads, features, window;
  float scale;

  int64_t group() const { return heads / key_heads; }
  // The first key that a query sees, and the one behind the last.
  int64_t start_of(int64_t query) const { return std::max<int64_t>(0, end_of(query) - window); }
  int64_t end_of(int64_t query) const { return seen - length + query + 1; }
};

extern "C" {

// Whether the processor has the instructions that make it worth while: AVX512, or AVX2.
bool iterit_gather_serves();

// How many numbers the two need besides.
int64_t iterit_gather_scratch(int64_t seen, int64_t features);
int64_t iterit_gather_back_scratch(int64_t seen, int64_t features);

// softmax(s Q Kᵀ) V, and of each query log Σ e^score, unless it is null.
// // [B, T, H, Dh], [B, S, Hk, Dh] twice -> [B, T, H, Dh], [B, H, T]
void iterit_gather(const Numbers* queries, const Numbers* keys, const Numbers* values, float* out, float* log_sums,
                   const Sizes* sizes, float* scratch);

// Of what that gave, and its gradient, each in one piece: the gradients of what it was made from.
// // [B, T, H, Dh] twice, [B, H, T] -> [B, T, H, Dh], [B, S, Hk, Dh] twice
void iterit_gather_back(const Numbers* queries, const Numbers* keys, const Numbers* values, const float* gathered,
                        const float* gradient, const float* log_sums, float* of_queries, float* of_keys,
                        float* of_values, const Sizes* sizes, float* scratch);

}  // extern "C"
