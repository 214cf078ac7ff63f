#include "exceptions.h"

#include <fmt/format.h>
#include <tiderace/error.h>

#include <filesystem>
#include <vector>

#include "bindings.h"
#include "python_to_json.h"

namespace tiderace::python {
namespace {

struct Line {
  std::string file;
  long number = 0;
};

std::vector<Line> lines_of(nb::handle traceback) {
  std::vector<Line> lines;
  for (nb::object at = nb::borrow(traceback); at.is_valid() && !at.is_none(); at = at.attr("tb_next")) {
    lines.push_back({text_of(at.attr("tb_frame").attr("f_code").attr("co_filename")),
                     nb::cast<long>(at.attr("tb_lineno"))});
  }
  return lines;
}

/// Where in the user's file it happened; where the file is not known, where it happened at all.
std::string place_of(nb::handle traceback, nb::handle function) {
  const std::vector<Line> lines = lines_of(traceback);
  if (lines.empty()) return {};
  const nb::object code = nb::getattr(function, "__code__", nb::none());
  const std::string file = code.is_none() ? std::string() : text_of(nb::str(code.attr("co_filename")));
  const Line* found = &lines.back();
  for (const Line& line : lines) {
    if (line.file == file) found = &line;
  }
  return fmt::format(" ({} line {})", std::filesystem::path(found->file).filename().string(), found->number);
}

const char* python_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::plan:
      return "PlanError";
    case ErrorKind::config:
      return "ConfigError";
    case ErrorKind::bad_row:
      return "BadRowError";
    case ErrorKind::broker:
      return "BrokerError";
    case ErrorKind::state:
      return "StateError";
  }
  return "Error";
}

void raise(const Error& error) {
  const nb::object type = nb::module_::import_("tiderace.errors").attr(python_name(error.kind()));
  const nb::object text = str_or_bytes(error.what());
  const nb::object raised = error.bad_row() ? type(text, *error.bad_row()) : type(text);
  PyErr_SetObject(type.ptr(), raised.ptr());
}

void translate(const std::exception_ptr& pointer, void* /*payload*/) {
  try {
    std::rethrow_exception(pointer);
  } catch (const Error& error) {
    raise(error);
  } catch (const nb::cast_error&) {
    raise(Error(ErrorKind::config,
                "wanted text that UTF-8 can hold, found a lone surrogate, as of bytes that are no UTF-8"));
  }
}

}  // namespace

std::string text_of(nb::handle text) {
  const nb::object bytes = nb::steal(PyUnicode_AsEncodedString(text.ptr(), "utf-8", "backslashreplace"));
  if (!bytes.is_valid()) throw nb::python_error();
  return {PyBytes_AS_STRING(bytes.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr()))};
}

std::string describe_exception(nb::python_error& error, nb::handle function) {
  if (!error.matches(PyExc_Exception)) throw error;
  const nb::object text = nb::steal(PyObject_Str(error.value().ptr()));
  if (!text.is_valid()) PyErr_Clear();
  const std::string what = text.is_valid() ? text_of(text) : std::string();
  return fmt::format("{}{}{}{}", text_of(error.type().attr("__name__")), what.empty() ? "" : ": ", what,
                     place_of(error.traceback(), function));
}

std::string describe_connector_error(nb::python_error& error, nb::handle function) {
  if (!error.matches(nb::module_::import_("tiderace.errors").attr("ConfigError")))
    return describe_exception(error, function);
  return text_of(nb::str(error.value()));
}

std::string name_of_function(nb::handle function) {
  const nb::object name = nb::getattr(function, "__name__", nb::none());
  if (!nb::isinstance<nb::str>(name)) return text_of(function.type().attr("__name__"));
  const std::string text = text_of(name);
  return text == "<lambda>" ? "lambda" : text;
}

void register_exceptions() {
  nb::register_exception_translator(translate);
}

}  // namespace tiderace::python
