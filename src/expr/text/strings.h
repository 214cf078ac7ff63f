#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "expr/expression.h"
#include "expr/operand.h"

namespace re2 {
class RE2;
}

namespace tiderace {

/// `str.lower`, `str.upper`, `str.len` (code points). Null gives null, anything but a string is a type error.
[[nodiscard]] Column string_unary(UnaryOperator op, const Operand& argument, RowErrors& errors);

/// `str.contains`, `str.startswith`, `str.endswith` with their pattern made ready. Immutable; any thread.
class Matcher {
 public:
  /// A regular expression that RE2 refuses throws Error{plan}.
  explicit Matcher(const Match& match);
  ~Matcher();
  Matcher(Matcher&&) noexcept;

  /// Whether each row matches. Null gives null, anything but a string is a type error.
  [[nodiscard]] Column matches(const Operand& argument, RowErrors& errors) const;

 private:
  MatchKind kind_;
  std::string pattern_;
  std::unique_ptr<const re2::RE2> regex_;
};

}  // namespace tiderace
