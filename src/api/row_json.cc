#include "api/row_json.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "formats/json/reader.h"

namespace tiderace {
namespace {

/// Builds the value inside out: what is open, and the name that its next member has.
class ValueBuilder final : public JsonEvents {
 public:
  bool null() override { return add(Value()); }
  bool boolean(bool value) override { return add(value); }
  bool int64(std::int64_t value) override { return add(value); }
  bool float64(double value) override { return add(value); }
  bool string(std::string_view value) override { return add(value); }
  bool begin_object() override { return open(Row()); }
  bool end_object() override { return close(); }
  bool begin_array() override { return open(Array()); }
  bool end_array() override { return close(); }
  bool name(std::string_view name) override {
    open_.back().name = name;
    const Row* row = std::get_if<Row>(&open_.back().value);
    if (row == nullptr || !row->contains(name)) return true;
    twice = name;
    return false;
  }

  Value result;
  std::optional<std::string> twice;  ///< the name of a field that an object has twice

 private:
  struct Open {
    std::variant<Row, Array> value;
    std::string name;
  };

  template <class Container>
  bool open(Container container) {
    open_.push_back({std::move(container), ""});
    return true;
  }

  bool close() {
    auto closed = std::move(open_.back().value);
    open_.pop_back();
    return std::visit([this](auto&& container) { return add(Value(std::move(container))); },
                      std::move(closed));
  }

  bool add(Value value) {
    if (open_.empty()) {
      result = std::move(value);
    } else if (Row* row = std::get_if<Row>(&open_.back().value)) {
      (*row)[open_.back().name] = std::move(value);
    } else {
      std::get<Array>(open_.back().value).push_back(std::move(value));
    }
    return true;
  }

  std::vector<Open> open_;
};

struct Appender {
  std::string& out;
  NotFinite not_finite;

  // Each returns how many infinities became null.
  std::uint64_t operator()(std::monostate) const { return append("null"); }
  std::uint64_t operator()(bool value) const { return append(value ? "true" : "false"); }
  std::uint64_t operator()(std::int64_t value) const { return append(fmt::format_int(value).c_str()); }
  std::uint64_t operator()(double value) const {
    if (std::isfinite(value)) {
      append_json_double(out, value);
      return 0;
    }
    if (not_finite == NotFinite::as_word && !std::isnan(value))
      return append(value > 0 ? "Infinity" : "-Infinity");
    append("null");
    return std::isnan(value) ? 0 : 1;
  }
  std::uint64_t operator()(const std::string& value) const {
    append_json_string(out, value);
    return 0;
  }
  std::uint64_t operator()(const Array& values) const {
    std::uint64_t nulled = 0;
    out += '[';
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i > 0) out += ',';
      nulled += append_json(out, values[i], not_finite);
    }
    out += ']';
    return nulled;
  }
  std::uint64_t operator()(const Row& row) const {
    std::uint64_t nulled = 0;
    out += '{';
    bool first = true;
    for (const auto& [name, value] : row) {
      if (!first) out += ',';
      first = false;
      append_json_string(out, name);
      out += ':';
      nulled += append_json(out, value, not_finite);
    }
    out += '}';
    return nulled;
  }

  std::uint64_t append(std::string_view text) const {
    out += text;
    return 0;
  }
};

}  // namespace

Value parse_value(std::string_view text) {
  ValueBuilder builder;
  if (auto fault = read_json(text, builder)) throw std::move(*fault);
  if (builder.twice)
    throw JsonFault{BadRowKind::parse, fmt::format("found the field \"{}\" twice", *builder.twice)};
  return std::move(builder.result);
}

std::uint64_t append_json(std::string& out, const Value& value, NotFinite not_finite) {
  return std::visit(Appender{out, not_finite}, value.variant());
}

}  // namespace tiderace
