// NCCL's C library, found at run time, behind a C interface: what GPUs tell one another without main memory. As in
// shim.cpp, a function that can fail returns null, or a message that the caller frees.
//
// No call waits for another rank: communicators do not block, so whoever has asked for something looks from time
// to time whether it is done, and can stop looking when a rank is lost.

#include "guarded.h"

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <dlfcn.h>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

using at::Tensor;

namespace {

// What nccl.h says, as far as it is needed here; its numbers have been the same since NCCL 2.14.
struct UniqueId {
  char bytes[128];
};

enum Result : int { SUCCESS = 0, IN_PROGRESS = 7 };

constexpr int SUM = 0;

// The beginning of `ncclConfig_t`, all that it had in the version that it names; later libraries fill in the rest.
struct Config {
  size_t size = sizeof(Config);
  unsigned magic = 0xcafebeef;
  unsigned version = 21400;
  int blocking = 0;
};

int data_type(const Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kChar: return 0;
    case at::kByte: return 1;
    case at::kInt: return 2;
    case at::kLong: return 4;
    case at::kHalf: return 6;
    case at::kFloat: return 7;
    case at::kDouble: return 8;
    case at::kBFloat16: return 9;
    default: TORCH_CHECK(false, "NCCL has no type for ", tensor.scalar_type());
  }
}

}  // namespace

using Communicator = void*;
using Stream = void*;

struct IteritNccl {
  explicit IteritNccl(void* library) : library(library) {
    find("ncclGetVersion", get_version);
    find("ncclGetUniqueId", get_unique_id);
    find("ncclCommInitRankConfig", init_rank);
    find("ncclCommGetAsyncError", get_async_error);
    find("ncclCommAbort", abort);
    find("ncclGetErrorString", get_error_string);
    find("ncclReduce", reduce);
    find("ncclBroadcast", broadcast);
  }

  template <typename Function>
  void find(const char* name, Function*& function) {
    function = reinterpret_cast<Function*>(dlsym(library, name));
    TORCH_CHECK(function != nullptr, "it has no ", name, ", so it is older than NCCL 2.14");
  }

  // Something that was begun is well so far too.
  void check(int result) const {
    TORCH_CHECK(result == SUCCESS || result == IN_PROGRESS, "NCCL: ", get_error_string(result));
  }

  void* library;
  int (*get_version)(int*);
  int (*get_unique_id)(UniqueId*);
  int (*init_rank)(Communicator*, int, UniqueId, int, Config*);
  int (*get_async_error)(Communicator, int*);
  int (*abort)(Communicator);
  const char* (*get_error_string)(int);
  int (*reduce)(const void*, void*, size_t, int, int, int, Communicator, Stream);
  int (*broadcast)(const void*, void*, size_t, int, int, Communicator, Stream);
};

struct IteritCommunicator {
  const IteritNccl* nccl;
  c10::Device device;
  Communicator communicator = nullptr;
  // What the device was asked for last, until it is done; nothing while the ranks still meet.
  std::optional<Tensor> tensor;
  // Stands behind it in the stream once NCCL has put it there.
  std::optional<c10::Event> behind;

  c10::Stream stream() const { return c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).getStream(device); }

  // Has the device do something with a tensor after everything that it was asked before.
  template <typename Ask>
  void ask(const Tensor& on, Ask ask) {
    TORCH_CHECK(!tensor, "NCCL was asked for something before the last was done");
    TORCH_CHECK(on.device() == device && on.is_contiguous(), "NCCL speaks of what lies in one piece on ", device);
    const c10::DeviceGuard guard(device);
    tensor = on;
    const Stream handle = c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).getStreamNativeHandle(stream());
    nccl->check(ask(on.mutable_data_ptr(), static_cast<size_t>(on.numel()), data_type(on), handle));
  }

  bool is_done() {
    // Looked at first: whoever fails does so before it ends.
    const bool has_ended = behind && behind->query();
    int state = SUCCESS;
    nccl->check(nccl->get_async_error(communicator, &state));
    nccl->check(state);
    if (state == IN_PROGRESS) return false;
    if (!tensor) return true;
    if (!behind) behind.emplace(c10::DeviceType::CUDA).record(stream());
    if (!has_ended) return false;
    behind.reset();
    tensor.reset();
    return true;
  }
};

