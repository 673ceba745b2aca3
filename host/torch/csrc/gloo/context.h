// Stands in for the header of Gloo that c10d includes and the wheel leaves out. c10d's headers hold pointers to
// these types and never their values, so nothing depends on their sizes; the one function that they call is
// called where nothing here comes to.
#pragma once

#include <chrono>
#include <memory>

namespace gloo {

class Context {
 public:
  // So that nothing here can make one or hold one.
  Context() = delete;
  Context(const Context&) = delete;
  void setTimeout(std::chrono::milliseconds limit);
};

namespace transport {
class Device;
class UnboundBuffer;
}  // namespace transport

}  // namespace gloo
