// How the shim fails: no C++ exception leaves it.

#pragma once

#include <c10/util/Exception.h>

#include <cstring>
#include <exception>

// Runs `body`; null, or what it threw as a message that the caller frees.
template <typename Body>
char* guarded(Body body) {
  try {
    body();
    return nullptr;
  } catch (const c10::Error& error) {
    return strdup(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("unknown C++ exception");
  }
}
