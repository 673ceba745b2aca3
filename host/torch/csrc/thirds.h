// Products of float32 by the processor's matrix unit (AMX), which knows bfloat16 alone. A float32 is the sum of three of
// those, its thirds, each the leading eight bits of what the ones before leave:
//
//   x = x₁ + x₂ + x₃,   x y = x₁y₁ + (x₁y₂ + x₂y₁) + (x₁y₃ + x₂y₂ + x₃y₁) + ..
//
// The products of thirds are exact and their sums are taken in float32. What the dots stand for is less than 2⁻²¹ of x y,
// on average 2⁻²⁴, which is what float32 rounds away of every product: results are as near the true ones as those of
// multiplications in float32. An infinite factor gives NaN, and of numbers below 10⁻³⁰ the last bits are lost.

#pragma once

#include <cstddef>
#include <cstdint>

// Lines of numbers: the rows of a first factor, the columns of a second. One of the two strides is 1.
struct Lines {
  const float* start;
  int64_t line, depth;  // how far on the next line lies, and the next number of a line
};

// Which factor lines are of.
enum class Role { First, Second };

// What becomes of what a product is written to.
enum class Target { Forgotten, AddedTo };

// A second factor, laid out, and where its products go, whose rows lie `row` apart.
struct Second {
  const uint16_t* laid_out;
  int64_t columns;
  float* c;
  int64_t row;
};

extern "C" {

// Whether the processor has the unit and the system lets this process use it.
bool iterit_thirds_serve();

// Numbers of 16 bits that so many lines take, laid out; aligned to 64 bytes.
int64_t iterit_thirds_size(int64_t lines, int64_t depth);

// Lays out the second factor of a product.
void iterit_thirds_lay_out(const Lines* columns, int64_t count, int64_t depth, uint16_t* to);

// Numbers of 16 bits that a product needs for itself, aligned to 64 bytes.
int64_t iterit_thirds_scratch(int64_t rows, int64_t depth);

// C = A B, or C + A B, of some rows with every second factor; on this thread.
void iterit_thirds_product(const Lines* rows, int64_t count, int64_t depth, const Second* seconds, int64_t num_seconds,
                           Target target, uint16_t* scratch);

}  // extern "C"
