#include "python_to_json.h"

#include <fmt/format.h>

#include <cmath>
#include <string_view>

#include "base/error.h"
#include "formats/json/append.h"

namespace tiderace::python {
namespace {

constexpr std::size_t max_depth = 1000;

std::string type_name(PyObject* value) {
  const std::string_view name = Py_TYPE(value)->tp_name;
  return std::string(name.starts_with("builtins.") ? name.substr(9) : name);
}

bool is_numpy(PyObject* value) {
  return std::string_view(Py_TYPE(value)->tp_name).starts_with("numpy.");
}

/// pandas' NA, told by its name: pandas need not be there.
bool is_not_available(PyObject* value) {
  const std::string_view name = Py_TYPE(value)->tp_name;
  return name == "NAType" || name.ends_with(".NAType") || name == "NaTType" || name.ends_with(".NaTType");
}

/// NumPy's scalars and arrays as Python's own.
nb::object plain(PyObject* value) {
  return nb::steal(PyObject_CallMethod(value, "tolist", nullptr));
}

std::string_view utf8_of(PyObject* text) {
  Py_ssize_t size = 0;
  const char* bytes = PyUnicode_AsUTF8AndSize(text, &size);
  if (bytes == nullptr) {
    PyErr_Clear();
    throw UnfitValue{BadRowKind::function, "a str with a lone surrogate, which UTF-8 has no form for"};
  }
  return {bytes, static_cast<std::size_t>(size)};
}

std::int64_t int64_of(PyObject* value) {
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (overflow != 0)
    throw UnfitValue{BadRowKind::range, "an int beyond int64; use float(...) or str(...) of it"};
  return number;
}

std::string_view bytes_of(PyObject* value) {
  return {PyBytes_AS_STRING(value), static_cast<std::size_t>(PyBytes_GET_SIZE(value))};
}

[[noreturn]] void unfit(PyObject* value) {
  throw UnfitValue{BadRowKind::function,
                   fmt::format("a {}, which has no JSON form; use None, bool, int, float, str, list or dict",
                               type_name(value))};
}

class Writer {
 public:
  Writer(std::string& out, NotFinite not_finite) : out_(out), not_finite_(not_finite) {}

  void write(PyObject* value) {
    if (value == Py_None) {
      out_ += "null";
    } else if (PyBool_Check(value)) {
      out_ += value == Py_True ? "true" : "false";
    } else if (PyFloat_Check(value)) {
      write_float(PyFloat_AS_DOUBLE(value));
    } else if (PyLong_Check(value)) {
      char digits[json::max_number_bytes];
      out_.append(digits, json::write_int64(digits, int64_of(value)));
    } else if (PyUnicode_Check(value)) {
      append_json_string(out_, utf8_of(value));
    } else {
      write_other(value);
    }
  }

  [[nodiscard]] std::uint64_t nulled() const noexcept { return nulled_; }

  /// `"a"["b"]`: the fields that lead to the value being written.
  [[nodiscard]] std::string place() const {
    std::string text;
    for (PyObject* name : path_) {
      std::string quoted;
      append_json_string(quoted, utf8_of(name));
      text += text.empty() ? quoted : '[' + quoted + ']';
    }
    return text;
  }

 private:
  void write_float(double value) {
    if (std::isfinite(value)) {
      append_json_double(out_, value);
    } else if (std::isnan(value)) {
      out_ += "null";
    } else if (not_finite_ == NotFinite::as_null) {
      out_ += "null";
      ++nulled_;
    } else {
      out_ += value > 0 ? "Infinity" : "-Infinity";
    }
  }

  void write_other(PyObject* value) {
    if (++depth_ > max_depth) {
      throw UnfitValue{BadRowKind::function,
                       fmt::format("a value nested more than {} deep, or in itself", max_depth)};
    }
    if (PyDict_Check(value)) {
      write_dict(value);
    } else if (PyList_Check(value) || PyTuple_Check(value)) {
      write_sequence(value);
    } else if (PyBytes_Check(value)) {
      ColumnBuilder builder(1);
      builder.set_text(0, Kind::bytes, bytes_of(value));
      append_json_value(out_, Column(std::move(builder)), 0, not_finite_);
    } else if (is_not_available(value)) {
      out_ += "null";
    } else if (is_numpy(value)) {
      write_numpy(value);
    } else {
      unfit(value);
    }
    --depth_;
  }

  void write_numpy(PyObject* value) {
    const nb::object python = plain(value);
    if (!python.is_valid()) {
      PyErr_Clear();
      unfit(value);
    }
    if (is_numpy(python.ptr())) unfit(value);
    write(python.ptr());
  }

