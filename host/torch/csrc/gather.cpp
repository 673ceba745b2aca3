// What tokens gather from those they see, softmax(s Q Kᵀ) V, for float32 on a processor, on one thread. Scores of
// a few queries at a time stay in the cache next to it, and what is hidden costs nothing: of causal attention, half.
//
// Both products are made of one tile, some rows times 32 columns, whose sums stay in registers. Every
// row is computed alone, so an answer does not depend on its neighbours.

#include "exponential.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#define INLINE inline __attribute__((always_inline))
#define INLINE_LAMBDA __attribute__((always_inline))

typedef float Four __attribute__((vector_size(16)));
typedef float Eight __attribute__((vector_size(32)));
typedef float Sixteen __attribute__((vector_size(64)));
typedef uint32_t FourBits __attribute__((vector_size(16)));
typedef uint32_t EightBits __attribute__((vector_size(32)));
typedef uint32_t SixteenBits __attribute__((vector_size(64)));

template <>
struct Bits<Four> {
  typedef FourBits Type;
};
template <>
struct Bits<Eight> {
  typedef EightBits Type;
};
template <>
struct Bits<Sixteen> {
  typedef SixteenBits Type;
};

namespace {

// Columns of a panel, which a tile multiplies with.
constexpr int64_t COLUMNS = 32;

// Where a tensor [B, T, H, Dh] lies, and how far it is from one sequence or token to the next, in numbers.
struct Numbers {
  const float* start;
  int64_t sequence, token;
};

struct Sizes {
  int64_t sequences, length, seen, heads, key_heads, features, window;
  float scale;
};

INLINE int64_t whole_panels(int64_t columns) { return (columns + COLUMNS - 1) / COLUMNS; }

// C = A B for some rows of A and one panel of B. // [ROWS, depth], [depth, 32] -> [ROWS, 32]
template <typename Vector, int ROWS>
INLINE void tile(const float* a, int64_t a_row, const float* b, int64_t depth, float* c, int64_t c_row) {
  constexpr int64_t WIDTH = sizeof(Vector) / sizeof(float);
  for (int64_t column = 0; column < COLUMNS; column += 2 * WIDTH) {
    Vector sums[ROWS][2] = {};
    for (int64_t k = 0; k < depth; k++) {
      Vector left, right;
      memcpy(&left, b + k * COLUMNS + column, sizeof left);
      memcpy(&right, b + k * COLUMNS + column + WIDTH, sizeof right);
#pragma GCC unroll 16
      for (int row = 0; row < ROWS; row++) {
        const float factor = a[row * a_row + k];
        sums[row][0] += factor * left;
        sums[row][1] += factor * right;
      }
    }
#pragma GCC unroll 16
    for (int row = 0; row < ROWS; row++) {
      memcpy(c + row * c_row + column, &sums[row][0], sizeof(Vector));
      memcpy(c + row * c_row + column + WIDTH, &sums[row][1], sizeof(Vector));
    }
  }
}

// The same for ROWS rows or fewer.
template <typename Vector, int ROWS>
INLINE void tile_of(int64_t rows, const float* a, int64_t a_row, const float* b, int64_t depth, float* c,
                    int64_t c_row) {
  if (rows == ROWS) return tile<Vector, ROWS>(a, a_row, b, depth, c, c_row);
  if constexpr (ROWS > 1) tile_of<Vector, ROWS - 1>(rows, a, a_row, b, depth, c, c_row);
}

// Keys of one head as columns, and scaled; what is beyond the last is zero. // [S, Dh] -> panels of [Dh, 32]
INLINE void lay_out_keys(const float* keys, int64_t token, const Sizes& sizes, float* panels) {
  for (int64_t first = 0; first < sizes.seen; first += COLUMNS, panels += sizes.features * COLUMNS) {
    const int64_t count = std::min(COLUMNS, sizes.seen - first);
    if (count < COLUMNS) memset(panels, 0, sizes.features * COLUMNS * sizeof(float));
    for (int64_t key = 0; key < count; key++) {
      const float* from = keys + (first + key) * token;
      for (int64_t i = 0; i < sizes.features; i++) panels[i * COLUMNS + key] = from[i] * sizes.scale;
    }
  }
}

// Values of one head. // [S, Dh] -> panels of [S, 32]
INLINE void lay_out_values(const float* values, int64_t token, const Sizes& sizes, float* panels) {
  for (int64_t first = 0; first < sizes.features; first += COLUMNS, panels += sizes.seen * COLUMNS) {
    const int64_t count = std::min(COLUMNS, sizes.features - first);
    if (count < COLUMNS) memset(panels, 0, sizes.seen * COLUMNS * sizeof(float));
    for (int64_t key = 0; key < sizes.seen; key++) {
      memcpy(panels + key * COLUMNS, values + key * token + first, count * sizeof(float));
    }
  }
}

// Of all numbers of a vector, halves first, as that many additions at a time.
template <typename Vector, typename Both>
INLINE float all_of(const Vector& vector, Both both) {
  constexpr int WIDTH = sizeof(Vector) / sizeof(float);
  float parts[WIDTH];
  memcpy(parts, &vector, sizeof parts);
#pragma GCC unroll 4
  for (int half = WIDTH / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < half; i++) parts[i] = both(parts[i], parts[i + half]);
  }
  return parts[0];
}

