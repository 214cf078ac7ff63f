#include "runtime/observation/exposition.h"

#include <fmt/format.h>

#include <iterator>

#include "base/utf8.h"

namespace tiderace {
namespace {

std::string escaped(std::string_view value) {
  std::string out;
  for (const char byte : to_valid_utf8(value)) {
    if (byte == '\\' || byte == '"') out += '\\';
    if (byte == '\n')
      out += "\\n";
    else
      out += byte;
  }
  return out;
}

}  // namespace

void Exposition::metric(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  fmt::format_to(std::back_inserter(text_), "# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
}

void Exposition::begin_sample(std::string_view suffix, const Labels& labels) {
  text_ += name_;
  text_ += suffix;
  char separator = '{';
  for (const auto& [label, value] : labels) {
    fmt::format_to(std::back_inserter(text_), "{}{}=\"{}\"", separator, label, escaped(value));
    separator = ',';
  }
  if (!labels.empty()) text_ += '}';
}

void Exposition::sample(double value, const Labels& labels) {
  begin_sample("", labels);
  fmt::format_to(std::back_inserter(text_), " {}\n", value);
}

void Exposition::sample(std::uint64_t value, const Labels& labels) {
  begin_sample("", labels);
  fmt::format_to(std::back_inserter(text_), " {}\n", value);
}

void Exposition::sample(std::int64_t value, const Labels& labels) {
  begin_sample("", labels);
  fmt::format_to(std::back_inserter(text_), " {}\n", value);
}

void Exposition::histogram(const DurationHistogram& histogram) {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < histogram.counts().size(); ++i) {
    total += histogram.counts()[i];
    const bool last = i == DurationHistogram::edges.size();
    begin_sample("_bucket", {{"le", last ? "+Inf" : fmt::format("{}", DurationHistogram::edges[i])}});
    fmt::format_to(std::back_inserter(text_), " {}\n", total);
  }
  fmt::format_to(std::back_inserter(text_), "{0}_sum {1}\n{0}_count {2}\n", name_, histogram.seconds(),
                 total);
}

}  // namespace tiderace
