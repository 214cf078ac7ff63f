#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "formats/json/instructions.h"
#include "formats/json/reader.h"

namespace tiderace::json {

struct WalkOptions {
  std::string_view subject = "text";  ///< what messages call it
  int max_depth = 1000;
  bool infinities = false;   ///< take `Infinity` and `-Infinity` as numbers
  bool only_object = false;  ///< take nothing but an object
  /// The values are used, not only shown: what an expression could not use is a fault (a number beyond int64
  /// or double, a lone surrogate). Otherwise the events have a double and U+FFFD for them.
  bool convert = false;
  std::size_t origin = 0;  ///< the number of its first byte, in messages
};

/// Walks one JSON text byte by byte, checks all of it and says what is wrong in words. Slow beside the
/// decoder, and the judge of it: both must refuse the same texts. Does not recurse. One walk an object.
class Walker {
 public:
  /// `events` may be null: then the text is only checked.
  Walker(std::string_view text, JsonEvents* events, const WalkOptions& options);

  /// An empty string, or what is wrong and at which byte. The text is sound as well if an event ended the
  /// walk, as far as it went.
  [[nodiscard]] std::string walk();
  /// Whether the fault is nesting beyond the limit, in a text that was sound until there.
  [[nodiscard]] bool too_deep() const noexcept { return too_deep_; }
  /// Whether the fault is a number beyond its range, in a text that was sound until there.
  [[nodiscard]] bool out_of_range() const noexcept { return out_of_range_; }

 private:
  // Each returns false if the walk ends, with or without a fault.
  bool run();
  bool check_start();
  bool value();
  bool open();
  bool close_all();
  bool next_member();
  bool name();
  bool string(bool is_name);
  bool number();
  bool literal();
  bool word(std::string_view expected);

  bool fault(std::string message);
  bool wanted(std::string_view what);
  bool string_fault(const Byte* begin, const Byte* at);
  bool number_fault(const Byte* begin);
  bool send_string(std::string_view body, const Byte* begin, bool is_name);
  [[nodiscard]] std::string found() const;
  [[nodiscard]] std::size_t position(const Byte* p) const noexcept {
    return options_.origin + static_cast<std::size_t>(p - begin_);
  }
  [[nodiscard]] bool in_object() const noexcept { return *open_.back() == '{'; }

  const Byte* begin_;
  const Byte* end_;
  const Byte* p_;
  JsonEvents* events_;
  WalkOptions options_;
  std::vector<const Byte*> open_;  // where each open object or array begins
  std::string fault_;
  bool too_deep_ = false;
  bool out_of_range_ = false;
  std::string unescaped_;
};

}  // namespace tiderace::json
