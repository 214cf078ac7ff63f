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
  const auto modules = nb::cast<nb::dict>(nb::module_::import_("sys").attr("modules"));
  if (modules.contains("ipykernel")) draw_progress_in_notebook();
  bind_values(module);
  bind_models(module);
  bind_model_versions(module);
  bind_series(module);
  bind_frame(module);
  bind_functions(module);
  bind_table(module);
  bind_security(module);
  bind_application(module);
  bind_producer(module);
  bind_reader(module);
}
