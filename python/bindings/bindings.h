#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>
#include <tiderace/topic.h>

#include <memory>

#include "columnar/function.h"
#include "columnar/model/versioned_model.h"
#include "plan/plan.h"

namespace tiderace::python {

namespace nb = nanobind;

/// A topic as Python holds it.
struct TopicHandle {
  TopicPtr topic;
};

/// A model as Python holds it: in this process, or with versions in a registry.
struct ModelHandle {
  std::shared_ptr<Model> model;
  std::shared_ptr<VersionedModel> versions = nullptr;
  std::string method = {};  ///< of `versions`

  [[nodiscard]] PlannedModel planned() const {
    return {model, versions, method, versions ? versions->reference() : model->name()};
  }
};

/// Bars go to Python's standard error, which notebooks show.
void draw_progress_in_notebook();

void bind_values(nb::module_& module);  ///< BadRow, Summary, Topic
void bind_series(nb::module_& module);
void bind_frame(nb::module_& module);
void bind_functions(nb::module_& module);  ///< State
void bind_models(nb::module_& module);
void bind_model_versions(nb::module_& module);
void bind_table(nb::module_& module);
void bind_application(nb::module_& module);
void bind_producer(nb::module_& module);
void bind_reader(nb::module_& module);
void bind_security(nb::module_& module);  ///< KafkaSecurity

}  // namespace tiderace::python
