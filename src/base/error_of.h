#pragma once
// The Error that an action throws. Tests only.

#include <functional>

#include <gtest/gtest.h>

#include "base/error.h"

namespace hearth {

/// The test fails when the action throws none.
inline Error error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorKind::kInternal, "nothing was thrown");
}

inline ErrorKind kind_of(const std::function<void()>& action) {
  return error_of(action).kind();
}

}  // namespace hearth
