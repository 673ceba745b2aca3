// What is done to float32 rows between two matrix products, in one pass where libtorch takes several. Plain loops that the compiler turns into the vector instructions of the processor it finds;
// they know pointers and sizes, not tensors, and keep no graph. `kernels.rs` says where they are used.
//
// Every row is computed alone and by one thread, so an answer depends neither on its neighbours nor on how
// many threads there are.

#include "exponential.h"

#include <cmath>
#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

namespace {

// Of a float32 sum, before it is carried on in float64.
constexpr int64_t BLOCK = 1024;

}  // namespace

extern "C" {

// y = w · x / √(mean(x²) + ε) of each row. // [N, D], [D] -> [N, D]
FOR_EACH_PROCESSOR
void iterit_rms_norm(const float* __restrict x, const float* __restrict gain, float* __restrict y,
                     int64_t rows, int64_t size, double eps) {
  for (int64_t row = 0; row < rows; row++, x += size, y += size) {
    float squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int64_t i = 0; i < size; i++) squares += x[i] * x[i];
    const float factor = 1.0f / std::sqrt(squares / static_cast<float>(size) + static_cast<float>(eps));
#pragma omp simd
    for (int64_t i = 0; i < size; i++) y[i] = x[i] * factor * gain[i];
  }
}

// Of the same norm, with r = 1/√(mean(x²) + ε): dx = r · (w ⊙ dy − x · r² · mean(w ⊙ dy ⊙ x)), and, where it is
// asked for, Σ r · dy ⊙ x is added to dw. // [N, D], [D], [N, D] -> [N, D], [D]
FOR_EACH_PROCESSOR
void iterit_rms_norm_back(const float* __restrict x, const float* __restrict gain, const float* __restrict dy,
                          float* __restrict dx, float* __restrict dgain, int64_t rows, int64_t size, double eps) {
  for (int64_t row = 0; row < rows; row++, x += size, dy += size, dx += size) {
    float squares = 0, along = 0;
#pragma omp simd reduction(+ : squares, along)
    for (int64_t i = 0; i < size; i++) {
      squares += x[i] * x[i];
      along += gain[i] * dy[i] * x[i];
    }
    const float count = static_cast<float>(size);
    const float factor = 1.0f / std::sqrt(squares / count + static_cast<float>(eps));
    const float back = along / count * factor * factor;
#pragma omp simd
    for (int64_t i = 0; i < size; i++) dx[i] = factor * (gain[i] * dy[i] - x[i] * back);
    if (dgain == nullptr) continue;
#pragma omp simd
    for (int64_t i = 0; i < size; i++) dgain[i] += factor * dy[i] * x[i];
  }
}

// y = g · σ(g) · u, where σ(g) = 1 / (1 + e⁻ᵍ), or eᵍ / (1 + eᵍ) where that stays small. // [N] each
FOR_EACH_PROCESSOR
void iterit_silu_times(const float* __restrict gate, const float* __restrict up, float* __restrict y,
                       int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; i++) {
    const float power = exponential(-std::fabs(gate[i]));
    y[i] = (gate[i] < 0.0f ? power : 1.0f) / (1.0f + power) * gate[i] * up[i];
  }
}

// Of the same gate: du = dy · g · σ(g), and dg = dy · u · (σ(g) + g · σ(g) · (1 − σ(g))). // [N] each
FOR_EACH_PROCESSOR
void iterit_silu_times_back(const float* __restrict gate, const float* __restrict up, const float* __restrict dy,
                            float* __restrict dgate, float* __restrict dup, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; i++) {
    const float power = exponential(-std::fabs(gate[i]));
    const float open = (gate[i] < 0.0f ? power : 1.0f) / (1.0f + power);
    const float bent = gate[i] * open;
    dup[i] = dy[i] * bent;
    dgate[i] = dy[i] * up[i] * (open + bent * (1.0f - open));
  }
}