// Scores from `start` to `end` become e^(score − highest), the others 0; gives one over their sum. `from` and `until`
// lie at whole panels.
template <typename Vector>
INLINE float weights(float* scores, int64_t from, int64_t start, int64_t end, int64_t until) {
  constexpr int64_t WIDTH = sizeof(Vector) / sizeof(float);
  typedef typename Bits<Vector>::Type Places;
  Places first;
  for (int64_t i = 0; i < WIDTH; i++) first[i] = static_cast<uint32_t>(i);
  const uint32_t before = static_cast<uint32_t>(start), count = static_cast<uint32_t>(end - start);
  const Vector nothing = Vector{} - INFINITY;
  Vector highest = nothing;
  for (int64_t key = from; key < until; key += WIDTH) {
    Vector score;
    memcpy(&score, scores + key, sizeof score);
    // Before the start, the difference has gone round.
    const Places place = first + (static_cast<uint32_t>(key) - before);
    score = place < count ? score : nothing;
    highest = score > highest ? score : highest;
  }
  const float most = all_of(highest, [](float a, float b) INLINE_LAMBDA { return a > b ? a : b; });
  Vector sums = {};
  for (int64_t key = from; key < until; key += WIDTH) {
    Vector score;
    memcpy(&score, scores + key, sizeof score);
    const Places place = first + (static_cast<uint32_t>(key) - before);
    score -= most;
    exponential_of(score);
    score = place < count ? score : Vector{};
    sums += score;
    memcpy(scores + key, &score, sizeof score);
  }
  return 1.0f / all_of(sums, [](float a, float b) INLINE_LAMBDA { return a + b; });
}

// Of queries `first` to `first + rows` of one head.
template <typename Vector, int ROWS>
INLINE void gather_rows(const float* queries, int64_t query_token, const float* keys, const float* values,
                        const Sizes& sizes, int64_t first, int64_t rows, float* scores, float* out) {
  const int64_t before = sizes.seen - sizes.length, stride = whole_panels(sizes.seen) * COLUMNS;
  // Of all these queries: the first that one of them sees, at a whole panel, and behind the last.
  const int64_t from = std::max<int64_t>(0, before + first + 1 - sizes.window) / COLUMNS * COLUMNS;
  const int64_t until = before + first + rows;
  for (int64_t key = from; key < until; key += COLUMNS) {
    tile_of<Vector, ROWS>(rows, queries + first * query_token, query_token, keys + key * sizes.features,
                          sizes.features, scores + key, stride);
  }
  float factors[ROWS];
  for (int64_t row = 0; row < rows; row++) {
    const int64_t end = before + first + row + 1, start = std::max<int64_t>(0, end - sizes.window);
    factors[row] = weights<Vector>(scores + row * stride, from, start, end, whole_panels(until) * COLUMNS);
  }
  float gathered[ROWS * COLUMNS];
  for (int64_t feature = 0; feature < sizes.features; feature += COLUMNS) {
    tile_of<Vector, ROWS>(rows, scores + from, stride, values + feature * sizes.seen + from * COLUMNS, until - from,
                          gathered, COLUMNS);
    const int64_t count = std::min(COLUMNS, sizes.features - feature);
    for (int64_t row = 0; row < rows; row++) {
      float* to = out + (first + row) * sizes.heads * sizes.features + feature;
      const float* own = gathered + row * COLUMNS;
      if (count == COLUMNS) {
        for (int64_t i = 0; i < COLUMNS; i++) to[i] = own[i] * factors[row];
      } else {
        for (int64_t i = 0; i < count; i++) to[i] = own[i] * factors[row];
      }
    }
  }
}

