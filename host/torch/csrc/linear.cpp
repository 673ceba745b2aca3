// Products of tensors by thirds (`thirds.h`), and linear layers of one input as a step of libtorch's graph. For float32
// on a CPU that has the unit; who calls has looked.
//
// Rows are shared out over the threads that libtorch would spread an operator over. Every number of a result is summed in
// the order of depth, whatever the threads and whatever the other rows are.

#include "guarded.h"
#include "thirds.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdint>
#include <vector>

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

namespace {

// Rows of a result for which a second factor is worth laying out, and how large a product has to be otherwise.
constexpr int64_t FEWEST_ROWS = 128, LEAST = 48;

// Numbers of a second factor that is laid out for one product: of larger ones it takes too long.
constexpr int64_t MOST = 4 << 20;

// Rows are cut in multiples of what the unit takes.
constexpr int64_t PANEL = 32;

// The columns of a second. // [K, N]
Lines columns_of(const Tensor& b) { return {b.const_data_ptr<float>(), b.stride(1), b.stride(0)}; }

// One way or the other in one piece.
Tensor readable(const Tensor& a) { return a.stride(0) == 1 || a.stride(1) == 1 ? a : a.contiguous(); }

Tensor numbers_of_16_bits(int64_t count) { return at::empty({count}, at::kShort); }

const uint16_t* read(const Tensor& laid_out) {
  return reinterpret_cast<const uint16_t*>(laid_out.const_data_ptr<int16_t>());
}

uint16_t* write(Tensor& laid_out) { return reinterpret_cast<uint16_t*>(laid_out.mutable_data_ptr<int16_t>()); }

// What a thread needs for a product and the next product needs as well: room for rows, and for one factor or several.
// Asked of the system for every product, it would take as long as the product.
constexpr size_t OF_ROWS = 0, OF_COLUMNS = 1;

Tensor scratch(size_t which, int64_t count) {
  thread_local std::vector<Tensor> all;
  if (all.size() <= which) all.resize(which + 1);
  Tensor& one = all[which];
  if (!one.defined() || one.numel() < count) one = numbers_of_16_bits(count);
  return one;
}

int64_t laid_out_size(const Tensor& b) { return iterit_thirds_size(b.size(1), b.size(0)); }

// B, laid out. // [K, N]
Tensor laid_out(const Tensor& factor, Tensor to) {
  const Tensor b = readable(factor);
  const Lines lines = columns_of(b);
  iterit_thirds_lay_out(&lines, b.size(1), b.size(0), write(to));
  return to;
}

// The same for products of this thread that come before another is laid out there.
Tensor laid_out_in_passing(const Tensor& b, size_t which = 0) {
  return laid_out(b, scratch(OF_COLUMNS + which, laid_out_size(b)));
}

// A second factor and what becomes of its products. // [K, N] laid out, [M, N]
struct Multiplied {
  Tensor second, c;
};

// C = A B, or C + A B, of one A and one or several B. // [M, K]
void multiply(const Tensor& factor, const std::vector<Multiplied>& all, Target target) {
  const Tensor a = readable(factor);
  const int64_t count = a.size(0), depth = a.size(1), panels = (count + PANEL - 1) / PANEL;
  const int64_t pieces = std::min<int64_t>(at::get_num_threads(), panels);
  const int64_t piece_rows = pieces == 0 ? 0 : (panels + pieces - 1) / pieces * PANEL;
  at::parallel_for(0, pieces, 1, [&](int64_t first, int64_t end) {
    for (int64_t piece = first; piece < end; piece++) {
      const int64_t row = piece * piece_rows, num_rows = std::min(piece_rows, count - row);
      if (num_rows <= 0) continue;
      const Lines rows{a.const_data_ptr<float>() + row * a.stride(0), a.stride(0), a.stride(1)};
      std::vector<Second> seconds;
      for (const auto& [second, c] : all) {
        const int64_t columns = c.size(1);
        seconds.push_back({read(second), columns, c.mutable_data_ptr<float>() + row * columns, columns});
      }
      Tensor room = scratch(OF_ROWS, iterit_thirds_scratch(num_rows, depth));
      iterit_thirds_product(&rows, num_rows, depth, seconds.data(), seconds.size(), target, write(room));
    }
  });
}

bool pays(int64_t rows, int64_t depth, int64_t columns) {
  return rows >= FEWEST_ROWS && std::min(depth, columns) >= LEAST && depth * columns <= MOST;
}

// A B, or C + A B, by whoever is faster. // [M, K], [K, N], [M, N]
void multiply_best(const Tensor& a, const Tensor& b, Tensor& c, Target target) {
  if (pays(a.size(0), a.size(1), b.size(1))) {
    multiply(a, {{laid_out_in_passing(b), c}}, target);
  } else if (target == Target::AddedTo) {
    c.addmm_(a, b);
  } else {
    at::mm_out(c, a, b);
  }
}

// A B. // [M, K], [K, N] -> [M, N]
Tensor product(const Tensor& a, const Tensor& b) {
  Tensor c = at::empty({a.size(0), b.size(1)}, a.options());
  multiply_best(a, b, c, Target::Forgotten);
  return c;
}

// The matrix of a linear layer, and perhaps its bias. // [Out, In] or laid out, [Out]
struct Layer {
  Tensor matrix;
  int64_t out_features;
  const Tensor* bias;
};

// x Wᵀ + b of every layer. // [N, In], [In, Out] laid out each -> [N, Out] each
variable_list linears(const Tensor& x, const std::vector<Layer>& layers) {
  std::vector<Multiplied> plain, biased;
  variable_list results;
  for (const Layer& layer : layers) {
    Tensor y = at::empty({x.size(0), layer.out_features}, x.options());
    if (layer.bias != nullptr) y.copy_(layer.bias->expand_as(y));
    (layer.bias == nullptr ? plain : biased).push_back({layer.matrix, y});
    results.push_back(y);
  }
  if (!plain.empty()) multiply(x, plain, Target::Forgotten);
  if (!biased.empty()) multiply(x, biased, Target::AddedTo);
  return results;
}

// yᵢ = x Wᵢᵀ + bᵢ; dx = Σ dyᵢ Wᵢ, dWᵢ = dyᵢᵀ x, dbᵢ = Σ dyᵢ. Takes x, then all W, then those b that there are, whose layers
// are told. // [N, In], [Out, In] each, [Out] each -> [N, Out] each
struct Linears : Function<Linears> {
  static variable_list forward(AutogradContext* context, at::TensorList given, std::vector<int64_t> biased) {
    const size_t count = given.size() - 1 - biased.size();
    const variable_list kept(given.begin(), given.begin() + 1 + count);
    context->save_for_backward(kept);
    context->saved_data["biased"] = biased;
    context->set_materialize_grads(false);
    std::vector<Layer> layers;
    for (size_t i = 0; i < count; i++) {
      const Tensor& weight = kept[1 + i];
      layers.push_back({laid_out_in_passing(weight.t(), i), weight.size(0), nullptr});
    }
    for (size_t i = 0; i < biased.size(); i++) layers[biased[i]].bias = &given[1 + count + i];
    return linears(given[0], layers);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto kept = context->get_saved_variables();
    const auto biased = context->saved_data["biased"].toIntVector();
    const size_t count = kept.size() - 1;
    for (Tensor& gradient : gradients) {
      if (gradient.defined()) gradient = gradient.contiguous();
    }
    variable_list result(kept.size() + biased.size() + 1);
    if (context->needs_input_grad(0)) result[0] = of_x(gradients, kept);
    std::vector<size_t> trained;
    for (size_t i = 0; i < count; i++) {
      if (gradients[i].defined() && context->needs_input_grad(1 + i)) trained.push_back(i);
    }
    of_matrices(gradients, kept[0], trained, &result[1]);
    for (size_t i = 0; i < biased.size(); i++) {
      const Tensor& gradient = gradients[biased[i]];
      if (gradient.defined() && context->needs_input_grad(1 + count + i)) result[1 + count + i] = gradient.sum(0);
    }
    return result;
  }

