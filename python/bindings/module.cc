#include <nanobind/nanobind.h>

NB_MODULE(_tiderace, module) {
  module.doc() = "The C++ engine of tiderace; its front end is the package `tiderace`.";
  module.attr("version") = TIDERACE_VERSION;
}
