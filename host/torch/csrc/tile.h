// The tile that products of attention are made of: some rows times 32 columns, whose sums stay in registers. Rows may
// be as many as there are registers for two vectors each.

#pragma once

#include "exponential.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#define INLINE inline __attribute__((always_inline))

typedef float Eight __attribute__((vector_size(32)));
typedef float Sixteen __attribute__((vector_size(64)));
typedef uint32_t EightBits __attribute__((vector_size(32)));
typedef uint32_t SixteenBits __attribute__((vector_size(64)));

template <>
struct Bits<Eight> {
  typedef EightBits Type;
};
template <>
struct Bits<Sixteen> {
  typedef SixteenBits Type;
};

// Columns of a panel, which a tile multiplies with.
constexpr int64_t COLUMNS = 32;

// The most rows of a tile on any processor.
constexpr int64_t MOST_ROWS = 14;

// Where a number of row and column lies.
struct Factor {
  const float* start;
  int64_t row, column;
};

// What becomes of what a tile is written to.
enum class Before { Forgotten, AddedTo };

INLINE int64_t in_panels(int64_t columns) { return (columns + COLUMNS - 1) / COLUMNS * COLUMNS; }

// C = A B, or C + A B, for some rows of A and one panel of B. // [ROWS, depth], [depth, 32] -> [ROWS, 32]
template <typename Vector, int ROWS, Before BEFORE>
INLINE void tile(const Factor& a, const float* b, int64_t depth, float* c, int64_t c_row) {
  constexpr int64_t WIDTH = sizeof(Vector) / sizeof(float);
  for (int64_t column = 0; column < COLUMNS; column += 2 * WIDTH) {
    Vector sums[ROWS][2] = {};
    for (int64_t k = 0; k < depth; k++) {
      Vector left, right;
      memcpy(&left, b + k * COLUMNS + column, sizeof left);
      memcpy(&right, b + k * COLUMNS + column + WIDTH, sizeof right);
#pragma GCC unroll 16
      for (int row = 0; row < ROWS; row++) {
        const float factor = a.start[row * a.row + k * a.column];
        sums[row][0] += factor * left;
        sums[row][1] += factor * right;
      }
    }
#pragma GCC unroll 16
    for (int row = 0; row < ROWS; row++) {
      float* to = c + row * c_row + column;
      if constexpr (BEFORE == Before::AddedTo) {
        Vector left, right;
        memcpy(&left, to, sizeof left);
        memcpy(&right, to + WIDTH, sizeof right);
        sums[row][0] += left;
        sums[row][1] += right;
      }
      memcpy(to, &sums[row][0], sizeof(Vector));
      memcpy(to + WIDTH, &sums[row][1], sizeof(Vector));
    }
  }
}

// The same for ROWS rows or fewer.
template <typename Vector, int ROWS, Before BEFORE = Before::Forgotten>
INLINE void tile_of(int64_t rows, const Factor& a, const float* b, int64_t depth, float* c, int64_t c_row) {
  if (rows == ROWS) return tile<Vector, ROWS, BEFORE>(a, b, depth, c, c_row);
  if constexpr (ROWS > 1) tile_of<Vector, ROWS - 1, BEFORE>(rows, a, b, depth, c, c_row);
}

// Rows as columns, times a factor; what is beyond the last is zero. // [N, depth] -> panels of [depth, 32]
INLINE void lay_out_columns(const float* rows, int64_t row, int64_t count, int64_t depth, float factor,
                            float* panels) {
  for (int64_t first = 0; first < count; first += COLUMNS, panels += depth * COLUMNS) {
    const int64_t own = std::min(COLUMNS, count - first);
    if (own < COLUMNS) memset(panels, 0, depth * COLUMNS * sizeof(float));
    for (int64_t i = 0; i < own; i++) {
      const float* from = rows + (first + i) * row;
      for (int64_t k = 0; k < depth; k++) panels[k * COLUMNS + i] = from[k] * factor;
    }
  }
}

// Rows as they are, cut into panels. // [N, width] -> panels of [N, 32]
INLINE void lay_out_rows(const float* rows, int64_t row, int64_t count, int64_t width, float factor, float* panels) {
  for (int64_t first = 0; first < width; first += COLUMNS, panels += count * COLUMNS) {
    const int64_t own = std::min(COLUMNS, width - first);
    if (own < COLUMNS) memset(panels, 0, count * COLUMNS * sizeof(float));
    for (int64_t i = 0; i < count; i++) {
      const float* from = rows + i * row + first;
      for (int64_t k = 0; k < own; k++) panels[i * COLUMNS + k] = from[k] * factor;
    }
  }
}

// Which keys a query sees: `count` from the `first` on.
template <typename Vector>
struct Seen {
  typedef typename Bits<Vector>::Type Places;
  uint32_t first, count;
  Places steps;

  INLINE Seen(int64_t start, int64_t end)
      : first(static_cast<uint32_t>(start)), count(static_cast<uint32_t>(end - start)) {
    for (size_t i = 0; i < sizeof(Vector) / sizeof(float); i++) steps[i] = static_cast<uint32_t>(i);
  }

  // Puts others in place of a vector's numbers, those of keys from `key` on, where a key is hidden. Before the first
  // that is seen the difference has gone round, and is larger than any count.
  INLINE void hide(Vector& numbers, const Vector& others, int64_t key) const {
    const Places place = steps + (static_cast<uint32_t>(key) - first);
    numbers = place < count ? numbers : others;
  }
};

// Of all numbers of a vector, halves first, as that many at a time.
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

// Runs the form of a loop that the processor has the instructions for; `iterit_gather_serves` says whether there is one.
#if defined(__x86_64__)
#define FOR_THIS_PROCESSOR(loop, ...)                                       \
  if (__builtin_cpu_supports("avx512f")) return loop##_avx512(__VA_ARGS__); \
  loop##_avx2(__VA_ARGS__)
#define ON(processor) __attribute__((target(processor)))
#else
#define FOR_THIS_PROCESSOR(loop, ...)
#endif
