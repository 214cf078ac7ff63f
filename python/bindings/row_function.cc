#include <fmt/format.h>

#include <memory>
#include <utility>
#include <vector>

#include "base/error.h"
#include "bindings.h"
#include "exceptions.h"
#include "formats/json/reader.h"
#include "functions.h"
#include "held.h"
#include "json_to_python.h"
#include "python_to_json.h"

namespace tiderace::python {
namespace {

/// What a stateful function gets: the state of the row's key. Alive during the call alone.
class State {
 public:
  State(FunctionState& state, JsonToPython& reader) : state_(&state), reader_(&reader) {}

  void close() noexcept { state_ = nullptr; }

  [[nodiscard]] nb::object get(std::string_view name, nb::object fallback) const {
    const auto json = present().get(name);
    return json ? reader_->read(*json) : std::move(fallback);
  }
  void set(std::string_view name, nb::handle value) const {
    std::string json;
    try {
      append_json(json, value, NotFinite::as_word);
    } catch (const UnfitValue& unfit) {
      throw nb::type_error(fmt::format("state {}: {}", name, unfit.message).c_str());
    }
    present().set(name, json);
  }
  void erase(std::string_view name) const { present().erase(name); }
  [[nodiscard]] bool exists(std::string_view name) const { return present().get(name).has_value(); }

 private:
  [[nodiscard]] FunctionState& present() const {
    if (state_ == nullptr)
      throw Error(ErrorKind::state,
                  "a State is that of one row; it cannot be used after the function's call");
    return *state_;
  }

  FunctionState* state_;
  JsonToPython* reader_;
};

/// A State for the calls of one batch; none where `state` is null. Needs the GIL.
class OpenState {
 public:
  OpenState(FunctionState* state, JsonToPython& reader) {
    if (state != nullptr) python_ = nb::cast(State(*state, reader));
  }
  OpenState(const OpenState&) = delete;
  OpenState& operator=(const OpenState&) = delete;
  ~OpenState() {
    if (python_.is_valid()) nb::inst_ptr<State>(python_)->close();
  }

  [[nodiscard]] const nb::object& get() const noexcept { return python_; }

 private:
  nb::object python_;
};

/// Readers for the calls that run at a time: with several workers another may enter while a function runs.
/// Needs the GIL.
class Readers {
 public:
  using Reader = std::unique_ptr<JsonToPython>;

  [[nodiscard]] Reader take() {
    if (free_.empty()) return std::make_unique<JsonToPython>();
    Reader reader = std::move(free_.back());
    free_.pop_back();
    return reader;
  }
  void give_back(Reader reader) { free_.push_back(std::move(reader)); }

 private:
  std::vector<Reader> free_;
};

class PythonRowFunction final : public RowFunction {
 public:
  PythonRowFunction(nb::object function, RowCall call) : function_(std::move(function)), call_(call) {}

  std::uint64_t call(std::span<const std::string_view> rows, std::span<const KeyId> keys,
                     FunctionState* state, ColumnBuilder& results, RowErrors& errors) override {
    const nb::gil_scoped_acquire gil;
    Readers::Reader reader = readers_.take();
    std::string json;
    std::uint64_t nulled = 0;
    const OpenState python_state(state, *reader);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (state != nullptr) state->begin(keys[i]);
      try {
        nulled += set_result(results, i, call_row(reader->read(rows[i]), python_state.get()), json);
        continue;
      } catch (const JsonFault& fault) {
        errors.add(i, fault.kind, fault.message);
      } catch (nb::python_error& error) {
        errors.add(i, BadRowKind::function, describe_exception(error, function_.get()));
      } catch (const UnfitValue& unfit) {
        errors.add(i, unfit.kind, fmt::format("the function returned {}", unfit.message));
      }
      results.set_null(i);
      if (state != nullptr) state->undo();
    }
    readers_.give_back(std::move(reader));
    return nulled;
  }

 private:
  /// What counts of one call.
  [[nodiscard]] nb::object call_row(nb::object row, const nb::object& state) const {
    PyObject* arguments[] = {row.ptr(), state.ptr()};
    nb::object result =
        nb::steal(PyObject_Vectorcall(function_.get().ptr(), arguments, state.is_valid() ? 2 : 1, nullptr));
    if (!result.is_valid()) nb::raise_python_error();
    return call_ == RowCall::in_place ? std::move(row) : std::move(result);
  }

  static std::uint64_t set_result(ColumnBuilder& results, std::size_t i, const nb::object& result,
                                  std::string& json) {
    if (!PyDict_Check(result.ptr())) return set_value(results, i, result);
    json.clear();
    const std::uint64_t nulled = append_json(json, result, NotFinite::as_null);
    results.set_text(i, Kind::nested, json);
    return nulled;
  }

  Held function_;
  RowCall call_;
  Readers readers_;
};

class PythonValueFunction final : public ValueFunction {
 public:
  explicit PythonValueFunction(nb::object function) : function_(std::move(function)) {}

  std::uint64_t call(const Column& values, ColumnBuilder& results, RowErrors& errors) override {
    const nb::gil_scoped_acquire gil;
    Readers::Reader reader = readers_.take();
    std::uint64_t nulled = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      try {
        const nb::object value =
            values.kind(i) == Kind::nested ? reader->read(values.text(i)) : text_or_number(values, i);
        const nb::object result = nb::steal(PyObject_CallOneArg(function_.get().ptr(), value.ptr()));
        if (!result.is_valid()) nb::raise_python_error();
        nulled += set_value(results, i, result);
        continue;
      } catch (const JsonFault& fault) {
        errors.add(i, fault.kind, fault.message);
      } catch (nb::python_error& error) {
        errors.add(i, BadRowKind::function, describe_exception(error, function_.get()));
      } catch (const UnfitValue& unfit) {
        errors.add(i, unfit.kind, fmt::format("the function returned {}", unfit.message));
      }
      results.set_null(i);
    }
    readers_.give_back(std::move(reader));
    return nulled;
  }

 private:
  Held function_;
  Readers readers_;
};

void check_callable(nb::handle function) {
  if (PyCallable_Check(function.ptr()) != 0) return;
  throw_error(ErrorKind::plan, "wanted a function, found {}",
              nb::cast<std::string>(nb::repr(function.type())));
}

}  // namespace

std::shared_ptr<RowFunction> row_function(nb::object function, RowCall call) {
  check_callable(function);
  return std::make_shared<PythonRowFunction>(std::move(function), call);
}

std::shared_ptr<ValueFunction> value_function(nb::object function) {
  check_callable(function);
  return std::make_shared<PythonValueFunction>(std::move(function));
}

void bind_functions(nb::module_& module) {
  nb::class_<State>(
      module, "State",
      "The state of a stateful function: any JSON value under a name, for the key of the row.\n\n"
      "It is kept by the engine, survives restarts, and is that of one row: what a call that "
      "fails has changed is undone.\n"
      "Use it inside the call only.")
      .def("get", &State::get, nb::arg("name"), nb::arg("default") = nb::none(),
           nb::sig("def get(self, name: str, default: typing.Any = None) -> typing.Any"),
           "The value under `name`, a copy of its own, or `default`.")
      .def("set", &State::set, nb::arg("name"), nb::arg("value").none(),
           nb::sig("def set(self, name: str, value: typing.Any) -> None"),
           "Sets the value under `name`. Raises TypeError for what JSON has no form for.")
      .def("delete", &State::erase, nb::arg("name"), "Forgets the value under `name`, if there is one.")
      .def("exists", &State::exists, nb::arg("name"), "Whether there is a value under `name`.");
}

}  // namespace tiderace::python
