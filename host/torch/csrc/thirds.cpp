// The loops of `thirds.h`. A panel is 32 lines, laid out in steps of 32 numbers of each: two tiles of every third, which
// the unit's registers hold as they lie. Two panels give 32 x 32 numbers of the result, which stay in four registers for
// all steps. Depth is paired with depth 16 further on, so that pairs are made without a shuffle.

#include "thirds.h"

#if defined(__x86_64__) && defined(__linux__) && __has_include(<amxtileintrin.h>)
#define HAS_THIRDS
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cstring>
#endif

namespace {

// Lines of a panel, numbers of each in a step.
constexpr int64_t SIDE = 32;

// Lines of a tile, and pairs of numbers of each.
constexpr int64_t HALF = SIDE / 2;

// Numbers of a tile, and of the thirds of one panel's step: [3, 2, 16, 16 pairs].
constexpr int64_t TILE = HALF * SIDE, STEP = 6 * TILE;

// Depth that is summed before what was summed is put back: rows and their panel stay in the second cache.
constexpr int64_t DEEPEST = 768;

// Bytes of rows that are laid out at a time.
constexpr int64_t ROWS_BYTES = 600000;

int64_t steps_of(int64_t depth) { return (depth + SIDE - 1) / SIDE; }
int64_t panels_of(int64_t lines) { return (lines + SIDE - 1) / SIDE; }
int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Rows that are laid out at a time, of at most such a depth.
int64_t rows_at_once(int64_t depth) {
  const int64_t panel_bytes = steps_of(smaller(depth, DEEPEST)) * STEP * static_cast<int64_t>(sizeof(uint16_t));
  const int64_t panels = ROWS_BYTES / panel_bytes;
  return SIDE * (panels < 1 ? 1 : panels);
}

#ifdef HAS_THIRDS

#define FOR_THE_UNIT __attribute__((target("avx512f,avx512bw,amx-tile,amx-bf16")))
#define INLINE static inline __attribute__((always_inline)) FOR_THE_UNIT

// A request to the kernel for registers of the unit.
constexpr long REQUEST = 0x1023, TILE_DATA = 18;

// The unit's registers: eight of 16 rows of 64 bytes.
struct alignas(64) Registers {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

bool ask_for_the_unit() {
  unsigned a, b, c, d;
  constexpr unsigned BFLOAT16 = 1u << 22, TILES = 1u << 24;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & BFLOAT16) == 0 || (d & TILES) == 0) return false;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw")) return false;
  return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}

// The thirds of 16 pairs, each in 32 bits.
struct Pairs {
  __m512i first, second, third;
};

INLINE __m512i upper(__m512 x) {
  return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(static_cast<int>(0xffff0000)));
}

INLINE __m512 without_upper(__m512 x) { return _mm512_sub_ps(x, _mm512_castsi512_ps(upper(x))); }

INLINE __m512i paired(__m512 low, __m512 high) {
  return _mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(low), 16), upper(high));
}

INLINE Pairs thirds(__m512 low, __m512 high) {
  Pairs pairs;
  pairs.first = paired(low, high);
  low = without_upper(low), high = without_upper(high);
  pairs.second = paired(low, high);
  low = without_upper(low), high = without_upper(high);
  pairs.third = paired(low, high);
  return pairs;
}

INLINE void put(const Pairs& pairs, uint16_t* tile, int64_t row) {
  _mm512_store_si512(tile + row * SIDE, pairs.first);
  _mm512_store_si512(tile + 2 * TILE + row * SIDE, pairs.second);
  _mm512_store_si512(tile + 4 * TILE + row * SIDE, pairs.third);
}

// The first of 16 numbers.
INLINE __mmask16 first_of_16(int64_t count) {
  if (count >= HALF) return 0xffff;
  return count <= 0 ? 0 : static_cast<__mmask16>((1u << count) - 1);
}

INLINE __m512d doubles(__m512 x) { return _mm512_castps_pd(x); }
INLINE __m512 floats(__m512d x) { return _mm512_castpd_ps(x); }