  // Σ dyᵢ Wᵢ.
  static Tensor of_x(const variable_list& gradients, const variable_list& kept) {
    Tensor dx = at::empty_like(kept[0]);
    Target target = Target::Forgotten;
    for (size_t i = 0; i < gradients.size(); i++) {
      if (!gradients[i].defined()) continue;
      multiply_best(gradients[i], kept[1 + i], dx, target);
      target = Target::AddedTo;
    }
    return target == Target::AddedTo ? dx : Tensor();
  }

  // dyᵢᵀ x, of an x that is laid out once.
  static void of_matrices(const variable_list& gradients, const Tensor& x, const std::vector<size_t>& trained,
                          Tensor* results) {
    int64_t rows = 0, fewest = x.size(1);
    for (size_t i : trained) {
      rows += gradients[i].size(1);
      fewest = std::min(fewest, gradients[i].size(1));
    }
    if (!pays(rows, x.size(0), fewest)) {
      for (size_t i : trained) results[i] = at::mm(gradients[i].t(), x);
      return;
    }
    const Tensor second = laid_out_in_passing(x);
    for (size_t i : trained) {
      results[i] = at::empty({gradients[i].size(1), x.size(1)}, x.options());
      multiply(gradients[i].t(), {{second, results[i]}}, Target::Forgotten);
    }
  }
};

// Those that a caller of the C interface lists.
std::vector<Layer> listed(Tensor* const* matrices, const int64_t* out_features, Tensor* const* biases, size_t count) {
  std::vector<Layer> layers;
  for (size_t i = 0; i < count; i++) layers.push_back({*matrices[i], out_features[i], biases[i]});
  return layers;
}

void give(variable_list tensors, Tensor** to) {
  for (size_t i = 0; i < tensors.size(); i++) to[i] = new Tensor(std::move(tensors[i]));
}

}  // namespace

