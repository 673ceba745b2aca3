// Stands in for the header of Gloo that c10d includes and the wheel leaves out: the functions that c10d's
// own store overrides. Nothing here makes one.
#pragma once

#include <gloo/context.h>

#include <cstdint>
#include <string>
#include <vector>

namespace gloo::rendezvous {

class Store {
 public:
  using Bytes = std::vector<char>;
  using Strings = std::vector<std::string>;

  virtual ~Store();
  virtual void set(const std::string& key, const Bytes& value) = 0;
  virtual Bytes get(const std::string& key) = 0;
  virtual void wait(const Strings& keys) = 0;
  virtual void wait(const Strings& keys, const std::chrono::milliseconds& limit) = 0;
  virtual bool has_v2_support() = 0;
  virtual std::vector<Bytes> multi_get(const Strings& keys) = 0;
  virtual void multi_set(const Strings& keys, const std::vector<Bytes>& values) = 0;
  virtual void append(const std::string& key, const Bytes& value) = 0;
  virtual int64_t add(const std::string& key, int64_t value) = 0;
};

}  // namespace gloo::rendezvous
