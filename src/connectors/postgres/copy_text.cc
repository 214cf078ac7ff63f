#include "connectors/postgres/copy_text.h"

#include <chrono>
#include <cmath>

#include "columnar/describe.h"
#include "formats/json/append.h"
#include "formats/json/encoder.h"

namespace tiderace::postgres {
namespace {

constexpr char hexadecimal[] = "0123456789abcdef";

void append_bytes(std::string& out, std::string_view bytes) {
  out += "\\\\x";
  for (const char c : bytes) {
    out += hexadecimal[static_cast<unsigned char>(c) >> 4];
    out += hexadecimal[static_cast<unsigned char>(c) & 15];
  }
}

void append_float(std::string& out, double value) {
  if (std::isinf(value)) {
    out += value > 0 ? "Infinity" : "-Infinity";
    return;
  }
  char text[max_double_bytes];
  out.append(text, static_cast<std::size_t>(write_double(text, value) - text));
}

/// `value` in `digits` digits.
char* write_digits(char* out, std::int64_t value, int digits) {
  for (int i = digits; i-- > 0; value /= 10) out[i] = static_cast<char>('0' + value % 10);
  return out + digits;
}

void append_json(std::string& out, const Column& column, std::size_t i) {
  std::string json;
  append_json_value(json, column, i, NotFinite::as_null);
  append_text(out, json);
}

}  // namespace

void append_text(std::string& out, std::string_view text) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '\\' && c != '\n' && c != '\r' && c != '\t') continue;
    out.append(text, begin, i - begin);
    out += '\\';
    out += c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : '\\';
    begin = i + 1;
  }
  out.append(text, begin, text.size() - begin);
}

void append_number(std::string& out, std::int64_t value) {
  char text[json::max_number_bytes];
  out.append(text, static_cast<std::size_t>(json::write_int64(text, value) - text));
}

void append_time(std::string& out, std::int64_t ns) {
  using namespace std::chrono;
  const std::int64_t us = ns / 1000 - (ns % 1000 < 0 ? 1 : 0);
  constexpr std::int64_t day_us = 86'400'000'000;
  const std::int64_t day = us / day_us - (us % day_us < 0 ? 1 : 0);
  const std::int64_t of_day = us - day * day_us;
  const year_month_day date{sys_days{days{static_cast<int>(day)}}};
  char text[40];
  char* at = write_digits(text, static_cast<int>(date.year()), 4);
  *at++ = '-';
  at = write_digits(at, static_cast<unsigned>(date.month()), 2);
  *at++ = '-';
  at = write_digits(at, static_cast<unsigned>(date.day()), 2);
  *at++ = ' ';
  at = write_digits(at, of_day / 3'600'000'000, 2);
  *at++ = ':';
  at = write_digits(at, of_day / 60'000'000 % 60, 2);
  *at++ = ':';
  at = write_digits(at, of_day / 1'000'000 % 60, 2);
  *at++ = '.';
  at = write_digits(at, of_day % 1'000'000, 6);
  out.append(text, static_cast<std::size_t>(at - text));
  out += "+00";
}

void append_value(std::string& out, const Column& column, std::size_t i, ColumnType type) {
  const Kind kind = column.kind(i);
  if (kind == Kind::null) {
    out += "\\N";
    return;
  }
  if (type == ColumnType::json) return append_json(out, column, i);
  switch (kind) {
    case Kind::boolean:
      out += column.boolean(i) ? 't' : 'f';
      return;
    case Kind::int64:
      return append_number(out, column.int64(i));
    case Kind::float64:
      return append_float(out, column.float64(i));
    case Kind::bytes:
      return append_bytes(out, column.text(i));
    default:
      return append_text(out, column.text(i));
  }
}

}  // namespace tiderace::postgres
