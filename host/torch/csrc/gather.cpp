// What tokens gather from those they see, softmax(s Q Kᵀ) V, for float32 on a processor, on one thread. Scores of
// a few queries at a time stay in the cache next to it, and what is hidden costs nothing: of causal attention, half.
//
// Every row is computed alone, so an answer does not depend on its neighbours.

#include "gather.h"

#include "tile.h"

#include <cmath>

namespace {

// Of the scores of a query: the highest, and the sum of e^(score − highest).
struct Total {
  float highest, sum;
};

// Scores become e^(score − highest), or 0 where a key is hidden. `from` and `until` lie at whole panels.
template <typename Vector>
INLINE Total weights(float* scores, const Seen<Vector>& seen, int64_t from, int64_t until) {
  constexpr int64_t WIDTH = sizeof(Vector) / sizeof(float);
  const Vector nothing = Vector{} - INFINITY;
  Vector highest = nothing;
  for (int64_t key = from; key < until; key += WIDTH) {
    Vector score;
    memcpy(&score, scores + key, sizeof score);
    seen.hide(score, nothing, key);
    highest = score > highest ? score : highest;
  }
  const float most = all_of(highest, [](float a, float b) { return a > b ? a : b; });
  Vector sums = {};
  for (int64_t key = from; key < until; key += WIDTH) {
    Vector score;
    memcpy(&score, scores + key, sizeof score);
    score -= most;
    exponential_of(score);
    seen.hide(score, Vector{}, key);
    sums += score;
    memcpy(scores + key, &score, sizeof score);
  }
  return {most, all_of(sums, [](float a, float b) { return a + b; })};
}

// Of queries `first` to `first + rows` of one head.
template <typename Vector, int ROWS>
INLINE void gather_rows(const Factor& queries, const float* keys, const float* values, const Sizes& sizes,
                        int64_t first, int64_t rows, float* scores, float* out, float* log_sums) {
  const int64_t stride = in_panels(sizes.seen), depth = sizes.features;
  // What any of these queries sees.
  const int64_t from = sizes.start_of(first) / COLUMNS * COLUMNS, until = sizes.end_of(first + rows - 1);
  for (int64_t key = from; key < until; key += COLUMNS) {
    tile_of<Vector, ROWS>(rows, queries, keys + key * depth, depth, scores + key, stride);
  }
  float factors[ROWS];
  for (int64_t row = 0; row < rows; row++) {
    const Seen<Vector> seen(sizes.start_of(first + row), sizes.end_of(first + row));
    const Total total = weights<Vector>(scores + row * stride, seen, from, in_panels(until));
    factors[row] = 1.0f / total.sum;
    if (log_sums != nullptr) log_sums[first + row] = total.highest + std::log(total.sum);
  }
  float gathered[ROWS * COLUMNS];
  for (int64_t feature = 0; feature < depth; feature += COLUMNS) {
    const Factor shares{scores + from, stride, 1};
    const float* panel = values + feature * sizes.seen + from * COLUMNS;
    tile_of<Vector, ROWS>(rows, shares, panel, until - from, gathered, COLUMNS);
    const int64_t count = std::min(COLUMNS, depth - feature);
    for (int64_t row = 0; row < rows; row++) {
      float* to = out + row * sizes.heads * depth + feature;
      const float* own = gathered + row * COLUMNS;
      // Of a width that is known, one instruction or two.
      if (count == COLUMNS) {
        for (int64_t i = 0; i < COLUMNS; i++) to[i] = own[i] * factors[row];
      } else {
        for (int64_t i = 0; i < count; i++) to[i] = own[i] * factors[row];
      }
    }
  }
}

template <typename Vector, int ROWS>
INLINE void gather(const Numbers& queries, const Numbers& keys, const Numbers& values, float* out, float* log_sums,
                   const Sizes& sizes, float* scratch) {
  const int64_t depth = sizes.features;
  float* key_panels = scratch;
  float* value_panels = key_panels + in_panels(sizes.seen) * depth;
  float* scores = value_panels + in_panels(depth) * sizes.seen;
  for (int64_t sequence = 0; sequence < sizes.sequences; sequence++) {
    for (int64_t head = 0; head < sizes.heads; head++) {
      if (head % sizes.group() == 0) {
        const int64_t place = head / sizes.group() * depth;
        const float* own_keys = keys.start + sequence * keys.sequence + place;
        const float* own_values = values.start + sequence * values.sequence + place;
        lay_out_columns(own_keys, keys.token, sizes.seen, depth, sizes.scale, key_panels);
        lay_out_rows(own_values, values.token, sizes.seen, depth, 1.0f, value_panels);
      }
      const float* own = queries.start + sequence * queries.sequence + head * depth;
      float* to = out + (sequence * sizes.length * sizes.heads + head) * depth;
      float* sums = log_sums == nullptr ? nullptr : log_sums + (sequence * sizes.heads + head) * sizes.length;
      for (int64_t first = 0; first < sizes.length; first += ROWS) {
        const Factor rows{own + first * queries.token, queries.token, 1};
        gather_rows<Vector, ROWS>(rows, key_panels, value_panels, sizes, first,
                                  std::min<int64_t>(ROWS, sizes.length - first), scores,
                                  to + first * sizes.heads * depth, sums);
      }
    }
  }
}

#if defined(__x86_64__)
ON("avx512f")
void gather_avx512(const Numbers& q, const Numbers& k, const Numbers& v, float* out, float* log_sums,
                   const Sizes& sizes, float* scratch) {
  gather<Sixteen, 14>(q, k, v, out, log_sums, sizes, scratch);
}
ON("avx2,fma")
void gather_avx2(const Numbers& q, const Numbers& k, const Numbers& v, float* out, float* log_sums,
                 const Sizes& sizes, float* scratch) {
  gather<Eight, 6>(q, k, v, out, log_sums, sizes, scratch);
}
#endif

}  // namespace

extern "C" {

bool iterit_gather_serves() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return false;
#endif
}

int64_t iterit_gather_scratch(int64_t seen, int64_t features) {
  const int64_t stride = in_panels(seen);
  return stride * features + in_panels(features) * seen + MOST_ROWS * stride;
}

void iterit_gather(const Numbers* queries, const Numbers* keys, const Numbers* values, float* out, float* log_sums,
                   const Sizes* sizes, float* scratch) {
  FOR_THIS_PROCESSOR(gather, *queries, *keys, *values, out, log_sums, *sizes, scratch);
}

}  // extern "C"
