#include "models/model_versions.h"

#include <nanobind/stl/shared_ptr.h>

#include <utility>

#include "arguments.h"
#include "base/error.h"
#include "bindings.h"
#include "exceptions.h"
#include "held.h"

namespace tiderace::python {
namespace {

nb::object class_of(const char* module, const char* name) {
  return nb::module_::import_(module).attr(name);
}

/// What a registry raised as what the engine throws.
[[noreturn]] void rethrow(nb::python_error& error) {
  const bool gone = error.matches(class_of("tiderace.registry.files", "VersionGone"));
  const bool own = error.matches(class_of("tiderace.errors", "Error"));
  Error translated(ErrorKind::config,
                   own ? std::string(nb::str(error.value()).c_str()) : describe_exception(error, nb::none()));
  if (gone) throw VersionGone(translated);
  throw translated;
}

/// An object with `resolve()`, `load(version, methods)` and `interrupt(on)`.
class PythonSource final : public ModelSource {
 public:
  explicit PythonSource(nb::object source) : source_(std::move(source)) {}

  std::string resolve() override {
    const nb::gil_scoped_acquire gil;
    try {
      return nb::cast<std::string>(nb::borrow(source_.get()).attr("resolve")());
    } catch (nb::python_error& error) {
      rethrow(error);
    }
  }

  std::vector<std::shared_ptr<Model>> load(const std::string& version,
                                           std::span<const std::string> methods) override {
    const nb::gil_scoped_acquire gil;
    try {
      nb::list wanted;
      for (const std::string& method : methods) wanted.append(method);
      std::vector<std::shared_ptr<Model>> models;
      const nb::object loaded = nb::borrow(source_.get()).attr("load")(version, wanted);
      for (const nb::handle model : loaded) models.push_back(nb::cast<const ModelHandle&>(model).model);
      return models;
    } catch (nb::python_error& error) {
      rethrow(error);
    }
  }

  void interrupt(bool on) override {
    const nb::gil_scoped_acquire gil;
    try {
      nb::borrow(source_.get()).attr("interrupt")(on);
    } catch (nb::python_error& error) {
      rethrow(error);
    }
  }

 private:
  Held source_;
};

OnLostVersion on_lost_version(const std::string& text) {
  if (text == "stop") return OnLostVersion::stop;
  if (text == "current") return OnLostVersion::current;
  throw_error(ErrorKind::config, "on_lost_version: wanted \"stop\" or \"current\", found \"{}\"", text);
}

std::shared_ptr<ModelVersions> construct(nb::object source, std::string name, std::string reference,
                                         nb::handle poll_interval, std::string control_topic,
                                         const std::string& lost) {
  ModelVersionsOptions options;
  options.name = std::move(name);
  options.reference = std::move(reference);
  options.poll_interval = optional_duration(poll_interval, "poll_interval");
  if (options.poll_interval && options.poll_interval->count() <= 0)
    throw Error(ErrorKind::config, "poll_interval: wanted a time above 0");
  options.control_topic = std::move(control_topic);
  options.on_lost_version = on_lost_version(lost);
  auto held = std::make_unique<PythonSource>(std::move(source));
  // Whoever holds the lock of a source while it waits for the GIL must not be waited for with the GIL.
  const nb::gil_scoped_release release;
  return std::make_shared<ModelVersions>(std::move(held), std::move(options),
                                         std::vector<std::string>{"predict"});
}

}  // namespace

void bind_model_versions(nb::module_& module) {
  nb::class_<ModelVersions>(module, "ModelVersions")
      .def("method",
           [](std::shared_ptr<ModelVersions> self, std::string method) {
             return ModelHandle{nullptr, std::move(self), std::move(method)};
           })
      .def_prop_ro("version", [](const ModelVersions& self) { return self.newest()->version; });
  module.def("model_versions", &construct, nb::arg("source"), nb::arg("name"), nb::arg("reference"),
             nb::arg("poll_interval").none(), nb::arg("control_topic"), nb::arg("on_lost_version"),
             nb::sig("def model_versions(source: object, name: str, reference: str, poll_interval: object, "
                     "control_topic: str, on_lost_version: str) -> ModelVersions"),
             "The versions of a model that `source` has: an object with `resolve()`, the version that the "
             "reference names now, `load(version, methods)`, a Model for each method, and `interrupt(on)`, "
             "which ends calls under way.");
}

}  // namespace tiderace::python
