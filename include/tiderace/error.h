#pragma once

#include <tiderace/export.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

namespace TIDERACE_API tiderace {

/// What went wrong, as far as a caller can act on it.
enum class ErrorKind : std::uint8_t {
  plan,     ///< the pipeline cannot be built as written (unknown column, window of size 0, ...)
  config,   ///< an option is missing, unknown or out of its range
  bad_row,  ///< a row could not be processed and the policy is `stop`; see `Error::bad_row()`
  broker,   ///< the log cannot be reached or refused a request
  state,    ///< the state store or its changelog cannot be read or written
};

/// Why a row is bad. The names are those of the metrics and of the dead-letter header
/// `__tiderace.errors.kind`.
enum class BadRowKind : std::uint8_t { parse, type, range, timestamp, key, function, model, too_large };

/// The name of `kind`, for example `"too_large"`.
const char* to_string(BadRowKind kind) noexcept;
/// The name of `kind`, for example `"plan"`.
const char* to_string(ErrorKind kind) noexcept;

/// One row that could not be processed: what is wrong with it and where it was found.
struct BadRow {
  BadRowKind kind = BadRowKind::parse;
  std::string
      step;  ///< the step that met it, as `app.explain()` prints it, for example `step 3 abs("gForceX")`
  std::string topic;  ///< empty in a backtest
  std::int32_t partition = 0;
  std::int64_t offset = 0;         ///< the row number in a backtest
  std::optional<std::string> key;  ///< the record's key
  std::optional<std::string>
      value;            ///< the record's own bytes (of the input record, not of the row at the step)
  std::string message;  ///< what was wanted and what was found

  /// `phone-data partition 0 offset 17, step 3 abs("gForceX"): wanted a number, found the string "high"`.
  [[nodiscard]] std::string to_string() const;
};

/// The only exception that Tiderace throws. Its text says what was wanted, what was found, where, and what to
/// do.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  /// A `bad_row` error for `row`.
  explicit Error(BadRow row);

  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }
  /// The row that stopped the application; set if and only if `kind()` is `bad_row`.
  [[nodiscard]] const std::optional<BadRow>& bad_row() const noexcept { return bad_row_; }
  /// The same error with `context` in front: `"<context>: <message>"`.
  [[nodiscard]] Error within(const std::string& context) const;

 private:
  ErrorKind kind_;
  std::optional<BadRow> bad_row_;
};

}  // namespace tiderace
