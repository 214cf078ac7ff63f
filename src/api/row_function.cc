#include "api/row_function.h"

#include <string>

#include "api/row_json.h"
#include "base/error.h"

namespace tiderace {
namespace {

/// Returns how many infinities inside it became null.
std::uint64_t set_result(ColumnBuilder& results, std::size_t i, const Value& value) {
  struct Setter {
    ColumnBuilder& results;
    std::size_t i;
    const Value& value;
    std::uint64_t nulled = 0;
    void operator()(std::monostate) { results.set_null(i); }
    void operator()(bool result) { results.set_boolean(i, result); }
    void operator()(std::int64_t result) { results.set_int64(i, result); }
    void operator()(double result) { results.set_float64(i, result); }
    void operator()(const std::string& result) { results.set_text(i, Kind::string, result); }
    void operator()(const Array&) { set_json(); }
    void operator()(const Row&) { set_json(); }
    void set_json() {
      std::string json;
      nulled = append_json(json, value, NotFinite::as_null);
      results.set_text(i, Kind::nested, json);
    }
  };
  Setter setter{results, i, value};
  std::visit(setter, value.variant());
  return setter.nulled;
}

Value value_of(const Column& column, std::size_t i) {
  switch (column.kind(i)) {
    case Kind::null:
      return {};
    case Kind::boolean:
      return column.boolean(i);
    case Kind::int64:
      return column.int64(i);
    case Kind::float64:
      return column.float64(i);
    case Kind::string:
    case Kind::bytes:
      return column.text(i);
    case Kind::nested:
      return parse_value(column.text(i));
    case Kind::invalid:
      break;
  }
  throw_error(ErrorKind::plan, "wanted a value, found one that cannot be read");
}

class CallRow final : public RowFunction {
 public:
  explicit CallRow(std::function<Value(Row&, State*)> function) : function_(std::move(function)) {}

  std::uint64_t call(std::span<const std::string_view> rows, std::span<const KeyId> keys,
                     FunctionState* state, ColumnBuilder& results, RowErrors& errors) override {
    std::uint64_t nulled = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (state != nullptr) state->begin(keys[i]);
      try {
        Row row = parse_value(rows[i]).get<Row>();
        if (state == nullptr) {
          nulled += set_result(results, i, function_(row, nullptr));
        } else {
          State remembered(*state);
          nulled += set_result(results, i, function_(row, &remembered));
        }
      } catch (const JsonFault& fault) {
        fail(i, fault.kind, fault.message, state, results, errors);
      } catch (const std::exception& error) {
        fail(i, BadRowKind::function, error.what(), state, results, errors);
      } catch (...) {
        fail(i, BadRowKind::function, "the function threw something that is no std::exception", state,
             results, errors);
      }
    }
    return nulled;
  }

 private:
  static void fail(std::size_t i, BadRowKind kind, const std::string& message, FunctionState* state,
                   ColumnBuilder& results, RowErrors& errors) {
    if (state != nullptr) state->undo();
    results.set_null(i);
    errors.add(i, kind, message);
  }

  std::function<Value(Row&, State*)> function_;
};

class CallValue final : public ValueFunction {
 public:
  explicit CallValue(std::function<Value(const Value&)> function) : function_(std::move(function)) {}

  std::uint64_t call(const Column& values, ColumnBuilder& results, RowErrors& errors) override {
    std::uint64_t nulled = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      results.set_null(i);
      try {
        nulled += set_result(results, i, function_(value_of(values, i)));
      } catch (const JsonFault& fault) {
        errors.add(i, fault.kind, fault.message);
      } catch (const std::exception& error) {
        errors.add(i, BadRowKind::function, error.what());
      } catch (...) {
        errors.add(i, BadRowKind::function, "the function threw something that is no std::exception");
      }
    }
    return nulled;
  }

 private:
  std::function<Value(const Value&)> function_;
};

}  // namespace

std::shared_ptr<RowFunction> make_row_function(std::function<Value(Row&, State*)> function) {
  return std::make_shared<CallRow>(std::move(function));
}

std::shared_ptr<ValueFunction> make_value_function(std::function<Value(const Value&)> function) {
  return std::make_shared<CallValue>(std::move(function));
}

}  // namespace tiderace
