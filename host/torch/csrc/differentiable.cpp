// The loops of `kernels.cpp`, and attention, as steps of libtorch's graph: what each keeps for the way back, and the
// way back in closed form. For float32 on a CPU; who calls has looked how tensors lie.
//
// Rows are shared out over the threads that libtorch would spread an operator over; attention keeps to its own. Every
// row is computed alone, and gradients that sum over rows are summed in blocks of rows that do not depend on the
// threads, so neither does the answer.

#include "gather.h"
#include "guarded.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdint>

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

extern "C" {
void iterit_rms_norm(const float* x, const float* gain, float* y, int64_t rows, int64_t size, double eps);
void iterit_rms_norm_back(const float* x, const float* gain, const float* dy, float* dx, float* dgain, int64_t rows,
                          int64_t size, double eps);
void iterit_silu_times(const float* gate, const float* up, float* y, int64_t count);
void iterit_silu_times_back(const float* gate, const float* up, const float* dy, float* dgate, float* dup,
                            int64_t count);
void iterit_turn_halves(const float* x, const float* cos, const float* sin, float* y, int64_t batch, int64_t length,
                        int64_t heads, int64_t dim);
void iterit_turn_halves_back(const float* dy, const float* cos, const float* sin, float* dx, int64_t batch,
                             int64_t length, int64_t heads, int64_t dim);
}

namespace {

// Numbers for which another thread is worth its while.
constexpr int64_t GRAIN = 1 << 15;

// Rows whose gradients of a gain are summed in one row of float32.
constexpr int64_t BLOCK = 128;

const float* read(const Tensor& x) { return x.const_data_ptr<float>(); }
float* write(Tensor& x) { return x.mutable_data_ptr<float>(); }

int64_t grain(int64_t numbers_a_piece) { return std::max<int64_t>(1, GRAIN / std::max<int64_t>(1, numbers_a_piece)); }

// w · x / √(mean(x²) + ε). // [.., D], [D] -> [.., D]
struct RmsNorm : Function<RmsNorm> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& gain, double eps) {
    context->save_for_backward({x, gain});
    context->saved_data["eps"] = eps;
    Tensor y = at::empty_like(x);
    const int64_t size = gain.numel();
    at::parallel_for(0, x.numel() / size, grain(size), [&](int64_t first, int64_t end) {
      iterit_rms_norm(read(x) + first * size, read(gain), write(y) + first * size, end - first, size, eps);
    });
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &gain = saved[1];
    const Tensor dy = gradients[0].contiguous();
    const double eps = context->saved_data["eps"].toDouble();
    const int64_t size = gain.numel(), rows = x.numel() / size;
    const int64_t blocks = (rows + BLOCK - 1) / BLOCK;
    Tensor dx = at::empty_like(x), dgains;
    if (context->needs_input_grad(1)) dgains = at::zeros({blocks, size}, gain.options());
    at::parallel_for(0, blocks, grain(BLOCK * size), [&](int64_t first, int64_t end) {
      for (int64_t block = first; block < end; block++) {
        const int64_t row = block * BLOCK, at = row * size;
        float* dgain = dgains.defined() ? write(dgains) + block * size : nullptr;
        iterit_rms_norm_back(read(x) + at, read(gain), read(dy) + at, write(dx) + at, dgain,
                             std::min(BLOCK, rows - row), size, eps);
      }
    });
    return {dx, dgains.defined() ? dgains.sum(0) : Tensor(), Tensor()};
  }
};

// g · σ(g) ⊙ u. // [.., I], [.., I] -> [.., I]
struct SiluTimes : Function<SiluTimes> {
  static Tensor forward(AutogradContext* context, const Tensor& gate, const Tensor& up) {
    context->save_for_backward({gate, up});
    Tensor y = at::empty_like(gate);
    at::parallel_for(0, gate.numel(), GRAIN, [&](int64_t first, int64_t end) {
      iterit_silu_times(read(gate) + first, read(up) + first, write(y) + first, end - first);
    });
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &gate = saved[0], &up = saved[1];
    const Tensor dy = gradients[0].contiguous();
    Tensor dgate = at::empty_like(gate), dup = at::empty_like(up);
    at::parallel_for(0, gate.numel(), GRAIN, [&](int64_t first, int64_t end) {
      iterit_silu_times_back(read(gate) + first, read(up) + first, read(dy) + first, write(dgate) + first,
                             write(dup) + first, end - first);
    });
    return {dgate, dup};
  }
};

