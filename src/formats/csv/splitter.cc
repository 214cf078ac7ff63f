#include "formats/csv/splitter.h"

#include <fast_float/fast_float.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"

namespace tiderace {

CsvSplitter::CsvSplitter(std::string_view text, std::size_t line)
    : text_(text), line_(line), begin_line_(line) {
  if (line == 1 && text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
}

bool CsvSplitter::next(std::vector<std::string_view>& fields) {
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

void CsvSplitter::end_line() {
  if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
  ++at_;
  ++line_;
}

std::string_view CsvSplitter::plain() {
  const std::size_t begin = at_;
  at_ = std::min(text_.find_first_of(",\r\n", at_), text_.size());
  return text_.substr(begin, at_ - begin);
}

/// A field in quotes; what stands between the closing quote and the comma belongs to it, as in pandas.
std::string_view CsvSplitter::quoted() {
  const std::size_t begin = ++at_;
  const std::size_t end = text_.find('"', at_);
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

std::string_view CsvSplitter::unescaped() {
  std::string& out = *unescaped_.emplace_back(std::make_unique<std::string>());
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

std::vector<std::string> csv_header(CsvSplitter& splitter) {
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
  return {names.begin(), names.end()};
}

namespace {

std::string_view trimmed(std::string_view field) {
  while (!field.empty() && field.front() == ' ') field.remove_prefix(1);
  while (!field.empty() && field.back() == ' ') field.remove_suffix(1);
  if (field.size() > 1 && field.front() == '+' && field[1] != '-' && field[1] != '+') field.remove_prefix(1);
  return field;
}

}  // namespace

bool is_csv_missing(std::string_view field) {
  static constexpr std::array<std::string_view, 18> words{
      "",        "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND",
      "1.#QNAN", "<NA>", "N/A",      "NA",  "NULL",    "NaN",      "None", "n/a",  "nan"};
  if (field.size() > 8) return false;
  return field == "null" || std::find(words.begin(), words.end(), field) != words.end();
}

std::optional<std::int64_t> csv_int64(std::string_view field) {
  field = trimmed(field);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc{} || end != field.data() + field.size()) return std::nullopt;
  return value;
}

bool is_csv_beyond_int64(std::string_view field) {
  if (field.size() < 19) return false;
  field = trimmed(field);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  return error == std::errc::result_out_of_range && end == field.data() + field.size();
}

std::optional<double> csv_float64(std::string_view field) {
  field = trimmed(field);
  double value = 0;
  const auto [end, error] = fast_float::from_chars(field.data(), field.data() + field.size(), value);
  if (end != field.data() + field.size() || error == std::errc::invalid_argument) return std::nullopt;
  return value;
}

std::optional<bool> csv_boolean(std::string_view field) {
  if (field == "True" || field == "true" || field == "TRUE") return true;
  if (field == "False" || field == "false" || field == "FALSE") return false;
  return std::nullopt;
}

}  // namespace tiderace
