#include "formats/json/walker.h"

#include <fmt/format.h>

#include <limits>

#include "columnar/describe.h"
#include "formats/json/batch_decoder.h"
#include "formats/json/number.h"
#include "formats/json/text.h"

namespace tiderace::json {
namespace {

std::string show_byte(Byte c) {
  return c >= 0x20 && c < 0x7f ? fmt::format("`{}`", static_cast<char>(c))
                               : fmt::format("the byte {:#04x}", c);
}

std::string_view kind_name(Byte first) noexcept {
  switch (first) {
    case '{':
      return "object";
    case '[':
      return "array";
    case '"':
      return "string";
    default:
      return starts_number(first) ? "number" : "value";
  }
}

}  // namespace

Walker::Walker(std::string_view text, JsonEvents* events, const WalkOptions& options)
    : begin_(reinterpret_cast<const Byte*>(text.data())),
      end_(begin_ + text.size()),
      p_(begin_),
      events_(events),
      options_(options) {}

std::string Walker::walk() {
  if (check_start() && run()) {
    p_ = skip_white_space(p_, end_);
    if (p_ != end_)
      wanted(
          fmt::format("nothing but white space behind the {}", kind_name(*skip_white_space(begin_, end_))));
  }
  return std::move(fault_);
}

bool Walker::check_start() {
  const std::string_view subject = options_.only_object ? "a JSON object" : "a JSON value";
  if (std::string_view(reinterpret_cast<const char*>(begin_), static_cast<std::size_t>(end_ - begin_))
          .starts_with("\xef\xbb\xbf")) {
    return fault(fmt::format("wanted {}, found a byte order mark at byte 0; leave it out", subject));
  }
  p_ = skip_white_space(p_, end_);
  if (p_ == end_) {
    return fault(fmt::format("wanted {}, found {}", subject,
                             begin_ == end_ ? "an empty value" : "nothing but white space"));
  }
  if (!options_.only_object || *p_ == '{') return true;
  const std::string_view kind = kind_name(*p_);
  if (kind != "value")
    return fault(fmt::format("wanted {}, found the {} at byte {}", subject, kind, position(p_)));
  for (const std::string_view literal : {"true", "false", "null"}) {
    if (std::string_view(reinterpret_cast<const char*>(p_), position(end_) - position(p_))
            .starts_with(literal)) {
      return fault(fmt::format("wanted {}, found {} at byte {}", subject, literal, position(p_)));
    }
  }
  return wanted(subject);
}

// One value, however deep: each turn is at the front of one.
bool Walker::run() {
  for (;;) {
    if (p_ == end_) return wanted("a value");
    if (*p_ == '{' || *p_ == '[') {
      if (!open()) return false;
      const bool object = in_object();
      p_ = skip_white_space(p_, end_);
      if (p_ == end_ || *p_ != (object ? '}' : ']')) {
        if (object && !name()) return false;
        continue;
      }
    } else if (!value()) {
      return false;
    }
    if (!close_all()) return false;
    if (open_.empty()) return true;
    if (!next_member()) return false;
  }
}

bool Walker::open() {
  if (open_.size() >= static_cast<std::size_t>(options_.max_depth)) {
    too_deep_ = true;
    return fault(
        fmt::format("found nesting deeper than max_depth={} at byte {}", options_.max_depth, position(p_)));
  }
  open_.push_back(p_++);
  return events_ == nullptr || (in_object() ? events_->begin_object() : events_->begin_array());
}

// Closes every container that ends here.
bool Walker::close_all() {
  while (!open_.empty()) {
    p_ = skip_white_space(p_, end_);
    const bool object = in_object();
    if (p_ == end_ || *p_ != (object ? '}' : ']')) return true;
    ++p_;
    open_.pop_back();
    if (events_ != nullptr && !(object ? events_->end_object() : events_->end_array())) return false;
  }
  return true;
}

bool Walker::next_member() {
  if (p_ == end_ || *p_ != ',') return wanted(in_object() ? "`,` or `}`" : "`,` or `]`");
  p_ = skip_white_space(p_ + 1, end_);
  return !in_object() || name();
}

bool Walker::name() {
  if (p_ == end_ || *p_ != '"') return wanted("a field name in double quotes");
  if (!string(true)) return false;
  p_ = skip_white_space(p_, end_);
  if (p_ == end_ || *p_ != ':') return wanted("`:` behind a field name");
  p_ = skip_white_space(p_ + 1, end_);
  return true;
}

bool Walker::value() {
  if (*p_ == '"') return string(false);
  if (options_.infinities && *p_ == 'I') {
    return word("Infinity") &&
           (events_ == nullptr || events_->float64(std::numeric_limits<double>::infinity()));
  }
  if (options_.infinities && *p_ == '-' && end_ - p_ > 1 && p_[1] == 'I') {
    return word("-Infinity") &&
           (events_ == nullptr || events_->float64(-std::numeric_limits<double>::infinity()));
  }
  return starts_number(*p_) ? number() : literal();
}

bool Walker::literal() {
  switch (*p_) {
    case 't':
      return word("true") && (events_ == nullptr || events_->boolean(true));
    case 'f':
      return word("false") && (events_ == nullptr || events_->boolean(false));
    case 'n':
      return word("null") && (events_ == nullptr || events_->null());
    default:
      return wanted("a value");
  }
}

bool Walker::word(std::string_view expected) {
  const Byte* begin = p_;
  for (const char c : expected) {
    if (p_ == end_ || *p_ != static_cast<Byte>(c))
      return wanted(fmt::format("`{}` at byte {}", expected, position(begin)));
    ++p_;
  }
  return true;
}

bool Walker::number() {
  bool is_float = false;
  const Byte* begin = p_;
  const Byte* stop = number_end_careful(p_, end_, is_float);
  if (stop == nullptr) return number_fault(begin);
  p_ = stop;
  if (events_ == nullptr) return true;
  const std::string_view text(reinterpret_cast<const char*>(begin), static_cast<std::size_t>(stop - begin));
  const Number number = number_of(text, is_float);
  if (number.kind == Kind::int64) return events_->int64(static_cast<std::int64_t>(number.payload));
  if (options_.convert && number.kind != Kind::float64) {
    out_of_range_ = true;
    return fault(fmt::format("wanted a number that {} holds, found {} at byte {}",
                             is_float ? "a float64" : "an int64", shortened(text), position(begin)));
  }
  return events_->float64(number.kind == Kind::float64 ? std::bit_cast<double>(number.payload)
                                                       : double_of(text));
}

// Finds the byte at which the number at `begin` goes wrong.
bool Walker::number_fault(const Byte* begin) {
  p_ = begin;
  if (*p_ == '-') ++p_;
  if (end_ - p_ > 1 && *p_ == '0' && is_digit(p_[1])) {
    return fault(fmt::format("found a number at byte {} that begins with 0, which JSON does not have",
                             position(begin)));
  }
  // Each part must begin with a digit; the last that does not is the one.
  const auto skip_digits = [this] {
    const Byte* before = p_;
    while (p_ != end_ && is_digit(*p_)) ++p_;
    return p_ != before;
  };
  if (!skip_digits()) return wanted("a digit");
  if (p_ != end_ && *p_ == '.') {
    ++p_;
    if (!skip_digits()) return wanted("a digit");
  }
  ++p_;
  if (p_ != end_ && (*p_ == '+' || *p_ == '-')) ++p_;
  return wanted("a digit");
}

bool Walker::string(bool is_name) {
  const Byte* begin = p_++;
  bool escaped = false;
  while (p_ != end_ && *p_ != '"') {
    if (*p_ >= 0x20 && *p_ < 0x80 && *p_ != '\\') {
      ++p_;
      continue;
    }
    const Byte* next = special_end(p_, end_, escaped);
    if (next == nullptr) return string_fault(begin, p_);
    p_ = next;
  }
  if (p_ == end_) return string_fault(begin, p_);
  const std::string_view body(reinterpret_cast<const char*>(begin + 1),
                              static_cast<std::size_t>(p_ - begin - 1));
  ++p_;
  if (events_ == nullptr) return true;
  if (!escaped) return is_name ? events_->name(body) : events_->string(body);
  return send_string(body, begin, is_name);
}

bool Walker::send_string(std::string_view body, const Byte* begin, bool is_name) {
  unescaped_.clear();
  if (!options_.convert) {
    unescape_replacing(body, unescaped_);
  } else if (!unescape(body, unescaped_)) {
    return fault(fmt::format("found half a surrogate pair, which is no character, in the string at byte {}",
                             position(begin)));
  }
  return is_name ? events_->name(unescaped_) : events_->string(unescaped_);
}

// `at` is the end, or the first of the bytes that stand wrongly in the string at `begin`.
bool Walker::string_fault(const Byte* begin, const Byte* at) {
  const std::string ends =
      fmt::format("the {} ends inside a string that begins at byte {}", options_.subject, position(begin));
  if (at == end_) return fault(ends);
  if (*at < 0x20) {
    return fault(
        fmt::format("found the control character {:#04x} at byte {}, inside the string that begins at byte "
                    "{}; it must be escaped",
                    *at, position(at), position(begin)));
  }
  if (*at == '\\') {
    if (end_ - at == 1) return fault(ends);
    if (at[1] != 'u')
      return fault(fmt::format("found the escape `\\` and {} at byte {}, which JSON does not have",
                               show_byte(at[1]), position(at)));
    for (const Byte* digit = at + 2; digit < at + 6; ++digit) {
      if (digit == end_) return fault(ends);
      const bool hexadecimal = is_digit(*digit) || ((*digit | 0x20) >= 'a' && (*digit | 0x20) <= 'f');
      if (hexadecimal) continue;
      return fault(fmt::format("wanted four hexadecimal digits behind `\\u` at byte {}, found {} at byte {}",
                               position(at), show_byte(*digit), position(digit)));
    }
  }
  // The fault may be a few characters into a run of bytes that are not ASCII.
  for (const Byte* next = at; next != nullptr && next != end_ && *next >= 0x80;
       next = utf8_sequence_end(at, end_))
    at = next;
  return fault(fmt::format("found {} at byte {}, which is not UTF-8 there", show_byte(*at), position(at)));
}

bool Walker::fault(std::string message) {
  fault_ = std::move(message);
  return false;
}

bool Walker::wanted(std::string_view what) {
  return fault(fmt::format("wanted {}, {}", what, found()));
}

std::string Walker::found() const {
  if (p_ != end_) return fmt::format("found {} at byte {}", show_byte(*p_), position(p_));
  if (open_.empty()) return fmt::format("but the {} ends at byte {}", options_.subject, position(p_));
  return fmt::format("but the {} ends inside the {} that begins at byte {}", options_.subject,
                     kind_name(*open_.back()), position(open_.back()));
}

RecordFault describe_fault(std::string_view record, int max_depth) {
  Walker walker(record, nullptr, {"record", max_depth, false, true});
  std::string fault = walker.walk();
  // The walker judges the decoder: they must agree.
  TIDERACE_CHECK(!fault.empty());
  return {walker.too_deep() ? BadRowKind::too_large : BadRowKind::parse, std::move(fault)};
}

}  // namespace tiderace::json
