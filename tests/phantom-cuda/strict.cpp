// Tries the pretended GPU itself: `strict LIBRARY CASE` exits with 0 where the case went as it has to, and says why not.
// `host-read` has to end in SIGSEGV.

#include <ATen/Context.h>
#include <ATen/ATen.h>
#include <ATen/ops/_flash_attention_forward.h>
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

// Three sequences of 3, 1 and 4 tokens, the keys of each behind those of two that all share, or of none.
void varlen() {
  at::globalContext().setSDPUseCuDNN(false);
  const std::vector<int64_t> lengths{3, 1, 4};
  for (const auto& [prefix, window] : {std::pair<int64_t, int64_t>{0, 9}, {0, 2}, {2, 9}, {2, 3}}) {
    const int64_t seen = 8 + 3 * prefix;
    const auto make = [](int64_t tokens, int64_t heads, double seed) {
      return numbers({tokens, heads, 8}, seed).to(at::kBFloat16).to(FIRST).requires_grad_();
    };
    const Tensor q = make(8, 4, 0.1), k = make(seen, 2, 0.2), v = make(seen, 2, 0.3);
    std::vector<int> of_q{0}, of_k{0};
    std::vector<Tensor> apart;
    for (const int64_t length : lengths) {
      const int64_t keys = length + prefix;
      const Tensor ones = at::ones({length, keys}, at::device(FIRST).dtype(at::kBool));
      const Tensor is_seen = ones.tril(prefix).logical_and(ones.triu(prefix - window + 1));
      const auto one = [&](const Tensor& x, int start, int64_t count) {
        return x.narrow(0, start, count).transpose(0, 1).unsqueeze(0);
      };
      const Tensor scores = one(q, of_q.back(), length).matmul(
                                one(k, of_k.back(), keys).repeat_interleave(2, 1).transpose(2, 3)) / std::sqrt(8.0);
      const Tensor shares = scores.to(at::kFloat).masked_fill(is_seen.logical_not(), -INFINITY).softmax(-1).to(at::kBFloat16);
      apart.push_back(shares.matmul(one(v, of_k.back(), keys).repeat_interleave(2, 1))[0].transpose(0, 1));
      of_q.push_back(of_q.back() + length);
      of_k.push_back(of_k.back() + keys);
    }
    const auto starts = [](const std::vector<int>& at) { return at::tensor(at, at::kInt).to(FIRST); };
    const Tensor together = std::get<0>(at::_flash_attention_forward(q, k, v, starts(of_q), starts(of_k), 4, 4 + prefix, 0.0,
                                                                     true, false, 1 / std::sqrt(8.0), window - 1, 0));
    std::vector<std::vector<Tensor>> found;
    for (const Tensor& result : {together, at::cat(apart, 0)}) {
      const Tensor of_result = numbers({8, 4, 8}, 0.7).to(at::kBFloat16).to(FIRST);
      std::vector<Tensor> got = torch::autograd::grad({result}, {q, k, v}, {of_result});
      got.push_back(result);
      found.push_back(got);
    }
    for (size_t i = 0; i < found[0].size(); i++) {
      const Tensor away = (found[0][i] - found[1][i]).to(at::kFloat).abs().max();
      check(away.item<float>() < 0.03, "differs by " + std::to_string(away.item<float>()));
    }
  }
  const Tensor q = at::ones({3, 1, 8}, at::device(FIRST).dtype(at::kBFloat16));
  const auto run = [&](const Tensor& x, const Tensor& starts) {
    at::_flash_attention_forward(x, x, x, starts, starts, 3, 3, 0.0, true, false, 1.0, {}, 0);
  };
  const Tensor starts = at::tensor({0, 3}, at::kInt).to(FIRST);
  refused([&] { run(q, starts.to(at::kLong)); }, "int32");
  refused([&] { run(q.to(at::kFloat), starts); }, "16 bits");
  refused([&] { run(q.narrow(2, 0, 4), starts); }, "features of a head");
  refused([&] { run(q.narrow(0, 0, 2), starts); }, "end at 3 of 2 tokens");
}

void lists() {
  const std::vector<Tensor> lists{at::ones({3}, FIRST), at::full({2}, 2.0, FIRST)};
  const auto norms = at::_foreach_norm(lists, 2);
  check(norms.size() == 2 && norms[1].item<float>() == std::sqrt(8.0f), "norms");
  at::_foreach_mul_(lists, at::full({}, 3.0, FIRST));
  check(lists[1].sum().item<float>() == 12, "products in place");
}