// x ⊙ cos + partner(x) ⊙ sin. Tables are not trained. // [B, T, H, R], [T, 1, R] twice -> [B, T, H, R]
struct TurnHalves : Function<TurnHalves> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& cos, const Tensor& sin) {
    context->save_for_backward({cos, sin});
    return turned(x, cos, sin, iterit_turn_halves);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    return {turned(gradients[0].contiguous(), saved[0], saved[1], iterit_turn_halves_back), Tensor(), Tensor()};
  }

  template <typename Loop>
  static Tensor turned(const Tensor& x, const Tensor& cos, const Tensor& sin, Loop loop) {
    const int64_t batch = x.size(0), length = x.size(1), heads = x.size(2), dim = x.size(3);
    const int64_t row = length * heads * dim;
    Tensor y = at::empty_like(x);
    at::parallel_for(0, batch, grain(row), [&](int64_t first, int64_t end) {
      loop(read(x) + first * row, read(cos), read(sin), write(y) + first * row, end - first, length, heads, dim);
    });
    return y;
  }
};

// Where such a tensor lies; heads and features in one piece. // [.., T, H, Dh]
Numbers lying(const Tensor& x) { return {read(x), x.stride(0), x.stride(1)}; }

// The extents of all three. // [B, T, H, Dh], [B, S, Hk, Dh]
Sizes sizes_of(const Tensor& queries, const Tensor& keys, double scale, int64_t window) {
  return {queries.size(0), queries.size(1), keys.size(1), queries.size(2), keys.size(2), queries.size(3), window,
          static_cast<float>(scale)};
}

// softmax(s Q Kᵀ) V, where a query sees at most a window. The sums of its scores are kept only for a way back.
// // [B, T, H, Dh], [B, S, Hk, Dh] twice -> [B, T, H, Dh], [B, H, T]
Tensor gathered(const Tensor& queries, const Tensor& keys, const Tensor& values, double scale, int64_t window,
                Tensor* log_sums) {
  const Sizes sizes = sizes_of(queries, keys, scale, window);
  const Numbers q = lying(queries), k = lying(keys), v = lying(values);
  Tensor out = at::empty(queries.sizes(), queries.options());
  if (log_sums != nullptr) *log_sums = at::empty({sizes.sequences, sizes.heads, sizes.length}, queries.options());
  Tensor scratch = at::empty({iterit_gather_scratch(sizes.seen, sizes.features)}, queries.options());
  iterit_gather(&q, &k, &v, write(out), log_sums == nullptr ? nullptr : write(*log_sums), &sizes, write(scratch));
  return out;
}

struct Gather : Function<Gather> {
  static Tensor forward(AutogradContext* context, const Tensor& queries, const Tensor& keys, const Tensor& values,
                        double scale, int64_t window) {
    Tensor log_sums;
    const Tensor out = gathered(queries, keys, values, scale, window, &log_sums);
    context->save_for_backward({queries, keys, values, out, log_sums});
    context->saved_data["scale"] = scale;
    context->saved_data["window"] = window;
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &queries = saved[0], &keys = saved[1], &values = saved[2], &out = saved[3], &log_sums = saved[4];
    const Tensor gradient = gradients[0].contiguous();
    const Sizes sizes = sizes_of(queries, keys, context->saved_data["scale"].toDouble(),
                                 context->saved_data["window"].toInt());
    const Numbers q = lying(queries), k = lying(keys), v = lying(values);
    Tensor dq = at::empty(queries.sizes(), queries.options()), dk = at::empty(keys.sizes(), keys.options()),
           dv = at::empty(values.sizes(), values.options());
    Tensor scratch = at::empty({iterit_gather_back_scratch(sizes.seen, sizes.features)}, queries.options());
    iterit_gather_back(&q, &k, &v, read(out), read(gradient), read(log_sums), write(dq), write(dk), write(dv), &sizes,
                       write(scratch));
    return {dq, dk, dv, Tensor(), Tensor()};
  }
};

}  // namespace

extern "C" {

// Each result is the caller's.

char* iterit_differentiable_gather(Tensor* queries, Tensor* keys, Tensor* values, double scale, int64_t window,
                                   Tensor** out) {
  return guarded([&] {
    const bool is_kept = at::GradMode::is_enabled() &&
                         (queries->requires_grad() || keys->requires_grad() || values->requires_grad());
    *out = new Tensor(is_kept ? Gather::apply(*queries, *keys, *values, scale, window)
                              : gathered(*queries, *keys, *values, scale, window, nullptr));
  });
}

char* iterit_differentiable_rms_norm(Tensor* x, Tensor* gain, double eps, Tensor** y) {
  return guarded([&] { *y = new Tensor(RmsNorm::apply(*x, *gain, eps)); });
}

char* iterit_differentiable_silu_times(Tensor* gate, Tensor* up, Tensor** y) {
  return guarded([&] { *y = new Tensor(SiluTimes::apply(*gate, *up)); });
}

char* iterit_differentiable_turn_halves(Tensor* x, Tensor* cos, Tensor* sin, Tensor** y) {
  return guarded([&] { *y = new Tensor(TurnHalves::apply(*x, *cos, *sin)); });
}

}  // extern "C"
