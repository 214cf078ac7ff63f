#include "plan/frame.h"

#include <tiderace/error.h>

#include <utility>

#include "arguments.h"
#include "bindings.h"
#include "exceptions.h"
#include "functions.h"

namespace tiderace::python {
namespace {

using plan::Frame;
using plan::RollingFrame;
using plan::RowFunctionOptions;
using plan::Series;

RowFunctionOptions options_of(nb::handle function, bool stateful, const std::string& name) {
  return {name_of_function(function), stateful, name};
}

Frame apply(const Frame& frame, nb::object function, bool stateful, const std::string& name) {
  const RowFunctionOptions options = options_of(function, stateful, name);
  return frame.apply(row_function(std::move(function), RowCall::result), options);
}

Frame filter(const Frame& frame, nb::object function, bool stateful, const std::string& name) {
  const RowFunctionOptions options = options_of(function, stateful, name);
  return frame.filter(row_function(std::move(function), RowCall::result), options);
}

Frame update(const Frame& frame, nb::object function, bool stateful, const std::string& name) {
  const RowFunctionOptions options = options_of(function, stateful, name);
  return frame.update(row_function(std::move(function), RowCall::in_place), options);
}

/// `name` is a column or a list of them, `value` a series, a frame or a constant.
Frame assign(const Frame& frame, nb::handle name, nb::handle value) {
  if (nb::isinstance<nb::str>(name)) {
    const auto column = nb::cast<std::string>(name);
    if (nb::isinstance<Frame>(value)) return frame.assign(column, nb::cast<const Frame&>(value));
    return frame.assign(column, series_of(value));
  }
  if (!nb::isinstance<Frame>(value)) {
    throw Error(ErrorKind::plan,
                "sdf[[...]] = ...: wanted a frame of as many columns, for example sdf[[\"a\", "
                "\"b\"]].rolling(\"10s\").mean(); set a series column by column");
  }
  return frame.assign(nb::cast<std::vector<std::string>>(name), nb::cast<const Frame&>(value));
}

void to_topic(const Frame& frame, const TopicHandle& topic, nb::handle key) {
  if (key.is_none()) {
    frame.to_topic(topic.topic);
  } else if (nb::isinstance<nb::str>(key)) {
    frame.to_topic(topic.topic, nb::cast<std::string>(key));
  } else if (nb::isinstance<Frame>(key)) {
    frame.to_topic(topic.topic, nb::cast<const Frame&>(key));
  } else if (PyCallable_Check(key.ptr()) != 0) {
    frame.to_topic(topic.topic, apply(frame, nb::borrow(key), false, ""));
  } else {
    frame.to_topic(topic.topic, series_of(key));
  }
}

}  // namespace

void bind_frame(nb::module_& module) {
  nb::class_<RollingFrame>(module, "RollingFrame")
      .def(
          "aggregate",
          [](const RollingFrame& rolling, const std::string& name, std::int64_t ddof) {
            return rolling.aggregate(aggregate(name), ddof);
          },
          nb::arg("name"), nb::arg("ddof") = 1);
  nb::class_<Frame>(module, "Frame")
      .def("column", &Frame::column)
      .def("project", &Frame::project)
      .def("where", [](const Frame& self, const Series& mask) { return self.filter(mask); })
      .def("assign", &assign, nb::arg("name"), nb::arg("value").none(),
           nb::sig("def assign(self, name: str | list[str], value: object) -> Frame"))
      .def("drop", &Frame::drop)
      .def("rename", &Frame::rename)
      .def(
          "rolling",
          [](const Frame& self, nb::handle size, nb::handle grace, std::optional<std::int64_t> min_periods,
             nb::handle on_late, const std::string& name) {
            return self.rolling(window(size), rolling_options(grace, min_periods, on_late, name));
          },
          nb::arg("window"), nb::arg("grace").none(), nb::arg("min_periods").none(),
          nb::arg("on_late").none(), nb::arg("name"),
          nb::sig(
              "def rolling(self, window: object, grace: object, min_periods: int | None, on_late: object, "
              "name: str) -> RollingFrame"))
      .def("apply", &apply, nb::arg("function"), nb::arg("stateful"), nb::arg("name"),
           nb::sig("def apply(self, function: object, stateful: bool, name: str) -> Frame"))
      .def("filter", &filter, nb::arg("function"), nb::arg("stateful"), nb::arg("name"),
           nb::sig("def filter(self, function: object, stateful: bool, name: str) -> Frame"))
      .def("update", &update, nb::arg("function"), nb::arg("stateful"), nb::arg("name"),
           nb::sig("def update(self, function: object, stateful: bool, name: str) -> Frame"))
      .def(
          "map_batches",
          [](const Frame& self, nb::object function, nb::object adapter) {
            const std::string name = name_of_function(function);
            return self.map_batches(batch_function(std::move(function), std::move(adapter)), name);
          },
          nb::arg("function"), nb::arg("adapter"),
          nb::sig("def map_batches(self, function: object, adapter: object) -> Frame"))
      .def(
          "predict",
          [](const Frame& self, const ModelHandle& model, bool pass_nulls, const std::string& version_column,
             const ModelHandle* shadow, const std::string& shadow_column) {
            plan::PredictOptions options{pass_nulls, version_column, {}, shadow_column};
            if (shadow != nullptr) options.shadow = shadow->planned();
            const nb::gil_scoped_release release;  // a registry may be asked, also by another thread
            return self.predict(model.planned(), std::move(options));
          },
          nb::arg("model"), nb::arg("pass_nulls"), nb::arg("version_column"), nb::arg("shadow").none(),
          nb::arg("shadow_column"))
      .def("to_topic", &to_topic, nb::arg("topic"), nb::arg("key").none(),
           nb::sig("def to_topic(self, topic: Topic, key: object) -> None"))
      .def("print", [](const Frame& self, std::int64_t width, bool live) { self.print(width, live); })
      .def("__repr__", [](const Frame& self) { return to_text(self.node()->step); });
}

}  // namespace tiderace::python
