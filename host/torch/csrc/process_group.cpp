// torch.distributed's own parts without Python, behind a C interface: the TCPStore for rendezvous, Gloo for
// what ranks tell one another. As in shim.cpp, a function that can fail returns null, or a message that the
// caller frees.

#include "guarded.h"

#include <ATen/ATen.h>
#include <c10/util/env.h>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

using at::Tensor;
using Milliseconds = std::chrono::milliseconds;

struct IteritStore {
  c10::intrusive_ptr<c10d::TCPStore> store;
};

struct IteritGroup {
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
};

extern "C" {

// Hosts a store at this port, 0 for any that is free, or looks for one.
char* iterit_store_open(const char* host, uint16_t port, bool hosts, int64_t limit_ms, IteritStore** result) {
  return guarded([&] {
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = hosts;
    options.waitWorkers = false;
    options.timeout = Milliseconds(limit_ms);
    auto store = c10::make_intrusive<c10d::TCPStore>(host, options);
    store->setTimeout(Milliseconds(limit_ms));
    *result = new IteritStore{std::move(store)};
  });
}

uint16_t iterit_store_port(const IteritStore* store) { return store->store->getPort(); }

char* iterit_store_set(const IteritStore* store, const char* key, const uint8_t* bytes, size_t length) {
  return guarded([&] { store->store->set(key, std::vector<uint8_t>(bytes, bytes + length)); });
}

char* iterit_store_has(const IteritStore* store, const char* key, bool* is_there) {
  return guarded([&] { *is_there = store->store->check({key}); });
}

// What stands under a key that is there, as bytes that the caller frees.
char* iterit_store_get(const IteritStore* store, const char* key, uint8_t** bytes, size_t* length) {
  return guarded([&] {
    const auto value = store->store->get(key);
    *bytes = static_cast<uint8_t*>(malloc(value.size() + 1));
    TORCH_CHECK(*bytes != nullptr, "out of memory");
    std::copy(value.begin(), value.end(), *bytes);
    *length = value.size();
  });
}

char* iterit_store_forget(const IteritStore* store, const char* key) {
  return guarded([&] { store->store->deleteKey(key); });
}

void iterit_store_close(IteritStore* store) { delete store; }

// libtorch keeps a record of collectives for its debuggers, in a table that groups of several threads would write at the
// same time without a lock (FlightRecorder of 2.11), and takes a stack for each. Nobody here reads it.
static void keep_no_record() {
  static std::once_flag once;
  std::call_once(once, [] { c10::utils::set_env("TORCH_FR_BUFFER_SIZE", "0", /*overwrite=*/false); });
}

// Waits for all `size` ranks. `host` is the address by which the others reach this one.
char* iterit_group_join(const IteritStore* store, const char* host, int rank, int size, int64_t limit_ms,
                        IteritGroup** result) {
  return guarded([&] {
    keep_no_record();
    auto options = c10d::ProcessGroupGloo::Options::create_default(Milliseconds(limit_ms));
    options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(host, false));
    auto gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(store->store, rank, size, options);
    *result = new IteritGroup{std::move(gloo)};
  });
}

char* iterit_group_broadcast(const IteritGroup* group, const Tensor* tensor, int root) {
  return guarded([&] {
    std::vector<Tensor> tensors{tensor->detach()};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    group->gloo->broadcast(tensors, options)->wait();
  });
}

char* iterit_group_sum(const IteritGroup* group, const Tensor* tensor) {
  return guarded([&] {
    std::vector<Tensor> tensors{tensor->detach()};
    group->gloo->allreduce(tensors, c10d::AllreduceOptions())->wait();
  });
}

// Only `root` has the sum; what the others' tensors hold is nothing any more.
char* iterit_group_sum_at(const IteritGroup* group, const Tensor* tensor, int root) {
  return guarded([&] {
    std::vector<Tensor> tensors{tensor->detach()};
    c10d::ReduceOptions options;
    options.rootRank = root;
    group->gloo->reduce(tensors, options)->wait();
  });
}

void iterit_group_leave(IteritGroup* group) { delete group; }

}  // extern "C"
