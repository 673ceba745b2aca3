// Tries the pretended GPU itself: `strict LIBRARY CASE` exits with 0 where the case went as it has to, and says why not.
// `host-read` has to end in SIGSEGV.

#include <ATen/Context.h>
#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <torch/csrc/autograd/autograd.h>

#include <dlfcn.h>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <string>

namespace {

using at::Tensor;

const at::Device FIRST(at::kCUDA, 0), SECOND(at::kCUDA, 1);

Tensor numbers(at::IntArrayRef shape, double seed) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return ((at::arange(count, at::kDouble) * 12.9898 + seed).sin() * 43758.5453).frac().view(shape).to(at::kFloat);
}

void check(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

void refused(const std::function<void()>& act, const std::string& words) {
  try {
    act();
  } catch (const c10::Error& error) {
    check(strstr(error.what(), words.c_str()) != nullptr, std::string("says ") + error.what_without_backtrace());
    return;
  }
  throw std::runtime_error("was not refused: " + words);
}

// The result of a function and the gradients of its inputs, equal to the bit on the CPU and the device.
void equal_on_both(const std::function<Tensor(const std::vector<Tensor>&)>& function, std::vector<Tensor> inputs) {
  std::vector<std::vector<Tensor>> seen;
  for (const at::Device device : {at::Device(at::kCPU), FIRST}) {
    std::vector<Tensor> leaves;
    for (const Tensor& input : inputs) {
      leaves.push_back(input.clone().to(device).requires_grad_());
    }
    const Tensor result = function(leaves);
    torch::autograd::backward({result}, {numbers(result.sizes(), 0.7).to(result.scalar_type()).to(device)});
    seen.push_back({result.detach().cpu()});
    for (const Tensor& leaf : leaves) seen.back().push_back(leaf.grad().cpu());
  }
  for (size_t i = 0; i < seen[0].size(); i++) {
    check(at::equal(seen[0][i], seen[1][i]), "differs: " + std::to_string(i));
  }
}

void mixing() {
  const Tensor host = at::ones({3}), device = at::ones({3}, FIRST), other = at::ones({3}, SECOND);
  refused([&] { device + host; }, "found at least two devices, cuda:0 and cpu");
  refused([&] { device + other; }, "found at least two devices, cuda:0 and cuda:1");
  refused([&] { at::ones({3}, at::Device(at::kCUDA, 2)); }, "invalid device ordinal");
  check((other + 1).device() == SECOND, "a result lies elsewhere");
  check(at::equal(other.to(FIRST).cpu(), host), "a copy across differs");
}

void host_read() {
  const Tensor device = at::ones({3}, FIRST);
  printf("%f\n", static_cast<const float*>(device.const_data_ptr())[0]);
}

void unwritten() {
  check(at::empty({4}, FIRST).isnan().all().item<bool>(), "fresh memory is a number");
  refused([&] { at::ones({4}, FIRST).index_select(0, at::empty({1}, at::device(FIRST).dtype(at::kLong))); }, "index");
}

void memory() {
  const Tensor fits = at::empty({1 << 20}, FIRST);
  const std::string words = "CUDA out of memory. Tried to allocate 8 MiB. GPU 0 has a total capacity of 8 MiB of which 4";
  refused([&] { at::empty({2 << 20}, FIRST); }, words);
  check(at::empty({1 << 20}, SECOND).defined(), "each device has its own");
}

void pinned_in() {
  const Tensor host = at::ones({3}).pin_memory();
  check(host.is_pinned() && !at::ones({3}).is_pinned(), "what is pinned");
  const Tensor early = host.to(FIRST, at::kFloat, /*non_blocking=*/true);
  refused(
      [&] {
        host.fill_(2);
        early + 1;
      },
      "pinned memory was written to before cuda:0 had copied it");
  const Tensor late = host.to(FIRST, at::kFloat, /*non_blocking=*/true);
  check((late + 1).sum().item<float>() == 9, "a copy that was left alone");
}

void pinned_out() {
  const Tensor device = at::ones({3}, FIRST);
  const Tensor host = device.to(at::kCPU, at::kFloat, /*non_blocking=*/true);
  device.fill_(5);
  check(host.isnan().all().item<bool>(), "it was there before it was waited for");
  c10::Event event(c10::DeviceType::CUDA);
  event.record(c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).getStream(FIRST));
  event.synchronize();
  check(at::equal(host, at::ones({3})), "it is not there after it was waited for");
}

