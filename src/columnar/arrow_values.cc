#include "columnar/arrow_values.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

namespace tiderace {
namespace {

template <class T>
T element(const void* values, std::int64_t i) noexcept {
  T value;
  std::memcpy(&value, static_cast<const char*>(values) + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
  return value;
}

/// IEEE 754 half precision: 1 bit sign, 5 bits exponent (bias 15), 10 bits fraction.
double half_to_double(std::uint16_t bits) noexcept {
  const int exponent = bits >> 10 & 0x1F;
  const double fraction = bits & 0x3FF;
  double magnitude = 0;
  if (exponent == 0)
    magnitude = std::ldexp(fraction, -24);
  else if (exponent < 31)
    magnitude = std::ldexp(fraction + 1024, exponent - 25);
  else
    magnitude =
        fraction == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

std::size_t number_behind_colon(std::string_view format) noexcept {
  std::size_t value = 0;
  const std::size_t colon = format.find(':');
  if (colon == std::string_view::npos) return 0;
  std::from_chars(format.data() + colon + 1, format.data() + format.size(), value);
  return value;
}

ArrowType temporal_type(std::string_view format) noexcept {
  // Dates in days and times in seconds or milliseconds have 32 bits.
  const bool narrow = format == "tdD" || format == "tts" || format == "ttm";
  return {ArrowLayout::signed_integer, narrow ? std::size_t{4} : std::size_t{8}, Kind::int64};
}

}  // namespace

ArrowType arrow_type(std::string_view format) noexcept {
  using enum ArrowLayout;
  if (format.size() == 1) {
    switch (format.front()) {
      case 'n':
        return {null, 0, Kind::null};
      case 'b':
        return {boolean, 0, Kind::boolean};
      case 'c':
        return {signed_integer, 1, Kind::int64};
      case 's':
        return {signed_integer, 2, Kind::int64};
      case 'i':
        return {signed_integer, 4, Kind::int64};
      case 'l':
        return {signed_integer, 8, Kind::int64};
      case 'C':
        return {unsigned_integer, 1, Kind::int64};
      case 'S':
        return {unsigned_integer, 2, Kind::int64};
      case 'I':
        return {unsigned_integer, 4, Kind::int64};
      case 'L':
        return {unsigned_integer, 8, Kind::int64};
      case 'e':
        return {floating, 2, Kind::float64};
      case 'f':
        return {floating, 4, Kind::float64};
      case 'g':
        return {floating, 8, Kind::float64};
      case 'u':
        return {text, 4, Kind::string};
      case 'U':
        return {large_text, 8, Kind::string};
      case 'z':
        return {text, 4, Kind::bytes};
      case 'Z':
        return {large_text, 8, Kind::bytes};
      default:
        return {};
    }
  }
  if (format == "vu") return {text_view, 16, Kind::string};
  if (format == "vz") return {text_view, 16, Kind::bytes};
  if (format.starts_with("w:")) return {fixed_bytes, number_behind_colon(format), Kind::bytes};
  if (format.starts_with("td") || format.starts_with("tt") || format.starts_with("ts") ||
      format.starts_with("tD")) {
    return temporal_type(format);
  }
  if (format == "+s") return {structure, 0, Kind::nested};
  if (format == "+l") return {list, 4, Kind::nested};
  if (format == "+L") return {large_list, 8, Kind::nested};
  if (format.starts_with("+w:")) return {fixed_list, number_behind_colon(format), Kind::nested};
  return {};
}

std::string_view arrow_format(Kind kind) noexcept {
  switch (kind) {
    case Kind::boolean:
      return "b";
    case Kind::int64:
      return "l";
    case Kind::float64:
      return "g";
    case Kind::string:
    case Kind::nested:
      return "u";
    case Kind::bytes:
      return "z";
    case Kind::null:
    case Kind::invalid:
      return "";
  }
  return "";
}

std::string arrow_type_name(std::string_view format) {
  if (format.starts_with("d:")) {
    // precision,scale[,width]
    const std::string_view parameters = format.substr(2);
    const std::size_t scale_end = parameters.find(',', parameters.find(',') + 1);
    const std::string_view width = scale_end < parameters.size() ? parameters.substr(scale_end + 1) : "128";
    return fmt::format("decimal{}({})", width, parameters.substr(0, scale_end));
  }
  if (format.starts_with("ti")) return "interval";
  if (format == "+m") return "map";
  if (format == "+r") return "run_end_encoded";
  if (format == "+vl" || format == "+vL") return "list_view";
  if (format.starts_with("+u")) return "union";
  return fmt::format("format \"{}\"", format);
}

bool is_valid(const ArrowArray& array, std::int64_t i) noexcept {
  return array.n_buffers == 0 || array.buffers[0] == nullptr || array.null_count == 0 ||
         bit_at(array.buffers[0], i);
}

std::int64_t signed_at(const void* values, std::size_t width, std::int64_t i) noexcept {
  switch (width) {
    case 1:
      return element<std::int8_t>(values, i);
    case 2:
      return element<std::int16_t>(values, i);
    case 4:
      return element<std::int32_t>(values, i);
    default:
      return element<std::int64_t>(values, i);
  }
}

std::uint64_t unsigned_at(const void* values, std::size_t width, std::int64_t i) noexcept {
  switch (width) {
    case 1:
      return element<std::uint8_t>(values, i);
    case 2:
      return element<std::uint16_t>(values, i);
    case 4:
      return element<std::uint32_t>(values, i);
    default:
      return element<std::uint64_t>(values, i);
  }
}

double floating_at(const void* values, std::size_t width, std::int64_t i) noexcept {
  switch (width) {
    case 2:
      return half_to_double(element<std::uint16_t>(values, i));
    case 4:
      return static_cast<double>(element<float>(values, i));
    default:
      return element<double>(values, i);
  }
}

std::string_view text_at(const ArrowArray& array, const ArrowType& type, std::int64_t i) noexcept {
  if (type.layout == ArrowLayout::fixed_bytes) {
    return {static_cast<const char*>(array.buffers[1]) + static_cast<std::size_t>(i) * type.width,
            type.width};
  }
  if (type.layout == ArrowLayout::text_view) {
    // 16 bytes: length; then up to 12 characters, or a prefix of 4, the number of a buffer and a place in it.
    const char* const view = static_cast<const char*>(array.buffers[1]) + static_cast<std::size_t>(i) * 16;
    const auto length = static_cast<std::size_t>(element<std::int32_t>(view, 0));
    if (length <= 12) return {view + 4, length};
    const char* const buffer = static_cast<const char*>(array.buffers[2 + element<std::int32_t>(view, 2)]);
    return {buffer + element<std::int32_t>(view, 3), length};
  }
  const std::int64_t begin = signed_at(array.buffers[1], type.width, i);
  const std::int64_t end = signed_at(array.buffers[1], type.width, i + 1);
  if (begin == end) return {};
  return {static_cast<const char*>(array.buffers[2]) + begin, static_cast<std::size_t>(end - begin)};
}

namespace {

void append_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      out += c;
  }
  out += '"';
}

void append_double(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  std::array<char, 32> buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  out += text;
  if (text.find_first_of(".e") == std::string_view::npos) out += ".0";
}

bool append_list(std::string& out, const ArrowSchema& schema, const ArrowArray& array, const ArrowType& type,
                 std::int64_t i) {
  std::int64_t begin = i * static_cast<std::int64_t>(type.width);
  std::int64_t end = begin + static_cast<std::int64_t>(type.width);
  if (type.layout != ArrowLayout::fixed_list) {
    begin = signed_at(array.buffers[1], type.width, i);
    end = signed_at(array.buffers[1], type.width, i + 1);
  }
  out += '[';
  for (std::int64_t k = begin; k < end; ++k) {
    if (k > begin) out += ',';
    const ArrowArray& values = *array.children[0];
    if (!append_arrow_json(out, *schema.children[0], values, values.offset + k)) return false;
  }
  out += ']';
  return true;
}

bool append_structure(std::string& out, const ArrowSchema& schema, const ArrowArray& array, std::int64_t i) {
  out += '{';
  for (std::int64_t k = 0; k < schema.n_children; ++k) {
    if (k > 0) out += ',';
    append_string(out, schema.children[k]->name);
    out += ':';
    if (!append_arrow_json(out, *schema.children[k], *array.children[k], array.children[k]->offset + i))
      return false;
  }
  out += '}';
  return true;
}

}  // namespace

bool append_arrow_json(std::string& out, const ArrowSchema& schema, const ArrowArray& array, std::int64_t i) {
  const ArrowType type = arrow_type(schema.format);
  if (type.layout == ArrowLayout::none || type.kind == Kind::bytes) return false;
  if (type.layout == ArrowLayout::null || !is_valid(array, i)) {
    out += "null";
    return true;
  }
  if (schema.dictionary != nullptr) {
    const std::int64_t index = type.layout == ArrowLayout::signed_integer
                                   ? signed_at(array.buffers[1], type.width, i)
                                   : static_cast<std::int64_t>(unsigned_at(array.buffers[1], type.width, i));
    return append_arrow_json(out, *schema.dictionary, *array.dictionary, array.dictionary->offset + index);
  }
  switch (type.layout) {
    case ArrowLayout::boolean:
      out += bit_at(array.buffers[1], i) ? "true" : "false";
      return true;
    case ArrowLayout::signed_integer:
      out += fmt::format_int(signed_at(array.buffers[1], type.width, i)).c_str();
      return true;
    case ArrowLayout::unsigned_integer:
      out += fmt::format_int(unsigned_at(array.buffers[1], type.width, i)).c_str();
      return true;
    case ArrowLayout::floating:
      append_double(out, floating_at(array.buffers[1], type.width, i));
      return true;
    case ArrowLayout::structure:
      return append_structure(out, schema, array, i);
    case ArrowLayout::list:
    case ArrowLayout::large_list:
    case ArrowLayout::fixed_list:
      return append_list(out, schema, array, type, i);
    default:
      append_string(out, text_at(array, type, i));
      return true;
  }
}

}  // namespace tiderace
