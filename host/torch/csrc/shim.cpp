// The few functions of libtorch that tch 0.24 does not bind, behind a C interface.
//
// A tch tensor is a pointer to an at::Tensor. Every function that can fail returns null, or a
// message that the caller frees.

#include "guarded.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <dlfcn.h>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <string>
#include <vector>

using at::Tensor;

// Of the OpenMP and the MKL that libtorch brings.
extern "C" void omp_set_num_threads(int);
extern "C" __attribute__((weak)) int MKL_Set_Num_Threads_Local(int);

namespace {

std::vector<Tensor> list(Tensor* const* tensors, size_t count) {
  std::vector<Tensor> result;
  result.reserve(count);
  for (size_t i = 0; i < count; i++) result.push_back(*tensors[i]);
  return result;
}

// libtorch repeats some warnings with every call; this says each once, in one line.
struct WarnOnce : c10::WarningHandler {
  void process(const c10::Warning& warning) override {
    const std::string& message = warning.msg();
    const std::lock_guard<std::mutex> lock(mutex);
    if (!said.insert(message).second) return;
    fprintf(stderr, "warning: libtorch: %s\n", message.substr(0, message.find('\n')).c_str());
  }
  std::mutex mutex;
  std::set<std::string> said;
};

// The matrix that codes stand for: each times its row's scale, or, where there are `pairs`, [256, 2], each
// pair of 4 bits by these, times the scale of its block of 64. Computed in float32 and rounded once.
Tensor unpacked(const Tensor& codes, const Tensor& scales, const Tensor& pairs, int64_t rows, int64_t columns,
                at::ScalarType kind) {
  if (pairs.numel() == 0) return codes.to(at::kFloat).mul_(scales).to(kind);
  Tensor numbers = pairs.index_select(0, codes.to(at::kInt)).view({scales.size(0), -1}).mul_(scales);
  return numbers.flatten().narrow(0, 0, rows * columns).view({rows, columns}).to(kind);
}

// y = x Wᵀ with a frozen W that is kept as codes; the graph holds the codes, and unpacks them once more on
// the way back.
struct PackedLinear : torch::autograd::Function<PackedLinear> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Tensor& codes,
                        const Tensor& scales, const Tensor& pairs, int64_t rows, int64_t columns) {
    context->save_for_backward({codes, scales, pairs});
    context->saved_data["size"] = std::vector<int64_t>{rows, columns};
    return at::linear(x, unpacked(codes, scales, pairs, rows, columns, x.scalar_type()));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto size = context->saved_data["size"].toIntVector();
    const Tensor& gradient = gradients[0];
    Tensor weight = unpacked(saved[0], saved[1], saved[2], size[0], size[1], gradient.scalar_type());
    return {gradient.matmul(weight), Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

extern "C" {

// Adds to the gradient of every leaf what `gradients`, one for each root, become on their way down.
char* iterit_backward(Tensor* const* roots, Tensor* const* gradients, size_t count) {
  return guarded([&] {
    torch::autograd::backward(list(roots, count), list(gradients, count));
  });
}

// Whether operators called on this thread are kept for a way back.
bool iterit_keeps_graph() { return c10::GradMode::is_enabled(); }

// Drops a leaf's gradient, and its memory.
char* iterit_clear_gradient(Tensor* leaf) {
  return guarded([&] { leaf->mutable_grad() = Tensor(); });
}

// One AdamW step in place; `steps` holds the number of this step, counted from 1, for each parameter.
char* iterit_fused_adamw(Tensor* const* parameters, Tensor* const* gradients, Tensor* const* exp_avgs,
                         Tensor* const* exp_avg_sqs, Tensor* const* steps, size_t count, double lr,
                         double beta1, double beta2, double weight_decay, double eps) {
  return guarded([&] {
    c10::NoGradGuard no_grad;
    at::_fused_adamw_(list(parameters, count), list(gradients, count), list(exp_avgs, count),
                      list(exp_avg_sqs, count), {}, list(steps, count), lr, beta1, beta2,
                      weight_decay, eps, /*amsgrad=*/false, /*maximize=*/false);
  });
}

// x Wᵀ for a matrix of codes; `pairs` may be null. The result is the caller's.
char* iterit_packed_linear(Tensor* x, Tensor* codes, Tensor* scales, Tensor* pairs, int64_t rows,
                           int64_t columns, Tensor** result) {
  return guarded([&] {
    const Tensor table = pairs ? *pairs : codes->new_empty({0});
    *result = new Tensor(PackedLinear::apply(*x, *codes, *scales, table, rows, columns));
  });
}

// The matrix that codes stand for, in float32. The result is the caller's.
char* iterit_unpacked(Tensor* codes, Tensor* scales, Tensor* pairs, int64_t rows, int64_t columns,
                      Tensor** result) {
  return guarded([&] {
    c10::NoGradGuard no_grad;
    const Tensor table = pairs ? *pairs : codes->new_empty({0});
    *result = new Tensor(unpacked(*codes, *scales, table, rows, columns, at::kFloat));
  });
}

// The norm of all tensors together, in float32; a device takes those of a list at once.
char* iterit_global_norm(Tensor* const* tensors, size_t count, Tensor** norm) {
  return guarded([&] {
    c10::NoGradGuard no_grad;
    const auto each = at::_foreach_norm(list(tensors, count), /*ord=*/2, at::kFloat);
    *norm = new Tensor(at::linalg_vector_norm(at::stack(each), /*ord=*/2));
  });
}

// Multiplies all tensors in place.
char* iterit_scale(Tensor* const* tensors, size_t count, double factor) {
  return guarded([&] {
    c10::NoGradGuard no_grad;
    at::_foreach_mul_(list(tensors, count), factor);
  });
}

// From now on operators called on this thread spread over so many. The count that libtorch keeps for the
// process is left alone: a thread takes it over once, libtorch's code and what is compiled here from its
// headers each by itself, so that comes first.
void iterit_spread_over(int threads) {
  at::get_num_threads();
  at::internal::lazy_init_num_threads();
  omp_set_num_threads(threads);
  if (MKL_Set_Num_Threads_Local != nullptr) MKL_Set_Num_Threads_Local(threads);
}

// Where an operator has a deterministic form, it is used; the others warn. To be called before the
// first CUDA operator: cuBLAS reads its variable when it starts. cuDNN's attention plans anew for
// every shape, which on batches of all lengths takes most of the time; the others need no plan.
char* iterit_prefer_deterministic() {
  return guarded([] {
    setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
    at::globalContext().setDeterministicFillUninitializedMemory(false);
    at::globalContext().setSDPUseCuDNN(false);
    static WarnOnce warn_once;
    c10::WarningUtils::set_warning_handler(&warn_once);
  });
}

// Loads a library for every other one to see.
char* iterit_load_library(const char* path) {
  if (dlopen(path, RTLD_NOW | RTLD_GLOBAL) != nullptr) return nullptr;
  const char* reason = dlerror();
  return strdup(reason ? reason : "unknown reason");
}

// Free and all bytes of a CUDA device; the CUDA half has to be loaded.
char* iterit_cuda_memory(int8_t device, size_t* free, size_t* total) {
  return guarded([&] {
    const auto memory = c10::getDeviceAllocator(c10::kCUDA)->getMemoryInfo(device);
    *free = memory.first;
    *total = memory.second;
  });
}

// The path of the libtorch_cpu this process runs on; null when the system does not say.
const char* iterit_libtorch_path() {
  Dl_info info;
  const void* inside = reinterpret_cast<const void*>(&at::globalContext);
  return dladdr(inside, &info) != 0 ? info.dli_fname : nullptr;
}

}  // extern "C"