// [16, 16] on its side.
INLINE void turn(__m512* rows) {
  __m512 t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 4) {
    rows[i] = floats(_mm512_unpacklo_pd(doubles(t[i]), doubles(t[i + 2])));
    rows[i + 1] = floats(_mm512_unpackhi_pd(doubles(t[i]), doubles(t[i + 2])));
    rows[i + 2] = floats(_mm512_unpacklo_pd(doubles(t[i + 1]), doubles(t[i + 3])));
    rows[i + 3] = floats(_mm512_unpackhi_pd(doubles(t[i + 1]), doubles(t[i + 3])));
  }
  constexpr int EVEN = 0x88, ODD = 0xdd;  // quarters of either operand
#pragma GCC unroll 16
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_f32x4(rows[i], rows[i + 4], EVEN);
    t[i + 4] = _mm512_shuffle_f32x4(rows[i], rows[i + 4], ODD);
    t[i + 8] = _mm512_shuffle_f32x4(rows[i + 8], rows[i + 12], EVEN);
    t[i + 12] = _mm512_shuffle_f32x4(rows[i + 8], rows[i + 12], ODD);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 4; i++) {
    rows[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], EVEN);
    rows[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], ODD);
    rows[i + 4] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], EVEN);
    rows[i + 12] = _mm512_shuffle_f32x4(t[i + 4], t[i + 12], ODD);
  }
}

// A row's first numbers, and zeros; all zeros where there is no such row.
INLINE __m512 load(const float* start, int64_t stride, int64_t row, int64_t rows, __mmask16 columns) {
  return row < rows ? _mm512_maskz_loadu_ps(columns, start + row * stride) : _mm512_setzero_ps();
}

// Thirds of up to 16 rows of a tile. Low and high numbers of its pairs lie apart, and may lie on their side.
struct Halves {
  const float *low, *high;
  int64_t stride, low_rows, high_rows, low_columns, high_columns;
};

INLINE void lay_upright(const Halves& x, uint16_t* tile) {
  const __mmask16 low = first_of_16(x.low_columns), high = first_of_16(x.high_columns);
  for (int64_t row = 0; row < HALF; row++) {
    put(thirds(load(x.low, x.stride, row, x.low_rows, low), load(x.high, x.stride, row, x.high_rows, high)), tile, row);
  }
}

INLINE void lay_turned(const Halves& x, uint16_t* tile) {
  const __mmask16 low_mask = first_of_16(x.low_columns), high_mask = first_of_16(x.high_columns);
  __m512 low[HALF], high[HALF];
#pragma GCC unroll 16
  for (int64_t row = 0; row < HALF; row++) low[row] = load(x.low, x.stride, row, x.low_rows, low_mask);
  turn(low);
#pragma GCC unroll 16
  for (int64_t row = 0; row < HALF; row++) high[row] = load(x.high, x.stride, row, x.high_rows, high_mask);
  turn(high);
#pragma GCC unroll 16
  for (int64_t row = 0; row < HALF; row++) put(thirds(low[row], high[row]), tile, row);
}

// Thirds of up to 16 lines of up to 32 numbers. A tile of a first factor has a line in a row, one of a second a column.
template <Role ROLE>
INLINE void lay_tile(const Lines& x, int64_t lines, int64_t depth, uint16_t* tile) {
  const float* further = x.start + HALF * x.depth;
  if (x.depth == 1) {
    const Halves halves{x.start, further, x.line, lines, lines, depth, depth - HALF};
    ROLE == Role::First ? lay_upright(halves, tile) : lay_turned(halves, tile);
  } else {
    const Halves halves{x.start, further, x.depth, depth, depth - HALF, lines, lines};
    ROLE == Role::First ? lay_turned(halves, tile) : lay_upright(halves, tile);
  }
}

// A panel of up to 32 lines. // [Depth / 32, 3, 2, 16, 32]
template <Role ROLE>
FOR_THE_UNIT void lay_panel(const Lines& x, int64_t lines, int64_t depth, uint16_t* to) {
  for (int64_t first = 0; first < depth; first += SIDE, to += STEP) {
    for (int64_t line = 0; line < SIDE; line += HALF) {
      const Lines from{x.start + line * x.line + first * x.depth, x.line, x.depth};
      lay_tile<ROLE>(from, lines - line, depth - first, to + line / HALF * TILE);
    }
  }
}

