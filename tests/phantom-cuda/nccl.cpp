// A pretended NCCL: builds into a `libnccl.so.2` with the functions that the program takes, for the pretended devices of
// several processes on one machine. They speak through shared memory that is found by the communicator's id.
//
// As unkind as the real one between GPUs of one machine: a rank that is gone is not noticed, the others wait until they
// abort. Nothing is done by the time that a call returns, nor put into the stream: a host that does not look at the
// communicator's state before it records an event finds the event passed and the memory untouched.

#include "memory.h"
#include "report.h"
#include "stream.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace {

enum Result : int {
  SUCCESS = 0,
  SYSTEM_ERROR = 2,
  INTERNAL_ERROR = 3,
  INVALID_ARGUMENT = 4,
  INVALID_USAGE = 5,
  IN_PROGRESS = 7
};

struct UniqueId {
  char bytes[128];
};

struct Config {
  size_t size;
  unsigned magic;
  unsigned version;
  int blocking;
};

constexpr int MOST_RANKS = 16;
constexpr size_t CHUNK = 1 << 20;

// What a rank asks for; all have to ask for the same.
struct Asked {
  int what;
  int type;
  int root;
  uint64_t count;

  bool operator==(const Asked& other) const {
    return what == other.what && type == other.type && root == other.root && count == other.count;
  }
};

// At the beginning of shared memory, which begins as zeros; behind it each rank has room for a piece of a tensor.
struct Table {
  std::atomic<int> arrived;
  std::atomic<int> round;
  Asked asked[MOST_RANKS];
  int devices[MOST_RANKS];
};

struct Aborted {};

size_t size_of(int type) {
  switch (type) {
    case 0: case 1: return 1;
    case 6: case 9: return 2;
    case 2: case 3: case 7: return 4;
    default: return 8;
  }
}

// "1:18:9": rank 1 gets signal 9 in the midst of its 18th collective.
void maybe_die(int rank, int call) {
  const char* text = getenv("PHANTOM_NCCL_LAST");
  int who = 0, when = 0, signal = 0;
  if (text == nullptr || sscanf(text, "%d:%d:%d", &who, &when, &signal) != 3) return;
  if (who == rank && when == call) kill(getpid(), signal);
}

class Communicator {
 public:
  Communicator(std::string name, int rank, int size, int device)
      : name_(std::move(name)), rank_(rank), size_(size), device_(device), thread_([this] { run(); }) {
    begin([this] { meet(); });
  }