// Turns feature i and feature i + R/2 of every head by the angle of its position, R being all features of
// a head: y = x ⊙ cos + partner(x) ⊙ sin, sin being negative for the first half.
// // [B, T, H, R], [T, R] twice -> [B, T, H, R]
FOR_EACH_PROCESSOR
void iterit_turn_halves(const float* __restrict x, const float* __restrict cos, const float* __restrict sin,
                        float* __restrict y, int64_t batch, int64_t length, int64_t heads, int64_t dim) {
  const int64_t half = dim / 2;
  for (int64_t token = 0; token < batch * length; token++) {
    const float* c = cos + token % length * dim;
    const float* s = sin + token % length * dim;
    for (int64_t head = 0; head < heads; head++, x += dim, y += dim) {
#pragma omp simd
      for (int64_t i = 0; i < half; i++) {
        y[i] = x[i] * c[i] + x[i + half] * s[i];
        y[i + half] = x[i + half] * c[i + half] + x[i] * s[i + half];
      }
    }
  }
}

// Of the same turn: dx = dy ⊙ cos + partner(dy ⊙ sin). // [B, T, H, R], [T, R] twice -> [B, T, H, R]
FOR_EACH_PROCESSOR
void iterit_turn_halves_back(const float* __restrict dy, const float* __restrict cos, const float* __restrict sin,
                             float* __restrict dx, int64_t batch, int64_t length, int64_t heads, int64_t dim) {
  const int64_t half = dim / 2;
  for (int64_t token = 0; token < batch * length; token++) {
    const float* c = cos + token % length * dim;
    const float* s = sin + token % length * dim;
    for (int64_t head = 0; head < heads; head++, dy += dim, dx += dim) {
#pragma omp simd
      for (int64_t i = 0; i < half; i++) {
        dx[i] = dy[i] * c[i] + dy[i + half] * s[i + half];
        dx[i + half] = dy[i + half] * c[i + half] + dy[i] * s[i];
      }
    }
  }
}

// log Σ exp z − z[target] of each row; false where a target is no token. // [N, V], [N] -> [N]
FOR_EACH_PROCESSOR
bool iterit_token_nll(const float* __restrict logits, const int64_t* __restrict targets,
                      float* __restrict losses, int64_t rows, int64_t vocabulary) {
  for (int64_t row = 0; row < rows; row++, logits += vocabulary) {
    if (targets[row] < 0 || targets[row] >= vocabulary) return false;
    float highest = -INFINITY;
#pragma omp simd reduction(max : highest)
    for (int64_t i = 0; i < vocabulary; i++) highest = logits[i] > highest ? logits[i] : highest;
    double total = 0;
    for (int64_t start = 0; start < vocabulary; start += BLOCK) {
      const int64_t end = start + BLOCK < vocabulary ? start + BLOCK : vocabulary;
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = start; i < end; i++) sum += exponential(logits[i] - highest);
      total += sum;
    }
    losses[row] = static_cast<float>(std::log(total) + (highest - logits[targets[row]]));
  }
  return true;
}

// Of each row the same loss, and the gradient of weight · loss, weight · (softmax z − onehot(target)).
// // [N, V], [N], [N] -> [N], [N, V]
FOR_EACH_PROCESSOR
bool iterit_token_nll_gradient(const float* __restrict logits, const int64_t* __restrict targets,
                               const float* __restrict weights, float* __restrict losses,
                               float* __restrict gradient, int64_t rows, int64_t vocabulary) {
  for (int64_t row = 0; row < rows; row++, logits += vocabulary, gradient += vocabulary) {
    if (targets[row] < 0 || targets[row] >= vocabulary) return false;
    float highest = -INFINITY;
#pragma omp simd reduction(max : highest)
    for (int64_t i = 0; i < vocabulary; i++) highest = logits[i] > highest ? logits[i] : highest;
    double total = 0;
    for (int64_t start = 0; start < vocabulary; start += BLOCK) {
      const int64_t end = start + BLOCK < vocabulary ? start + BLOCK : vocabulary;
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = start; i < end; i++) {
        gradient[i] = exponential(logits[i] - highest);
        sum += gradient[i];
      }
      total += sum;
    }
    losses[row] = static_cast<float>(std::log(total) + (highest - logits[targets[row]]));
    const float factor = static_cast<float>(weights[row] / total);
#pragma omp simd
    for (int64_t i = 0; i < vocabulary; i++) gradient[i] *= factor;
    gradient[targets[row]] -= weights[row];
  }
  return true;
}

}  // extern "C"
