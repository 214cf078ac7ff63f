#include "api/row_json.h"

#include <cmath>
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
    return true;
  }

  Value result;

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

  void operator()(std::monostate) const { out += "null"; }
  void operator()(bool value) const { out += value ? "true" : "false"; }
  void operator()(std::int64_t value) const { out += fmt::format_int(value).c_str(); }
  void operator()(double value) const {
    if (std::isfinite(value))
      append_json_double(out, value);
    else if (std::isnan(value) || not_finite == NotFinite::as_null)
      out += "null";
    else
      out += value > 0 ? "Infinity" : "-Infinity";
  }
  void operator()(const std::string& value) const { append_json_string(out, value); }
  void operator()(const Array& values) const {
    out += '[';
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i > 0) out += ',';
      append_json(out, values[i], not_finite);
    }
    out += ']';
  }
  void operator()(const Row& row) const {
    out += '{';
    bool first = true;
    for (const auto& [name, value] : row) {
      if (!first) out += ',';
      first = false;
      append_json_string(out, name);
      out += ':';
      append_json(out, value, not_finite);
    }
    out += '}';
  }
};

}  // namespace

Value parse_value(std::string_view text) {
  ValueBuilder builder;
  const std::string fault = walk_json(text, builder);
  if (!fault.empty()) throw_error(ErrorKind::plan, "wanted a JSON value: {}", fault);
  return std::move(builder.result);
}

void append_json(std::string& out, const Value& value, NotFinite not_finite) {
  std::visit(Appender{out, not_finite}, value.variant());
}

}  // namespace tiderace
