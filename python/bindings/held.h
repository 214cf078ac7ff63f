#pragma once

#include <nanobind/nanobind.h>

#include <utility>

namespace tiderace::python {

namespace nb = nanobind;

/// A Python object that the engine owns. The last owner may let go of it on any thread, with or without the
/// GIL; after the interpreter's end it is left alone.
class Held {
 public:
  explicit Held(nb::object object) : object_(std::move(object)) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    if (nb::is_alive()) {
      const nb::gil_scoped_acquire gil;
      object_.reset();
    } else {
      static_cast<void>(object_.release());
    }
  }

  /// Borrowed; needs the GIL.
  [[nodiscard]] nb::handle get() const noexcept { return object_; }

 private:
  nb::object object_;
};

}  // namespace tiderace::python
