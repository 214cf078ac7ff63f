#include "json_to_python.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "formats/json/reader.h"

namespace tiderace::python {
namespace {

constexpr std::size_t max_names = 4096;  // rows with ever new names must not fill the memory

/// The Python strings of names, each made once.
class Names {
 public:
  /// A new reference, or null with a Python error.
  PyObject* of(std::string_view name) {
    if (last_ < entries_.size()) {
      const std::size_t guess = entries_[last_].next;
      if (guess < entries_.size() && entries_[guess].text == name) return use(guess);
    }
    const auto found = index_.find(std::string(name));
    if (found != index_.end()) return follow(found->second);
    PyObject* object = PyUnicode_DecodeUTF8(name.data(), static_cast<Py_ssize_t>(name.size()), nullptr);
    if (object == nullptr || entries_.size() == max_names) return object;
    PyUnicode_InternInPlace(&object);
    index_.emplace(name, entries_.size());
    entries_.push_back({std::string(name), nb::borrow(object)});
    Py_DECREF(object);
    return follow(entries_.size() - 1);
  }

 private:
  struct Entry {
    std::string text;
    nb::object object;
    std::size_t next = 0;
  };

  PyObject* use(std::size_t i) {
    last_ = i;
    return Py_NewRef(entries_[i].object.ptr());
  }
  PyObject* follow(std::size_t i) {
    if (last_ < entries_.size()) entries_[last_].next = i;
    return use(i);
  }

  std::vector<Entry> entries_;
  std::unordered_map<std::string, std::size_t> index_;
  std::size_t last_ = 0;
};

}  // namespace

/// Events to objects. A callback that returns false leaves a Python error behind.
class JsonToPython::Builder final : public JsonEvents {
 public:
  ~Builder() override { clear(); }

  nb::object read(std::string_view json) {
    clear();
    twice_.reset();
    auto fault = read_json(json, *this, 100'000);
    if (PyErr_Occurred() != nullptr) nb::raise_python_error();
    if (fault) throw std::move(*fault);
    if (twice_) throw JsonFault{BadRowKind::parse, fmt::format("found the field \"{}\" twice", *twice_)};
    TIDERACE_CHECK(result_.is_valid());
    return std::move(result_);
  }

  bool null() override { return place(Py_NewRef(Py_None)); }
  bool boolean(bool value) override { return place(Py_NewRef(value ? Py_True : Py_False)); }
  bool int64(std::int64_t value) override { return place(PyLong_FromLongLong(value)); }
  bool float64(double value) override { return place(PyFloat_FromDouble(value)); }
  bool string(std::string_view value) override {
    return place(PyUnicode_DecodeUTF8(value.data(), static_cast<Py_ssize_t>(value.size()), nullptr));
  }
  bool begin_object() override { return open(PyDict_New()); }
  bool name(std::string_view name) override {
    open_.back().name = nb::steal(names_.of(name));
    return open_.back().name.is_valid();
  }
  bool end_object() override { return close(); }
  bool begin_array() override { return open(PyList_New(0)); }
  bool end_array() override { return close(); }

 private:
  struct Open {
    nb::object container;
    nb::object name;  // of the value that comes next, in an object
  };

  void clear() {
    open_.clear();
    result_.reset();
  }

  /// Takes over `value`.
  bool place(PyObject* value) {
    if (value == nullptr) return false;
    nb::object held = nb::steal(value);
    if (open_.empty()) {
      result_ = std::move(held);
      return true;
    }
    Open& parent = open_.back();
    if (PyList_CheckExact(parent.container.ptr())) return PyList_Append(parent.container.ptr(), value) == 0;
    PyObject* dict = parent.container.ptr();
    const Py_ssize_t before = PyDict_GET_SIZE(dict);
    if (PyDict_SetItem(dict, parent.name.ptr(), value) != 0) return false;
    if (PyDict_GET_SIZE(dict) != before) return true;
    twice_ = nb::cast<std::string>(parent.name);
    return false;
  }

  bool open(PyObject* container) {
    if (container == nullptr) return false;
    open_.push_back({nb::steal(container), nb::object()});
    return true;
  }

  bool close() {
    nb::object done = std::move(open_.back().container);
    open_.pop_back();
    return place(done.release().ptr());
  }

  Names names_;
  std::vector<Open> open_;
  nb::object result_;
  std::optional<std::string> twice_;  // the name of a field that an object has twice
};

JsonToPython::JsonToPython() : builder_(std::make_unique<Builder>()) {}
JsonToPython::~JsonToPython() {
  // The names outlive the interpreter where the engine does.
  if (!nb::is_alive()) {
    static_cast<void>(builder_.release());
    return;
  }
  const nb::gil_scoped_acquire gil;
  builder_.reset();
}

nb::object JsonToPython::read(std::string_view json) {
  return builder_->read(json);
}

}  // namespace tiderace::python
