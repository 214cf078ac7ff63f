#include "bindings.h"
#include "exceptions.h"

NB_MODULE(_tiderace, module) {
  using namespace tiderace::python;
  // What a pipeline holds (functions, and through them modules) lives as long as the process where a module
  // holds the application: no leak worth a warning.
  nb::set_leak_warnings(false);
  module.doc() = "The C++ engine of tiderace; its front end is the package `tiderace`.";
  module.attr("version") = TIDERACE_VERSION;
  register_exceptions();
  bind_values(module);
  bind_models(module);
  bind_series(module);
  bind_frame(module);
  bind_functions(module);
  bind_table(module);
  bind_application(module);
  bind_producer(module);
}