// Registers 0 to 3 hold C, [2, 2]; 4 and 5 a third of two tiles of rows, 6 and 7 one of two tiles of columns.
#define UPPER_ROWS(third) _tile_loadd(4, rows + 2 * (third) * TILE, 64)
#define LOWER_ROWS(third) _tile_loadd(5, rows + (2 * (third) + 1) * TILE, 64)
#define LEFT_COLUMNS(third) _tile_loadd(6, columns + 2 * (third) * TILE, 64)
#define RIGHT_COLUMNS(third) _tile_loadd(7, columns + (2 * (third) + 1) * TILE, 64)
#define MULTIPLY_UPPER_LEFT _tile_dpbf16ps(0, 4, 6)
#define MULTIPLY_UPPER_RIGHT _tile_dpbf16ps(1, 4, 7)
#define MULTIPLY_LOWER_LEFT _tile_dpbf16ps(2, 5, 6)
#define MULTIPLY_LOWER_RIGHT _tile_dpbf16ps(3, 5, 7)

// One step: six products of thirds, of four tiles each. A register is loaded anew right behind the last product that
// reads it, so that few products wait for a load.
INLINE void multiply_step(const uint16_t* rows, const uint16_t* columns) {
  UPPER_ROWS(0);
  LEFT_COLUMNS(2);
  LOWER_ROWS(0);
  RIGHT_COLUMNS(2);
  for (int third = 1; third >= 0; third--) {
    MULTIPLY_UPPER_LEFT;
    MULTIPLY_LOWER_LEFT;
    LEFT_COLUMNS(third);
    MULTIPLY_UPPER_RIGHT;
    MULTIPLY_LOWER_RIGHT;
    RIGHT_COLUMNS(third);
  }
  for (int third = 2; third >= 1; third--) {
    MULTIPLY_UPPER_LEFT;
    MULTIPLY_UPPER_RIGHT;
    UPPER_ROWS(third);
    MULTIPLY_LOWER_LEFT;
    MULTIPLY_LOWER_RIGHT;
    LOWER_ROWS(third);
  }
  MULTIPLY_UPPER_LEFT;
  MULTIPLY_UPPER_RIGHT;
  MULTIPLY_LOWER_LEFT;
  LEFT_COLUMNS(1);
  MULTIPLY_LOWER_RIGHT;
  RIGHT_COLUMNS(1);
  MULTIPLY_UPPER_LEFT;
  MULTIPLY_LOWER_LEFT;
  MULTIPLY_UPPER_RIGHT;
  MULTIPLY_LOWER_RIGHT;
}

// 32 x 32 numbers of C. // [Steps, 3, 2, 16, 32] twice -> [32, 32]
FOR_THE_UNIT void multiply(const uint16_t* rows, const uint16_t* columns, int64_t steps, float* c, int64_t c_row,
                           Target target) {
  const int64_t stride = c_row * static_cast<int64_t>(sizeof(float));
  float* lower = c + HALF * c_row;
  if (target == Target::AddedTo) {
    _tile_loadd(0, c, stride);
    _tile_loadd(1, c + HALF, stride);
    _tile_loadd(2, lower, stride);
    _tile_loadd(3, lower + HALF, stride);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t step = 0; step < steps; step++, rows += STEP, columns += STEP) {
    multiply_step(rows, columns);
  }
  _tile_stored(0, c, stride);
  _tile_stored(1, c + HALF, stride);
  _tile_stored(2, lower, stride);
  _tile_stored(3, lower + HALF, stride);
}

