#include "expr/cast.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "expr/lanes.h"
#include "expr/text/spelling.h"
#include "expr/text/utf8.h"

namespace tiderace {
namespace {

using Int = std::int64_t;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\n\r\f\v";
  const std::size_t begin = text.find_first_not_of(space);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

enum class Parsed { yes, malformed, out_of_range };

/// `text` as a T with nothing before or behind it but space and a sign.
template <class T>
Parsed parse_number(std::string_view text, T& value) {
  text = trimmed(text);
  if (text.starts_with('+') && !text.substr(1).starts_with('-')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || end != text.data() + text.size()) return Parsed::malformed;
  if (error == std::errc::result_out_of_range) return Parsed::out_of_range;
  return error == std::errc{} ? Parsed::yes : Parsed::malformed;
}

std::optional<bool> parse_boolean(std::string_view text) {
  constexpr std::array<std::string_view, 5> truths{"true", "True", "TRUE", "1", "1.0"};
  constexpr std::array<std::string_view, 5> lies{"false", "False", "FALSE", "0", "0.0"};
  if (std::find(truths.begin(), truths.end(), text) != truths.end()) return true;
  if (std::find(lies.begin(), lies.end(), text) != lies.end()) return false;
  return std::nullopt;
}

/// One conversion under way: where values come from, where they go, and whom to tell.
struct Conversion {
  const Operand& argument;
  ColumnBuilder& out;
  RowErrors& errors;
  const char* operation;
  const char* wanted;

  [[nodiscard]] const Column& column() const { return argument.column(); }

  void fail(std::size_t i) const {
    report_type(errors, i, operation, wanted, argument);
    out.set_null(i);
  }
  void fail_range(std::size_t i) const {
    errors.add(
        i, BadRowKind::range,
        fmt::format("{}: wanted {}, found {}, which is beyond it", operation, wanted, describe(column(), i)));
    out.set_null(i);
  }

  void to_boolean(std::size_t i) const {
    switch (column().kind(i)) {
      case Kind::boolean:
      case Kind::int64:
        return out.set_boolean(i, column().int64(i) != 0);
      case Kind::float64:
        return out.set_boolean(i, column().float64(i) != 0);
      case Kind::string:
        if (const auto value = parse_boolean(column().text(i))) return out.set_boolean(i, *value);
        return fail(i);
      default:
        return fail(i);
    }
  }

  void to_int64(std::size_t i) const {
    switch (column().kind(i)) {
      case Kind::boolean:
      case Kind::int64:
        return out.set_int64(i, column().int64(i));
      case Kind::float64: {
        const double value = column().float64(i);
        if (!(value >= -0x1p63 && value < 0x1p63)) return fail_range(i);
        if (value != std::trunc(value)) return fail(i);
        return out.set_int64(i, static_cast<Int>(value));
      }
      case Kind::string: {
        Int value = 0;
        const Parsed parsed = parse_number(column().text(i), value);
        if (parsed == Parsed::out_of_range) return fail_range(i);
        return parsed == Parsed::yes ? out.set_int64(i, value) : fail(i);
      }
      default:
        return fail(i);
    }
  }

  void to_float64(std::size_t i) const {
    switch (column().kind(i)) {
      case Kind::boolean:
      case Kind::int64:
      case Kind::float64:
        return out.set_float64(i, column().as_double(i));
      case Kind::string: {
        double value = 0;
        const Parsed parsed = parse_number(column().text(i), value);
        if (parsed == Parsed::out_of_range) return fail_range(i);
        return parsed == Parsed::yes ? out.set_float64(i, value) : fail(i);
      }
      default:
        return fail(i);
    }
  }

  void to_string(std::size_t i) const {
    switch (column().kind(i)) {
      case Kind::boolean:
        return out.set_text(i, Kind::string, column().boolean(i) ? "True" : "False");
      case Kind::int64:
        return out.set_text(i, Kind::string, fmt::format_int(column().int64(i)).c_str());
      case Kind::float64:
        return out.set_text(i, Kind::string, float_text(column().float64(i)));
      case Kind::bytes:
        if (!is_utf8(column().text(i))) return fail(i);
        [[fallthrough]];
      default:
        return out.set_text(i, Kind::string, column().text(i));
    }
  }
};

const char* wanted_by(Kind target) {
  switch (target) {
    case Kind::boolean:
      return "true or false";
    case Kind::int64:
      return "an int64";
    case Kind::float64:
      return "a float64";
    default:
      return "UTF-8 text";
  }
}

const char* operation_of(Kind target) {
  switch (target) {
    case Kind::boolean:
      return "astype(\"bool\")";
    case Kind::int64:
      return "astype(\"int64\")";
    case Kind::float64:
      return "astype(\"float64\")";
    default:
      return "astype(\"string\")";
  }
}

}  // namespace

Column cast(const Operand& argument, Kind target, RowErrors& errors) {
  if (argument.mask() == 0 || argument.only(target)) return argument.column();
  if (argument.only(Kind::int64) && target == Kind::float64) return as_floats(argument).column();
  const std::size_t size = argument.column().size();
  ColumnBuilder out(size);
  const Conversion conversion{argument, out, errors, operation_of(target), wanted_by(target)};
  for (std::size_t i = 0; i < size; ++i) {
    if (argument.column().is_null(i)) {
      out.set_null(i);
      continue;
    }
    switch (target) {
      case Kind::boolean:
        conversion.to_boolean(i);
        break;
      case Kind::int64:
        conversion.to_int64(i);
        break;
      case Kind::float64:
        conversion.to_float64(i);
        break;
      default:
        conversion.to_string(i);
        break;
    }
  }
  return Column(std::move(out));
}

}  // namespace tiderace