extern "C" {

// The library at this path, or by this name; with null the one that the process has already.
char* iterit_nccl_load(const char* path, IteritNccl** result) {
  return guarded([&] {
    void* library = path != nullptr ? dlopen(path, RTLD_NOW) : dlopen("libnccl.so.2", RTLD_NOW | RTLD_NOLOAD);
    if (library == nullptr) {
      const char* reason = dlerror();
      TORCH_CHECK(false, reason ? reason : "unknown reason");
    }
    *result = new IteritNccl(library);
  });
}

// As one number, such as 22809 for 2.28.9.
char* iterit_nccl_version(const IteritNccl* nccl, int* version) {
  return guarded([&] { nccl->check(nccl->get_version(version)); });
}

// By which ranks find one another: 128 bytes.
char* iterit_nccl_unique_id(const IteritNccl* nccl, uint8_t* bytes) {
  return guarded([&] {
    UniqueId id;
    nccl->check(nccl->get_unique_id(&id));
    memcpy(bytes, id.bytes, sizeof(id.bytes));
  });
}

// Begins to meet the others; `iterit_nccl_is_done` says when all are there.
char* iterit_nccl_join(const IteritNccl* nccl, const uint8_t* bytes, int rank, int size, int8_t device,
                       IteritCommunicator** result) {
  return guarded([&] {
    UniqueId id;
    memcpy(id.bytes, bytes, sizeof(id.bytes));
    const c10::Device own(c10::DeviceType::CUDA, device);
    const c10::DeviceGuard guard(own);
    Config config;
    Communicator communicator = nullptr;
    nccl->check(nccl->init_rank(&communicator, size, id, rank, &config));
    TORCH_CHECK(communicator != nullptr, "NCCL made no communicator");
    *result = new IteritCommunicator{nccl, own, communicator};
  });
}

// Only `root` gets the sum; what the others' tensors hold stays as it is.
char* iterit_nccl_sum_at(IteritCommunicator* it, const Tensor* tensor, int root) {
  return guarded([&] {
    it->ask(*tensor, [&](void* data, size_t count, int type, Stream stream) {
      return it->nccl->reduce(data, data, count, type, SUM, root, it->communicator, stream);
    });
  });
}

char* iterit_nccl_broadcast(IteritCommunicator* it, const Tensor* tensor, int root) {
  return guarded([&] {
    it->ask(*tensor, [&](void* data, size_t count, int type, Stream stream) {
      return it->nccl->broadcast(data, data, count, type, root, it->communicator, stream);
    });
  });
}

// Whether what was asked for last is done. A fault of it, also on another rank, ends the communicator.
char* iterit_nccl_is_done(IteritCommunicator* it, bool* is_done) {
  return guarded([&] { *is_done = it->is_done(); });
}

// Ends what is under way; waits for nobody.
void iterit_nccl_leave(IteritCommunicator* it) {
  it->nccl->abort(it->communicator);
  delete it;
}

// The address of a device on its machine's bus, which is the same for all processes whatever they call it: null
// where CUDA's runtime does not say. The caller frees it.
char* iterit_cuda_card(int device) {
  using Find = int(char*, int, int);
  auto* find = reinterpret_cast<Find*>(dlsym(RTLD_DEFAULT, "cudaDeviceGetPCIBusId"));
  char address[32] = "";
  const bool is_found = find != nullptr && find(address, sizeof(address), device) == 0;
  return is_found ? strdup(address) : nullptr;
}

}  // extern "C"