void norm() {
  const auto rms = [](const std::vector<Tensor>& in) { return at::rms_norm(in[0], {16}, in[1], 1e-6); };
  equal_on_both(rms, {numbers({2, 5, 16}, 0.1), numbers({16}, 0.2)});
  equal_on_both(rms, {numbers({2, 5, 16}, 0.1).to(at::kBFloat16), numbers({16}, 0.2).to(at::kBFloat16)});
}

void attention() {
  at::globalContext().setSDPUseCuDNN(false);
  for (const auto kind : {at::kFloat, at::kBFloat16}) {
    const std::vector<Tensor> inputs{numbers({2, 4, 6, 8}, 0.1).to(kind), numbers({2, 4, 6, 8}, 0.2).to(kind),
                                     numbers({2, 4, 6, 8}, 0.3).to(kind)};
    const Tensor mask = at::zeros({6, 6}, kind).masked_fill(at::ones({6, 6}, at::kBool).triu(1), -INFINITY);
    const auto run = [&](const std::vector<Tensor>& in, bool masked) {
      const std::optional<Tensor> given = masked ? std::optional<Tensor>(mask.to(in[0].device())) : std::nullopt;
      return at::scaled_dot_product_attention(in[0], in[1], in[2], given, 0.0, !masked);
    };
    equal_on_both([&](const std::vector<Tensor>& in) { return run(in, false); }, inputs);
    equal_on_both([&](const std::vector<Tensor>& in) { return run(in, true); }, inputs);
  }
  const Tensor half = numbers({2, 4, 6, 8}, 0.1).to(at::kBFloat16).to(FIRST), wide = half.to(at::kFloat);
  const auto choice = [](const Tensor& q, const Tensor& kv, bool causal) {
    return static_cast<at::SDPBackend>(at::_fused_sdp_choice(q, kv, kv, {}, 0.0, causal, {}, q.size(1) != kv.size(1)));
  };
  const auto two = [](const Tensor& x) { return x.narrow(1, 0, 2); };
  check(choice(half, half, true) == at::SDPBackend::flash_attention, "flash in bfloat16");
  check(choice(half, two(half), true) == at::SDPBackend::flash_attention, "flash with grouped queries");
  check(choice(wide, wide, true) == at::SDPBackend::efficient_attention, "efficient in float32");
  check(choice(wide, two(wide), true) == at::SDPBackend::math, "no kernel for groups in float32");
  check(choice(half.narrow(2, 0, 3), half, true) == at::SDPBackend::efficient_attention, "causal over a rectangle");
  at::globalContext().setSDPUseCuDNN(true);
  refused([&] { at::scaled_dot_product_attention(half, half, half, {}, 0.0, true); }, "cudnn");
}

void lists() {
  const std::vector<Tensor> lists{at::ones({3}, FIRST), at::full({2}, 2.0, FIRST)};
  const auto norms = at::_foreach_norm(lists, 2);
  check(norms.size() == 2 && norms[1].item<float>() == std::sqrt(8.0f), "norms");
  at::_foreach_mul_(lists, at::full({}, 3.0, FIRST));
  check(lists[1].sum().item<float>() == 12, "products in place");
}

const std::map<std::string, void (*)()> CASES{
    {"mixing", mixing},       {"host-read", host_read}, {"unwritten", unwritten}, {"memory", memory},
    {"pinned-in", pinned_in}, {"pinned-out", pinned_out}, {"norm", norm},         {"attention", attention},
    {"lists", lists},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 || CASES.count(argv[2]) == 0) {
    fprintf(stderr, "usage: strict LIBRARY CASE\n");
    return 2;
  }
  if (dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  try {
    CASES.at(argv[2])();
  } catch (const c10::Error& error) {
    fprintf(stderr, "%s\n", error.what_without_backtrace());
    return 1;
  } catch (const std::exception& error) {
    fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