// The NCCL that lies beside the library, as far as it is tried here.
struct Nccl {
  struct Id {
    char bytes[128];
  };
  struct Config {
    size_t size = sizeof(Config);
    unsigned magic = 0xcafebeef, version = 21400;
    int blocking = 0;
  };

  template <typename Function>
  static void find(void* library, const char* name, Function*& function) {
    function = reinterpret_cast<Function*>(dlsym(library, name));
    check(function != nullptr, std::string("has no ") + name);
  }

  explicit Nccl(const std::string& path) {
    void* library = dlopen(path.c_str(), RTLD_NOW);
    check(library != nullptr, path + " cannot be loaded");
    find(library, "ncclGetUniqueId", unique_id);
    find(library, "ncclCommInitRankConfig", init);
    find(library, "ncclCommGetAsyncError", state_of);
    find(library, "ncclReduce", reduce);
    find(library, "ncclCommAbort", abort);
  }

  // What becomes of the last thing a rank was asked for: 0 once it is in its stream.
  int state(void* rank) const {
    int state = IN_PROGRESS;
    while (state == IN_PROGRESS) state_of(rank, &state);
    return state;
  }

  int sum(void* rank, const Tensor& tensor, int root) const {
    return reduce(tensor.data_ptr(), tensor.data_ptr(), tensor.numel(), /*float*/ 7, /*sum*/ 0, root, rank, nullptr);
  }

  static constexpr int INVALID_ARGUMENT = 4, INVALID_USAGE = 5, IN_PROGRESS = 7;

  int (*unique_id)(Id*);
  int (*init)(void**, int, Id, int, Config*);
  int (*state_of)(void*, int*);
  int (*reduce)(const void*, void*, size_t, int, int, int, void*, void*);
  int (*abort)(void*);
};

std::string folder;

// Two devices of one process are two ranks like any others.
void collectives() {
  const Nccl nccl(folder + "libnccl.so.2");
  Nccl::Id id;
  nccl.unique_id(&id);
  void* ranks[2];
  for (int rank = 0; rank < 2; rank++) {
    const c10::DeviceGuard guard(rank == 0 ? FIRST : SECOND);
    Nccl::Config config;
    check(nccl.init(&ranks[rank], 2, id, rank, &config) == Nccl::IN_PROGRESS, "it did not go on by itself");
  }
  check(nccl.state(ranks[0]) == 0 && nccl.state(ranks[1]) == 0, "they have not met");
  const Tensor one = at::ones({300000}, FIRST), two = at::full({300000}, 2.0, SECOND);
  check(nccl.sum(ranks[0], at::ones({3}), 0) == Nccl::INVALID_ARGUMENT, "takes memory of the host");
  check(nccl.sum(ranks[0], two, 0) == Nccl::INVALID_ARGUMENT, "takes memory of another device");

  check(nccl.sum(ranks[0], one, 0) == Nccl::IN_PROGRESS && nccl.state(ranks[0]) == 0, "cannot begin");
  const auto stream = c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).getStream(FIRST);
  c10::Event behind(c10::DeviceType::CUDA);
  behind.record(stream);
  check(!behind.query() && !stream.query(), "a sum of two is done by one");
  check(nccl.sum(ranks[1], two, 0) == Nccl::IN_PROGRESS, "the other cannot begin");
  check((one - 3).abs().sum().item<float>() == 0, "a kernel behind a sum does not see it");
  check(behind.query(), "it is not done");
  check(at::equal(two.cpu(), at::full({300000}, 2.0)), "a rank that is not the root gets something");

  // An event that is recorded before it has begun would pass at once.
  check(nccl.sum(ranks[0], one, 0) == Nccl::IN_PROGRESS && nccl.state(ranks[0]) == 0, "cannot go on");
  check(nccl.sum(ranks[1], two, 1) == Nccl::IN_PROGRESS, "looks before the other has come");
  behind.record(stream);
  behind.synchronize();
  check(nccl.state(ranks[0]) == Nccl::INVALID_USAGE, "takes sums at two roots");
  for (void* rank : ranks) nccl.abort(rank);
}

const std::map<std::string, void (*)()> CASES{
    {"mixing", mixing},       {"host-read", host_read}, {"unwritten", unwritten}, {"memory", memory},
    {"pinned-in", pinned_in}, {"pinned-out", pinned_out}, {"norm", norm},         {"attention", attention},
    {"varlen", varlen},       {"lists", lists},         {"collectives", collectives},
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
  folder = std::string(argv[1]);
  folder.resize(folder.rfind('/') + 1);
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
