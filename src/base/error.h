#pragma once

#include <fmt/format.h>
#include <tiderace/error.h>

#include <utility>

namespace tiderace {

template <class... Args>
[[noreturn]] void throw_error(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

/// Prints what broke and aborts. A broken invariant is our bug; going on could corrupt state.
[[noreturn]] void invariant_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace tiderace

/// Checks an invariant in every build type. Not for input, not for what the world does.
#define TIDERACE_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::tiderace::invariant_failed(#condition, __FILE__, __LINE__))