extern "C" {

// Each result is the caller's.

// Whether such a product is better made here. // [M, K], [K, N]
bool iterit_thirds_pay(int64_t rows, int64_t depth, int64_t columns) { return pays(rows, depth, columns); }

// W, laid out for products x Wᵀ. // [Out, In]
char* iterit_thirds_laid_out(Tensor* weight, Tensor** to) {
  return guarded([&] { *to = new Tensor(laid_out(weight->t(), numbers_of_16_bits(laid_out_size(weight->t())))); });
}

// x Wᵀ + b with every W, which are laid out; a bias may be null. // [N, In] -> [N, Out] each
char* iterit_thirds_linears(Tensor* x, Tensor* const* laid_out, const int64_t* out_features, Tensor* const* biases,
                            size_t count, Tensor** y) {
  return guarded([&] { give(linears(*x, listed(laid_out, out_features, biases, count)), y); });
}

// A B. // [M, K], [K, N] -> [M, N]
char* iterit_thirds_multiply(Tensor* a, Tensor* b, Tensor** c) {
  return guarded([&] { *c = new Tensor(product(*a, *b)); });
}

// C += A B, where that pays. // [M, K], [K, N], [M, N]
char* iterit_thirds_add(Tensor* c, Tensor* a, Tensor* b) {
  return guarded([&] { multiply(*a, {{laid_out_in_passing(*b), *c}}, Target::AddedTo); });
}

// The same with W as they are, and a way back.
char* iterit_differentiable_linears(Tensor* x, Tensor* const* weights, Tensor* const* biases, size_t count, Tensor** y) {
  return guarded([&] {
    variable_list given{*x};
    std::vector<int64_t> biased;
    for (size_t i = 0; i < count; i++) given.push_back(*weights[i]);
    for (size_t i = 0; i < count; i++) {
      if (biases[i] == nullptr) continue;
      given.push_back(*biases[i]);
      biased.push_back(i);
    }
    give(Linears::apply(at::TensorList(given), biased), y);
  });
}

}  // extern "C"
