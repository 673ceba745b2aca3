#include "report.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace phantom {
namespace {

struct Copies {
  size_t count = 0;
  size_t bytes = 0;

  void add(size_t more) {
    count++;
    bytes += more;
  }
};

// Device threads of autograd count beside the host's, and freed tensors outlive static objects: so it is guarded by a
// lock and never destroyed.
struct Report {
  std::mutex mutex;
  std::map<std::string, size_t> launches;
  std::map<std::string, size_t> waits;
  Copies in, out, across;
  std::map<std::string, Copies> collectives;
  std::map<int, size_t> peaks;
  size_t largest_allocation = 0;
};

size_t total(const std::map<std::string, size_t>& counts) {
  size_t sum = 0;
  for (const auto& [_, count] : counts) sum += count;
  return sum;
}

// Names of operators and devices need no escapes.
template <typename Key>
void write_counts(FILE* file, const char* name, const std::map<Key, size_t>& counts) {
  fprintf(file, "  \"%s\": {", name);
  const char* separator = "";
  for (const auto& [key, count] : counts) {
    if constexpr (std::is_same_v<Key, int>) {
      fprintf(file, "%s\"cuda:%d\": %zu", separator, key, count);
    } else {
      fprintf(file, "%s\"%s\": %zu", separator, key.c_str(), count);
    }
    separator = ", ";
  }
  fprintf(file, "},\n");
}

void write_copies(FILE* file, const char* name, const Copies& copies) {
  fprintf(file, "  \"%s\": {\"count\": %zu, \"bytes\": %zu},\n", name, copies.count, copies.bytes);
}

Report& report();

void write_collectives(FILE* file, const std::map<std::string, Copies>& collectives) {
  fprintf(file, "  \"collectives\": {");
  const char* separator = "";
  for (const auto& [name, it] : collectives) {
    fprintf(file, "%s\"%s\": {\"count\": %zu, \"bytes\": %zu}", separator, name.c_str(), it.count, it.bytes);
    separator = ", ";
  }
  fprintf(file, "},\n");
}

std::string path() {
  const char* rank = getenv("RANK");
  const bool is_first = rank == nullptr || strcmp(rank, "0") == 0;
  return getenv("PHANTOM_REPORT") + (is_first ? std::string() : std::string(".") + rank);
}

void write() {
  FILE* file = fopen(path().c_str(), "w");
  if (file == nullptr) {
    perror("phantom: cannot write the report");
    return;
  }
  Report& it = report();
  const std::lock_guard<std::mutex> lock(it.mutex);
  fprintf(file, "{\n");
  fprintf(file, "  \"launches\": %zu,\n  \"waits\": %zu,\n", total(it.launches), total(it.waits));
  write_copies(file, "copies_in", it.in);
  write_copies(file, "copies_out", it.out);
  write_copies(file, "copies_across", it.across);
  write_collectives(file, it.collectives);
  write_counts(file, "peak_bytes", it.peaks);
  fprintf(file, "  \"largest_allocation\": %zu,\n", it.largest_allocation);
  write_counts(file, "waits_by_reason", it.waits);
  write_counts(file, "launches_by_operator", it.launches);
  fprintf(file, "  \"version\": 1\n}\n");
  fclose(file);
}

Report& report() {
  static Report* it = [] {
    if (getenv("PHANTOM_REPORT") != nullptr) atexit(write);
    return new Report;
  }();
  return *it;
}

template <typename Count>
void with_report(Count count) {
  Report& it = report();
  const std::lock_guard<std::mutex> lock(it.mutex);
  count(it);
}

}  // namespace

void count_launch(const std::string& name) {
  with_report([&](Report& it) { it.launches[name]++; });
}

void count_wait(const std::string& reason) {
  with_report([&](Report& it) { it.waits[reason]++; });
}

void count_copy_in(size_t bytes) {
  with_report([&](Report& it) { it.in.add(bytes); });
}

void count_copy_out(size_t bytes) {
  with_report([&](Report& it) { it.out.add(bytes); });
}

void count_copy_across(size_t bytes) {
  with_report([&](Report& it) { it.across.add(bytes); });
}

void count_collective(const std::string& name, size_t bytes) {
  with_report([&](Report& it) { it.collectives[name].add(bytes); });
}

void count_allocation(int device, size_t bytes, size_t in_use) {
  with_report([&](Report& it) {
    it.peaks[device] = std::max(it.peaks[device], in_use);
    it.largest_allocation = std::max(it.largest_allocation, bytes);
  });
}

}  // namespace phantom
