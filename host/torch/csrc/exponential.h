// eˣ in float32 without a call: of one number, so that a loop around it becomes vector instructions, or of a vector.

#pragma once

#include <cstdint>
#include <cstring>

// Whole numbers of as many bits.
template <typename Floats>
struct Bits;
template <>
struct Bits<float> {
  typedef uint32_t Type;
};

// eˣ for x ≤ 0, and for what lies below -87, e⁻⁸⁷: 2ⁿ · eʳ with n = round(x / ln 2), so that |r| ≤ ln 2 / 2 and
// Taylor's first eight terms differ from eʳ by less than a float32 can tell.
template <typename Floats>
inline __attribute__((always_inline)) void exponential_of(Floats& x) {
  const Floats lowest = Floats{} - 87.0f;
  x = x < lowest ? lowest : x;
  // Numbers near 1.5 · 2²³ are whole; their low bits are n.
  const float whole = 12582912.0f;
  const Floats shifted = x * 1.44269504f + whole;
  const Floats n = shifted - whole;
  // ln 2 in two parts, the first of few bits, so that n times it is exact.
  const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats power = r * (1.0f / 5040.0f) + 1.0f / 720.0f;
  power = power * r + 1.0f / 120.0f;
  power = power * r + 1.0f / 24.0f;
  power = power * r + 1.0f / 6.0f;
  power = power * r + 0.5f;
  power = power * r + 1.0f;
  power = power * r + 1.0f;
  typename Bits<Floats>::Type bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + 0x3f800000u;
  Floats scale;
  memcpy(&scale, &bits, sizeof scale);
  x = power * scale;
}

// The same of one number.
inline __attribute__((always_inline)) float exponential(float x) {
  exponential_of(x);
  return x;
}