  ~Communicator() {
    is_aborted_ = true;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      is_over_ = true;
    }
    changed_.notify_all();
    thread_.join();
    if (table_ != nullptr) munmap(table_, bytes());
  }

  int state() const { return state_; }
  int rank() const { return rank_; }

  // Neither of these waits.
  int sum_at(const float* from, float* to, size_t count, int root) {
    return collective("reduce", from, to, {1, 7, root, count}, [=] { add_up(from, to, count, root); });
  }

  int broadcast(const void* from, void* to, size_t count, int type, int root) {
    const size_t bytes = count * size_of(type);
    return collective("broadcast", from, to, {2, type, root, count}, [=] { pass_on(from, to, bytes, root); });
  }

 private:
  // What the device waits for.
  struct Task final : phantom::Work {
    bool is_done() override { return done; }
    void wait() override {
      while (!done) usleep(50);
    }
    std::atomic<bool> done{false};
  };

  template <typename Act>
  int collective(const char* name, const void* from, void* to, Asked asked, Act act) {
    if (state_ != SUCCESS) return INVALID_USAGE;
    for (const void* address : {from, static_cast<const void*>(to)}) {
      if (!phantom::is_device_address(address) || phantom::device_of(address) != device_) return INVALID_ARGUMENT;
    }
    phantom::count_collective(name, asked.count * size_of(asked.type));
    phantom::run_copies_in(device_);
    begin([=] {
      // The host has gone on meanwhile.
      usleep(200);
      const auto task = std::make_shared<Task>();
      phantom::take_on(device_, task);
      state_ = SUCCESS;
      tried([&] {
        maybe_die(rank_, ++calls_);
        agree(asked);
        act();
      });
      task->done = true;
    });
    return IN_PROGRESS;
  }

  template <typename Act>
  void tried(Act act) {
    try {
      act();
    } catch (const Aborted&) {
      state_ = INTERNAL_ERROR;
    } catch (int result) {
      state_ = result;
    }
  }

  void begin(std::function<void()> job) {
    const std::lock_guard<std::mutex> lock(mutex_);
    state_ = IN_PROGRESS;
    job_ = std::move(job);
    changed_.notify_all();
  }

  void run() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return is_over_ || job_; });
      if (is_over_) return;
      const auto job = std::move(job_);
      job_ = nullptr;
      lock.unlock();
      tried(job);
      lock.lock();
    }
  }

  size_t bytes() const { return sizeof(Table) + size_ * CHUNK; }
  char* room_of(int rank) const { return reinterpret_cast<char*>(table_ + 1) + rank * CHUNK; }

  void meet() {
    const int file = open(name_.c_str(), O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, static_cast<off_t>(bytes())) != 0) throw static_cast<int>(SYSTEM_ERROR);
    void* place = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (place == MAP_FAILED) throw static_cast<int>(SYSTEM_ERROR);
    table_ = static_cast<Table*>(place);
    table_->devices[rank_] = device_;
    all_here();
    if (rank_ == 0) unlink(name_.c_str());
    const int* others = table_->devices;
    if (std::count(others, others + size_, device_) > 1) throw static_cast<int>(INVALID_USAGE);
    all_here();
    state_ = SUCCESS;
  }

  void all_here() {
    const int round = table_->round;
    if (++table_->arrived == size_) {
      table_->arrived = 0;
      ++table_->round;
      return;
    }
    while (table_->round == round) {
      if (is_aborted_) throw Aborted();
      usleep(50);
    }
  }

  // The real one computes nonsense or waits for ever where ranks ask for different things.
  void agree(const Asked& asked) {
    table_->asked[rank_] = asked;
    all_here();
    for (int rank = 0; rank < size_; rank++) {
      if (!(table_->asked[rank] == asked)) throw static_cast<int>(INVALID_USAGE);
    }
    all_here();
  }

  // In the order of the ranks, whoever is root.
  void add_up(const float* from, float* to, size_t count, int root) {
    const auto* own = static_cast<const float*>(phantom::as_kernels_see(from));
    auto* sum = static_cast<float*>(phantom::as_kernels_see(to));
    for (size_t start = 0; start < count; start += CHUNK / sizeof(float)) {
      const size_t length = std::min(count - start, CHUNK / sizeof(float));
      memcpy(room_of(rank_), own + start, length * sizeof(float));
      all_here();
      if (rank_ == root) {
        for (size_t i = 0; i < length; i++) {
          float all = 0;
          for (int rank = 0; rank < size_; rank++) all += reinterpret_cast<const float*>(room_of(rank))[i];
          sum[start + i] = all;
        }
      }
      all_here();
    }
  }

  void pass_on(const void* from, void* to, size_t bytes, int root) {
    const auto* own = static_cast<const char*>(phantom::as_kernels_see(from));
    auto* received = static_cast<char*>(phantom::as_kernels_see(to));
    for (size_t start = 0; start < bytes; start += CHUNK) {
      const size_t length = std::min(bytes - start, CHUNK);
      if (rank_ == root) memcpy(room_of(root), own + start, length);
      all_here();
      if (rank_ != root || from != to) memmove(received + start, room_of(root), length);
      all_here();
    }
  }

  const std::string name_;
  const int rank_, size_, device_;
  Table* table_ = nullptr;
  int calls_ = 0;
  std::atomic<int> state_{IN_PROGRESS};
  std::atomic<bool> is_aborted_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_over_ = false;
  std::function<void()> job_;
  // Last: it uses all the others.
  std::thread thread_;
};

}  // namespace

extern "C" {

int ncclGetVersion(int* version) {
  *version = 22809;
  return SUCCESS;
}

int ncclGetUniqueId(UniqueId* id) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  memset(id->bytes, 0, sizeof(id->bytes));
  snprintf(id->bytes, sizeof(id->bytes), "/dev/shm/phantom-nccl-%d-%lld", getpid(), static_cast<long long>(now));
  return SUCCESS;
}

int ncclCommInitRankConfig(Communicator** communicator, int size, UniqueId id, int rank, Config* config) {
  const bool is_known = config != nullptr && config->magic == 0xcafebeef && config->blocking == 0;
  if (!is_known || size > MOST_RANKS || rank < 0 || rank >= size) return INVALID_ARGUMENT;
  *communicator = new Communicator(id.bytes, rank, size, phantom::current_device());
  return IN_PROGRESS;
}

int ncclCommGetAsyncError(Communicator* communicator, int* state) {
  *state = communicator->state();
  return SUCCESS;
}

int ncclCommAbort(Communicator* communicator) {
  delete communicator;
  return SUCCESS;
}

const char* ncclGetErrorString(int result) {
  switch (result) {
    case SUCCESS: return "no error";
    case SYSTEM_ERROR: return "unhandled system error";
    case INTERNAL_ERROR: return "internal error";
    case INVALID_ARGUMENT: return "invalid argument";
    case INVALID_USAGE: return "invalid usage";
    case IN_PROGRESS: return "operation in progress";
    default: return "unknown result code";
  }
}

int ncclReduce(const void* from, void* to, size_t count, int type, int operation, int root, Communicator* communicator,
               void*) {
  if (type != 7 || operation != 0) return INVALID_ARGUMENT;
  return communicator->sum_at(static_cast<const float*>(from), static_cast<float*>(to), count, root);
}

int ncclBroadcast(const void* from, void* to, size_t count, int type, int root, Communicator* communicator, void*) {
  return communicator->broadcast(from, to, count, type, root);
}

}  // extern "C"