template <typename Vector, int ROWS>
INLINE void gather(const Numbers& queries, const Numbers& keys, const Numbers& values, float* out,
                   const Sizes& sizes, float* scratch) {
  const int64_t group = sizes.heads / sizes.key_heads;
  float* key_panels = scratch;
  float* value_panels = key_panels + whole_panels(sizes.seen) * COLUMNS * sizes.features;
  float* scores = value_panels + whole_panels(sizes.features) * COLUMNS * sizes.seen;
  for (int64_t sequence = 0; sequence < sizes.sequences; sequence++) {
    for (int64_t head = 0; head < sizes.heads; head++) {
      if (head % group == 0) {
        const int64_t place = head / group * sizes.features;
        lay_out_keys(keys.start + sequence * keys.sequence + place, keys.token, sizes, key_panels);
        lay_out_values(values.start + sequence * values.sequence + place, values.token, sizes, value_panels);
      }
      const float* own = queries.start + sequence * queries.sequence + head * sizes.features;
      float* to = out + (sequence * sizes.length * sizes.heads + head) * sizes.features;
      for (int64_t first = 0; first < sizes.length; first += ROWS) {
        gather_rows<Vector, ROWS>(own, queries.token, key_panels, value_panels, sizes, first,
                                  std::min<int64_t>(ROWS, sizes.length - first), scores, to);
      }
    }
  }
}

// As many rows as there are registers for their sums, two vectors each.
#if defined(__x86_64__)
#define ON(processor) __attribute__((target(processor)))
ON("avx512f")
void gather_avx512(const Numbers& q, const Numbers& k, const Numbers& v, float* out, const Sizes& sizes, float* scratch) {
  gather<Sixteen, 14>(q, k, v, out, sizes, scratch);
}
ON("avx2,fma")
void gather_avx2(const Numbers& q, const Numbers& k, const Numbers& v, float* out, const Sizes& sizes, float* scratch) {
  gather<Eight, 6>(q, k, v, out, sizes, scratch);
}
#endif
void gather_anywhere(const Numbers& q, const Numbers& k, const Numbers& v, float* out, const Sizes& sizes, float* scratch) {
  gather<Four, 6>(q, k, v, out, sizes, scratch);
}

constexpr int64_t MOST_ROWS = 14;

}  // namespace

extern "C" {

// How many numbers it needs besides.
int64_t iterit_gather_scratch(int64_t seen, int64_t features) {
  const int64_t stride = whole_panels(seen) * COLUMNS;
  return stride * features + whole_panels(features) * COLUMNS * seen + MOST_ROWS * stride;
}

// Query t of T sees the keys up to S − T + t, and of these the last `window`. Strides are those of sequences and
// tokens; a head's features lie beside one another, and so do heads.
// // [B, T, H, Dh], [B, S, Hk, Dh] twice -> [B, T, H, Dh]
void iterit_gather(const float* queries, const int64_t* query_strides, const float* keys, const int64_t* key_strides,
                   const float* values, const int64_t* value_strides, float* out, const int64_t* sizes, float scale,
                   float* scratch) {
  const Numbers q{queries, query_strides[0], query_strides[1]}, k{keys, key_strides[0], key_strides[1]},
      v{values, value_strides[0], value_strides[1]};
  const Sizes all{sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6], scale};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return gather_avx512(q, k, v, out, all, scratch);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return gather_avx2(q, k, v, out, all, scratch);
#endif
  gather_anywhere(q, k, v, out, all, scratch);
}

}  // extern "C"
