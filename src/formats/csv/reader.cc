#include "formats/csv/reader.h"

#include <fast_float/fast_float.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <optional>

#include "base/error.h"
#include "formats/json/text.h"

namespace tiderace {
namespace {

/// Takes a text apart into fields, line by line.
class Splitter {
 public:
  explicit Splitter(std::string_view text) : text_(text) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  }

  /// The fields of the next line that is not blank; false at the end. They live as long as this splitter.
  bool next(std::vector<std::string_view>& fields) {
    while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) end_line();
    if (at_ >= text_.size()) return false;
    begin_line_ = line_;
    fields.clear();
    for (bool more = true; more;) {
      const bool opens = at_ < text_.size() && text_[at_] == '"';
      fields.push_back(opens ? quoted() : plain());
      more = at_ < text_.size() && text_[at_] == ',';
      if (more) ++at_;
    }
    if (at_ < text_.size()) end_line();
    return true;
  }
  /// The number of the line that `next` gave, from 1.
  [[nodiscard]] std::size_t line() const noexcept { return begin_line_; }

 private:
  void end_line() {
    if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
    ++at_;
    ++line_;
  }

  std::string_view plain() {
    const std::size_t begin = at_;
    at_ = std::min(text_.find_first_of(",\r\n", at_), text_.size());
    return text_.substr(begin, at_ - begin);
  }

  /// A field in quotes; what stands between the closing quote and the comma belongs to it, as in pandas.
  std::string_view quoted() {
    const std::size_t begin = ++at_;
    std::size_t end = text_.find('"', at_);
    const bool simple = end != std::string_view::npos && (end + 1 == text_.size() || text_[end + 1] == ',' ||
                                                          text_[end + 1] == '\n' || text_[end + 1] == '\r');
    std::string_view field = text_.substr(begin, simple ? end - begin : 0);
    if (simple)
      at_ = end + 1;
    else
      field = unescaped();
    line_ += static_cast<std::size_t>(std::count(field.begin(), field.end(), '\n'));
    return field;
  }

  std::string_view unescaped() {
    std::string& out = unescaped_.emplace_back();
    for (;;) {
      const std::size_t end = text_.find('"', at_);
      if (end == std::string_view::npos)
        throw_error(ErrorKind::plan, "CSV line {}: a quote is opened and never closed", begin_line_);
      out += text_.substr(at_, end - at_);
      at_ = end + 1;
      if (at_ >= text_.size() || text_[at_] != '"') break;
      out += '"';
      ++at_;
    }
    out += plain();
    return out;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t begin_line_ = 1;
  std::deque<std::string> unescaped_;
};

/// The first byte that is not UTF-8 where it stands.
std::optional<std::size_t> first_not_utf8(std::string_view text) {
  const auto* const begin = reinterpret_cast<const json::Byte*>(text.data());
  const json::Byte* const end = begin + text.size();
  for (const json::Byte* p = begin; p != end;) {
    const json::Byte* next = *p < 0x80 ? p + 1 : json::utf8_sequence_end(p, end);
    if (next == nullptr) return static_cast<std::size_t>(p - begin);
    p = next;
  }
  return std::nullopt;
}

/// pandas' words for a missing value.
bool is_missing(std::string_view field) {
  static constexpr std::array<std::string_view, 18> words{
      "",        "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND",
      "1.#QNAN", "<NA>", "N/A",      "NA",  "NULL",    "NaN",      "None", "n/a",  "nan"};
  if (field.size() > 8) return false;
  return field == "null" || std::find(words.begin(), words.end(), field) != words.end();
}

std::string_view trimmed(std::string_view field) {
  while (!field.empty() && field.front() == ' ') field.remove_prefix(1);
  while (!field.empty() && field.back() == ' ') field.remove_suffix(1);
  if (field.size() > 1 && field.front() == '+' && field[1] != '-' && field[1] != '+') field.remove_prefix(1);
  return field;
}

std::optional<std::int64_t> as_int64(std::string_view field) {
  field = trimmed(field);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc{} || end != field.data() + field.size()) return std::nullopt;
  return value;
}

std::optional<double> as_float64(std::string_view field) {
  field = trimmed(field);
  double value = 0;
  const auto [end, error] = fast_float::from_chars(field.data(), field.data() + field.size(), value);
  if (end != field.data() + field.size() || error == std::errc::invalid_argument) return std::nullopt;
  return value;
}

std::optional<bool> as_boolean(std::string_view field) {
  if (field == "True" || field == "true" || field == "TRUE") return true;
  if (field == "False" || field == "false" || field == "FALSE") return false;
  return std::nullopt;
}

Column column_of(const std::vector<std::string_view>& fields, const std::string& name) {
  const auto all = [&](auto&& parse) {
    return std::all_of(fields.begin(), fields.end(),
                       [&](std::string_view field) { return is_missing(field) || parse(field); });
  };
  ColumnBuilder out(fields.size());
  const auto fill = [&](auto&& set) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (is_missing(fields[i]))
        out.set_null(i);
      else
        set(i, fields[i]);
    }
  };
  if (all([](std::string_view field) { return as_int64(field).has_value(); })) {
    fill([&](std::size_t i, std::string_view field) { out.set_int64(i, *as_int64(field)); });
  } else if (all([](std::string_view field) { return as_float64(field).has_value(); })) {
    fill([&](std::size_t i, std::string_view field) { out.set_float64(i, *as_float64(field)); });
  } else if (all([](std::string_view field) { return as_boolean(field).has_value(); })) {
    fill([&](std::size_t i, std::string_view field) { out.set_boolean(i, *as_boolean(field)); });
  } else {
    std::size_t size = 0;
    for (const std::string_view field : fields) size += field.size();
    if (size > UINT32_MAX)
      throw_error(ErrorKind::plan, "the CSV column \"{}\" holds more than 4 GiB of text", name);
    fill([&](std::size_t i, std::string_view field) { out.set_text(i, Kind::string, field); });
  }
  return Column(std::move(out));
}

}  // namespace

std::vector<NamedColumn> read_csv_columns(std::string_view text) {
  if (const auto fault = first_not_utf8(text)) {
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(*fault), '\n');
    throw_error(ErrorKind::plan, "CSV line {}: wanted UTF-8, found the byte {:#04x}; save the file as UTF-8",
                line, static_cast<unsigned char>(text[*fault]));
  }
  Splitter splitter(text);
  std::vector<std::string_view> names;
  if (!splitter.next(names))
    throw Error(ErrorKind::plan,
                "wanted a CSV file whose first line has the names of the columns, found nothing");
  for (std::size_t k = 0; k < names.size(); ++k) {
    if (std::count(names.begin(), names.end(), names[k]) > 1) {
      throw_error(ErrorKind::plan, "CSV line {}: two columns have the name \"{}\"; rename one",
                  splitter.line(), names[k]);
    }
  }
  std::vector<std::vector<std::string_view>> columns(names.size());
  std::vector<std::string_view> fields;
  while (splitter.next(fields)) {
    if (fields.size() > names.size()) {
      throw_error(ErrorKind::plan, "CSV line {}: wanted {} fields, found {}", splitter.line(), names.size(),
                  fields.size());
    }
    fields.resize(names.size());
    for (std::size_t k = 0; k < names.size(); ++k) columns[k].push_back(fields[k]);
  }
  std::vector<NamedColumn> result;
  for (std::size_t k = 0; k < names.size(); ++k) {
    std::string name(names[k]);
    Column column = column_of(columns[k], name);
    result.push_back({std::move(name), std::move(column)});
  }
  return result;
}

}  // namespace tiderace