  void write_dict(PyObject* dict) {
    PyObject* name = nullptr;
    PyObject* value = nullptr;
    Py_ssize_t position = 0;
    char separator = '{';
    while (PyDict_Next(dict, &position, &name, &value) != 0) {
      if (!PyUnicode_Check(name)) {
        throw UnfitValue{BadRowKind::function,
                         fmt::format("a dict with a key of type {}; JSON wants str", type_name(name))};
      }
      out_ += separator;
      separator = ',';
      append_json_string(out_, utf8_of(name));
      out_ += ':';
      path_.push_back(name);
      write(value);
      path_.pop_back();
    }
    out_ += separator == '{' ? "{}" : "}";
  }

  void write_sequence(PyObject* sequence) {
    const Py_ssize_t size = PySequence_Fast_GET_SIZE(sequence);
    out_ += '[';
    for (Py_ssize_t i = 0; i < size; ++i) {
      if (i > 0) out_ += ',';
      write(PySequence_Fast_GET_ITEM(sequence, i));
    }
    out_ += ']';
  }

  std::string& out_;
  NotFinite not_finite_;
  std::vector<PyObject*> path_;  // borrowed from the dicts being written
  std::size_t depth_ = 0;
  std::uint64_t nulled_ = 0;
};

}  // namespace

std::uint64_t append_json(std::string& out, nb::handle value, NotFinite not_finite) {
  Writer writer(out, not_finite);
  try {
    writer.write(value.ptr());
    return writer.nulled();
  } catch (UnfitValue& unfit) {
    const std::string place = writer.place();
    if (!place.empty()) unfit.message = fmt::format("field {}: {}", place, unfit.message);
    throw;
  }
}

std::uint64_t set_value(ColumnBuilder& builder, std::size_t i, nb::handle handle) {
  PyObject* value = handle.ptr();
  if (value == Py_None || is_not_available(value)) {
    builder.set_null(i);
  } else if (PyBool_Check(value)) {
    builder.set_boolean(i, value == Py_True);
  } else if (PyFloat_Check(value)) {
    builder.set_float64(i, PyFloat_AS_DOUBLE(value));
  } else if (PyLong_Check(value)) {
    builder.set_int64(i, int64_of(value));
  } else if (PyUnicode_Check(value)) {
    builder.set_text(i, Kind::string, utf8_of(value));
  } else if (PyBytes_Check(value)) {
    builder.set_text(i, Kind::bytes, bytes_of(value));
  } else if (is_numpy(value)) {
    const nb::object python = plain(value);
    if (!python.is_valid()) PyErr_Clear();
    if (!python.is_valid() || is_numpy(python.ptr())) unfit(value);
    return set_value(builder, i, python);
  } else {
    std::string json;
    const std::uint64_t nulled = append_json(json, handle, NotFinite::as_null);
    builder.set_text(i, Kind::nested, json);
    return nulled;
  }
  return 0;
}

Scalar scalar_of(nb::handle value) {
  ColumnBuilder builder(1);
  try {
    set_value(builder, 0, value);
  } catch (const UnfitValue& unfit) {
    throw_error(ErrorKind::plan, "wanted a series or a constant, found {}", unfit.message);
  }
  const Column column(std::move(builder));
  switch (column.kind(0)) {
    case Kind::null:
      return {};
    case Kind::boolean:
      return column.boolean(0);
    case Kind::int64:
      return column.int64(0);
    case Kind::float64:
      return column.float64(0);
    case Kind::string:
      return std::string(column.text(0));
    case Kind::bytes:
    case Kind::nested:
    case Kind::invalid:
      break;
  }
  throw_error(ErrorKind::plan,
              "wanted a series or a constant (None, bool, int, float or str), found a value of type {}",
              type_name(value.ptr()));
}

nb::object str_or_bytes(std::string_view text) {
  PyObject* decoded = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr);
  if (decoded != nullptr) return nb::steal(decoded);
  PyErr_Clear();
  return nb::bytes(text.data(), text.size());
}

nb::object text_or_number(const Column& column, std::size_t i) {
  switch (column.kind(i)) {
    case Kind::boolean:
      return nb::bool_(column.boolean(i));
    case Kind::int64:
      return nb::int_(column.int64(i));
    case Kind::float64:
      return nb::float_(column.float64(i));
    case Kind::string:
    case Kind::nested: {
      const std::string_view text = column.text(i);
      return nb::steal(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr));
    }
    case Kind::bytes:
      return nb::bytes(column.text(i).data(), column.text(i).size());
    case Kind::null:
    case Kind::invalid:
      break;
  }
  return nb::none();
}

}  // namespace tiderace::python