// The same where C has less.
void multiply_part(const uint16_t* rows, const uint16_t* columns, int64_t steps, float* c, int64_t c_row,
                   Target target, int64_t num_rows, int64_t num_columns) {
  alignas(64) float whole[SIDE * SIDE];
  const size_t bytes = static_cast<size_t>(num_columns) * sizeof(float);
  for (int64_t row = 0; target == Target::AddedTo && row < num_rows; row++) {
    memcpy(whole + row * SIDE, c + row * c_row, bytes);
  }
  multiply(rows, columns, steps, whole, SIDE, target);
  for (int64_t row = 0; row < num_rows; row++) memcpy(c + row * c_row, whole + row * SIDE, bytes);
}

// Some rows, laid out, with a second factor, from one of its steps on.
void multiply_all(const uint16_t* rows, int64_t count, int64_t steps, const Second& second, int64_t first_row,
                  int64_t first_step, int64_t all_steps, Target target) {
  for (int64_t column = 0; column < second.columns; column += SIDE) {
    const uint16_t* columns = second.laid_out + (column / SIDE * all_steps + first_step) * STEP;
    const int64_t num_columns = smaller(SIDE, second.columns - column);
    for (int64_t row = 0; row < count; row += SIDE) {
      const uint16_t* panel = rows + row / SIDE * steps * STEP;
      float* c = second.c + (first_row + row) * second.row + column;
      const int64_t num_rows = smaller(SIDE, count - row);
      if (num_rows == SIDE && num_columns == SIDE) {
        multiply(panel, columns, steps, c, second.row, target);
      } else {
        multiply_part(panel, columns, steps, c, second.row, target, num_rows, num_columns);
      }
    }
  }
}

FOR_THE_UNIT void multiply_laid_out(const Lines& rows, int64_t count, int64_t depth, const Second* seconds,
                                    int64_t num_seconds, Target target, uint16_t* scratch) {
  // Others on this thread may have set the registers for themselves.
  Registers before, ours;
  _tile_storeconfig(&before);
  _tile_loadconfig(&ours);
  const int64_t at_once = rows_at_once(depth), all_steps = steps_of(depth);
  for (int64_t first = 0; first < depth; first += DEEPEST) {
    const int64_t deep = smaller(DEEPEST, depth - first), steps = steps_of(deep);
    const Target onto = first == 0 ? target : Target::AddedTo;
    for (int64_t row = 0; row < count; row += at_once) {
      const int64_t num_rows = smaller(at_once, count - row);
      for (int64_t line = 0; line < num_rows; line += SIDE) {
        const Lines panel{rows.start + (row + line) * rows.line + first * rows.depth, rows.line, rows.depth};
        lay_panel<Role::First>(panel, num_rows - line, deep, scratch + line / SIDE * steps * STEP);
      }
      for (const Second* second = seconds; second < seconds + num_seconds; second++) {
        multiply_all(scratch, num_rows, steps, *second, row, first / SIDE, all_steps, onto);
      }
    }
  }
  _tile_loadconfig(&before);
}

#endif

}  // namespace

extern "C" {

bool iterit_thirds_serve() {
#ifdef HAS_THIRDS
  static const bool serve = ask_for_the_unit();
  return serve;
#else
  return false;
#endif
}

int64_t iterit_thirds_size(int64_t lines, int64_t depth) { return panels_of(lines) * steps_of(depth) * STEP; }

int64_t iterit_thirds_scratch(int64_t rows, int64_t depth) {
  return iterit_thirds_size(smaller(rows, rows_at_once(depth)), smaller(depth, DEEPEST));
}

void iterit_thirds_lay_out(const Lines* columns, int64_t count, int64_t depth, uint16_t* to) {
#ifdef HAS_THIRDS
  for (int64_t line = 0; line < count; line += SIDE) {
    const Lines panel{columns->start + line * columns->line, columns->line, columns->depth};
    lay_panel<Role::Second>(panel, count - line, depth, to + line / SIDE * steps_of(depth) * STEP);
  }
#endif
}

void iterit_thirds_product(const Lines* rows, int64_t count, int64_t depth, const Second* seconds, int64_t num_seconds,
                           Target target, uint16_t* scratch) {
#ifdef HAS_THIRDS
  multiply_laid_out(*rows, count, depth, seconds, num_seconds, target, scratch);
#endif
}

}  // extern "C"
