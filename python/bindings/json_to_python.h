#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <memory>
#include <string_view>

namespace tiderace::python {

namespace nb = nanobind;

/// Makes Python values of JSON text (`Infinity` and `-Infinity` are taken). Keeps the objects of the names
/// that it has met, and guesses each name from the one before it, since rows look alike. Needs the GIL.
class JsonToPython {
 public:
  JsonToPython();
  ~JsonToPython();
  JsonToPython(const JsonToPython&) = delete;
  JsonToPython& operator=(const JsonToPython&) = delete;

  /// Throws JsonFault for what cannot be handed over (see `read_json`; also for a field that an object has
  /// twice), nb::python_error where Python has no memory.
  [[nodiscard]] nb::object read(std::string_view json);

 private:
  class Builder;
  std::unique_ptr<Builder> builder_;
};

}  // namespace tiderace::python
