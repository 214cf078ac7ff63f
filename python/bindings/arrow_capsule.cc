#include "arrow_capsule.h"

#include <memory>

#include "base/error.h"
#include "columnar/arrow_abi.h"

namespace tiderace::python {
namespace {

constexpr const char* stream_name = "arrow_array_stream";  // the protocol's

void release_stream(PyObject* capsule) {
  auto* stream = static_cast<ArrowArrayStream*>(PyCapsule_GetPointer(capsule, stream_name));
  if (stream == nullptr) return PyErr_Clear();
  if (stream->release != nullptr) stream->release(stream);
  delete stream;
}

}  // namespace

nb::object to_capsule(const Table& table) {
  auto stream = std::make_unique<ArrowArrayStream>();
  stream->release = nullptr;
  table.to_arrow(stream.get());
  nb::object capsule = nb::steal(PyCapsule_New(stream.get(), stream_name, release_stream));
  if (!capsule.is_valid()) nb::raise_python_error();
  static_cast<void>(stream.release());
  return capsule;
}

Table from_capsule(nb::handle object) {
  if (!nb::hasattr(object, "__arrow_c_stream__")) {
    throw_error(
        ErrorKind::plan,
        "wanted a pyarrow, pandas or polars table, or anything else with __arrow_c_stream__, found {}",
        nb::cast<std::string>(nb::repr(object.type())));
  }
  const nb::object capsule = object.attr("__arrow_c_stream__")();
  void* stream = PyCapsule_GetPointer(capsule.ptr(), stream_name);
  if (stream == nullptr) nb::raise_python_error();
  return Table::from_arrow(static_cast<ArrowArrayStream*>(stream));
}

}  // namespace tiderace::python
