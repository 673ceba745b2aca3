// The way back through softmax(s Q Kᵀ) V, by https://arxiv.org/abs/2205.14135: with P = softmax(s Q Kᵀ) computed a
// second time and δ = Σ dO ⊙ O of each query, dV = Pᵀ dO, dS = P ⊙ (dO Vᵀ − δ), dQ = s dS K, dK = s dSᵀ Q. For
// float32 on a processor, on one thread, some queries at a time.

#include "gather.h"

#include "tile.h"

namespace {

// Tiles of queries whose scores are there at one time: sums over queries are written once for all of them.
constexpr int64_t TILES = 4;
constexpr int64_t MOST_QUERIES = TILES * MOST_ROWS;

// What one key head's part is made of, laid out; and what is summed for it.
struct Scratch {
  float *keys_across, *values_across;  // panels of [Dh, 32] over S
  float* keys;                         // panels of [S, 32] over Dh
  float *key_sums, *value_sums;        // the same of S in panels
  float *shares, *score_gradients;     // [queries, S]
  float *queries, *gradients;          // panels of [queries, 32] over Dh

  Scratch(float* start, int64_t seen, int64_t features) {
    const int64_t keys_in_panels = in_panels(seen), width = in_panels(features);
    const auto next = [&start](int64_t count) { return (start += count) - count; };
    keys_across = next(keys_in_panels * features);
    values_across = next(keys_in_panels * features);
    keys = next(keys_in_panels * width);
    key_sums = next(keys_in_panels * width);
    value_sums = next(keys_in_panels * width);
    shares = next(MOST_QUERIES * keys_in_panels);
    score_gradients = next(MOST_QUERIES * keys_in_panels);
    queries = next(MOST_QUERIES * width);
    gradients = next(MOST_QUERIES * width);
  }

