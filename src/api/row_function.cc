#include "api/row_function.h"

#include <string>

#include "api/row_json.h"
#include "base/error.h"

namespace tiderace {
namespace {

void set_result(ColumnBuilder& results, std::size_t i, const Value& value) {
  struct Setter {
    ColumnBuilder& results;
    std::size_t i;
    const Value& value;
    void operator()(std::monostate) const { results.set_null(i); }
    void operator()(bool result) const { results.set_boolean(i, result); }
    void operator()(std::int64_t result) const { results.set_int64(i, result); }
    void operator()(double result) const { results.set_float64(i, result); }
    void operator()(const std::string& result) const { results.set_text(i, Kind::string, result); }
    void operator()(const Array&) const { set_json(); }
    void operator()(const Row&) const { set_json(); }
    void set_json() const {
      std::string json;
      append_json(json, value, NotFinite::as_word);
      results.set_text(i, Kind::nested, json);
    }
  };
  std::visit(Setter{results, i, value}, value.variant());
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

  void call(std::span<const std::string_view> rows, std::span<const KeyId> keys, FunctionState* state,
            ColumnBuilder& results, RowErrors& errors) override {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (state != nullptr) state->begin(keys[i]);
      try {
        Row row = parse_value(rows[i]).get<Row>();
        if (state == nullptr) {
          set_result(results, i, function_(row, nullptr));
        } else {
          State remembered(*state);
          set_result(results, i, function_(row, &remembered));
        }
      } catch (const std::exception& error) {
        fail(i, error.what(), state, results, errors);
      } catch (...) {
        fail(i, "the function threw something that is no std::exception", state, results, errors);
      }
    }
  }

 private:
  static void fail(std::size_t i, const std::string& message, FunctionState* state, ColumnBuilder& results,
                   RowErrors& errors) {
    if (state != nullptr) state->undo();
    results.set_null(i);
    errors.add(i, BadRowKind::function, message);
  }

  std::function<Value(Row&, State*)> function_;
};

class CallValue final : public ValueFunction {
 public:
  explicit CallValue(std::function<Value(const Value&)> function) : function_(std::move(function)) {}

  void call(const Column& values, ColumnBuilder& results, RowErrors& errors) override {
    for (std::size_t i = 0; i < values.size(); ++i) {
      results.set_null(i);
      try {
        set_result(results, i, function_(value_of(values, i)));
      } catch (const std::exception& error) {
        errors.add(i, BadRowKind::function, error.what());
      } catch (...) {
        errors.add(i, BadRowKind::function, "the function threw something that is no std::exception");
      }
    }
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
