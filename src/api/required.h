#pragma once

#include "base/error.h"

namespace tiderace {

/// `held`, which is what `type` of the public interface is made of; Error{plan} where it was moved away.
template <class Pointer>
[[nodiscard]] const Pointer& required(const Pointer& held, const char* type) {
  if (held == nullptr) {
    throw_error(ErrorKind::plan,
                "this {} was moved from, so there is nothing behind it; use the one that it was moved to",
                type);
  }
  return held;
}

}  // namespace tiderace