  static int64_t count(int64_t seen, int64_t features) {
    const int64_t keys_in_panels = in_panels(seen), width = in_panels(features);
    return keys_in_panels * (2 * features + 3 * width + 2 * MOST_QUERIES) + 2 * MOST_QUERIES * width;
  }
};

// Scores become P, and dO Vᵀ becomes dS.
template <typename Vector>
INLINE void turn_back(float* scores, float* products, const Seen<Vector>& seen, int64_t from, int64_t until,
                      float log_sum, float delta) {
  constexpr int64_t WIDTH = sizeof(Vector) / sizeof(float);
  for (int64_t key = from; key < until; key += WIDTH) {
    Vector share, product;
    memcpy(&share, scores + key, sizeof share);
    memcpy(&product, products + key, sizeof product);
    share -= log_sum;
    exponential_of(share);
    seen.hide(share, Vector{}, key);
    product = share * (product - delta);
    memcpy(scores + key, &share, sizeof share);
    memcpy(products + key, &product, sizeof product);
  }
}

// One head's tensors; the gradient of its queries is written.
struct Head {
  Factor queries;                    // [T, Dh]
  const float *gathered, *gradient;  // [T, Dh], a token H · Dh apart
  const float* log_sums;             // [T]
  float* of_queries;                 // as `gathered`
};

// Of queries `first` to `first + count`.
template <typename Vector, int ROWS>
INLINE void back_through(const Head& head, const Sizes& sizes, int64_t first, int64_t count, const Scratch& own) {
  const int64_t stride = in_panels(sizes.seen), depth = sizes.features, token = sizes.heads * depth;
  const int64_t from = sizes.start_of(first) / COLUMNS * COLUMNS, until = sizes.end_of(first + count - 1);
  const float* gradient = head.gradient + first * token;
  for (int64_t row = 0; row < count; row += ROWS) {
    const int64_t rows = std::min<int64_t>(ROWS, count - row);
    const Factor queries{head.queries.start + (first + row) * head.queries.row, head.queries.row, 1};
    const Factor gradients{gradient + row * token, token, 1};
    float *scores = own.shares + row * stride, *products = own.score_gradients + row * stride;
    for (int64_t key = from; key < until; key += COLUMNS) {
      tile_of<Vector, ROWS>(rows, queries, own.keys_across + key * depth, depth, scores + key, stride);
      tile_of<Vector, ROWS>(rows, gradients, own.values_across + key * depth, depth, products + key, stride);
    }
    for (int64_t i = 0; i < rows; i++) {
      const int64_t query = first + row + i;
      const float *of_query = head.gradient + query * token, *gathered = head.gathered + query * token;
      float delta = 0;
      for (int64_t k = 0; k < depth; k++) delta += of_query[k] * gathered[k];
      const Seen<Vector> seen(sizes.start_of(query), sizes.end_of(query));
      turn_back<Vector>(scores + i * stride, products + i * stride, seen, from, in_panels(until),
                        head.log_sums[query], delta);
    }
    for (int64_t feature = 0; feature < depth; feature += COLUMNS) {
      float sums[ROWS * COLUMNS];
      const float* panel = own.keys + feature * sizes.seen + from * COLUMNS;
      tile_of<Vector, ROWS>(rows, Factor{products + from, stride, 1}, panel, until - from, sums, COLUMNS);
      for (int64_t i = 0; i < rows; i++) {
        memcpy(head.of_queries + (first + row + i) * token + feature, sums + i * COLUMNS,
               std::min(COLUMNS, depth - feature) * sizeof(float));
      }
    }
  }
  lay_out_rows(head.queries.start + first * head.queries.row, head.queries.row, count, depth, sizes.scale,
               own.queries);
  lay_out_rows(gradient, token, count, depth, 1.0f, own.gradients);
  for (int64_t key = from; key < until; key += ROWS) {
    const int64_t rows = std::min<int64_t>(ROWS, until - key);
    // Queries before it do not see it.
    const int64_t skipped = std::max<int64_t>(0, key + 1 - sizes.end_of(first)), left = count - skipped;
    const Factor shares{own.shares + skipped * stride + key, 1, stride};
    const Factor of_scores{own.score_gradients + skipped * stride + key, 1, stride};
    for (int64_t feature = 0; feature < depth; feature += COLUMNS) {
      const int64_t place = feature * stride + key * COLUMNS, panel = feature * count + skipped * COLUMNS;
      tile_of<Vector, ROWS, Before::AddedTo>(rows, shares, own.gradients + panel, left, own.value_sums + place, COLUMNS);
      tile_of<Vector, ROWS, Before::AddedTo>(rows, of_scores, own.queries + panel, left, own.key_sums + place, COLUMNS);
    }
  }
}

// What was summed of a key head becomes rows again. // panels of [S, 32] -> [S, Dh]
INLINE void write_sums(const float* panels, const Sizes& sizes, float* out) {
  const int64_t stride = in_panels(sizes.seen), depth = sizes.features;
  for (int64_t feature = 0; feature < depth; feature += COLUMNS) {
    const int64_t count = std::min(COLUMNS, depth - feature);
    for (int64_t key = 0; key < sizes.seen; key++) {
      memcpy(out + key * sizes.key_heads * depth + feature, panels + feature * stride + key * COLUMNS,
             count * sizeof(float));
    }
  }
}

template <typename Vector, int ROWS>
INLINE void gather_back(const Numbers& queries, const Numbers& keys, const Numbers& values, const float* gathered,
                        const float* gradient, const float* log_sums, float* of_queries, float* of_keys,
                        float* of_values, const Sizes& sizes, float* scratch) {
  const int64_t depth = sizes.features, summed = in_panels(sizes.seen) * in_panels(depth);
  const Scratch own(scratch, sizes.seen, depth);
  for (int64_t sequence = 0; sequence < sizes.sequences; sequence++) {
    for (int64_t key_head = 0; key_head < sizes.key_heads; key_head++) {
      const float* own_keys = keys.start + sequence * keys.sequence + key_head * depth;
      const float* own_values = values.start + sequence * values.sequence + key_head * depth;
      lay_out_columns(own_keys, keys.token, sizes.seen, depth, sizes.scale, own.keys_across);
      lay_out_rows(own_keys, keys.token, sizes.seen, depth, sizes.scale, own.keys);
      lay_out_columns(own_values, values.token, sizes.seen, depth, 1.0f, own.values_across);
      memset(own.key_sums, 0, summed * sizeof(float));
      memset(own.value_sums, 0, summed * sizeof(float));
      for (int64_t head = key_head * sizes.group(); head < (key_head + 1) * sizes.group(); head++) {
        const int64_t place = (sequence * sizes.length * sizes.heads + head) * depth;
        const Factor rows{queries.start + sequence * queries.sequence + head * depth, queries.token, 1};
        const float* sums = log_sums + (sequence * sizes.heads + head) * sizes.length;
        const Head all{rows, gathered + place, gradient + place, sums, of_queries + place};
        for (int64_t first = 0; first < sizes.length; first += TILES * ROWS) {
          const int64_t count = std::min<int64_t>(TILES * ROWS, sizes.length - first);
          back_through<Vector, ROWS>(all, sizes, first, count, own);
        }
      }
      const int64_t place = (sequence * sizes.seen * sizes.key_heads + key_head) * depth;
      write_sums(own.key_sums, sizes, of_keys + place);
      write_sums(own.value_sums, sizes, of_values + place);
    }
  }
}

#if defined(__x86_64__)
ON("avx512f")
void gather_back_avx512(const Numbers& q, const Numbers& k, const Numbers& v, const float* gathered,
                        const float* gradient, const float* log_sums, float* dq, float* dk, float* dv,
                        const Sizes& sizes, float* scratch) {
  gather_back<Sixteen, 14>(q, k, v, gathered, gradient, log_sums, dq, dk, dv, sizes, scratch);
}
ON("avx2,fma")
void gather_back_avx2(const Numbers& q, const Numbers& k, const Numbers& v, const float* gathered,
                      const float* gradient, const float* log_sums, float* dq, float* dk, float* dv,
                      const Sizes& sizes, float* scratch) {
  gather_back<Eight, 6>(q, k, v, gathered, gradient, log_sums, dq, dk, dv, sizes, scratch);
}
#endif

}  // namespace

extern "C" {

int64_t iterit_gather_back_scratch(int64_t seen, int64_t features) { return Scratch::count(seen, features); }

void iterit_gather_back(const Numbers* queries, const Numbers* keys, const Numbers* values, const float* gathered,
                        const float* gradient, const float* log_sums, float* of_queries, float* of_keys,
                        float* of_values, const Sizes* sizes, float* scratch) {
  FOR_THIS_PROCESSOR(gather_back, *queries, *keys, *values, gathered, gradient, log_sums, of_queries, of_keys,
                     of_values, *sizes, scratch);
}

}  // extern "C"
