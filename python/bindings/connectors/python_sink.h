#pragma once

#include <nanobind/nanobind.h>

#include <map>
#include <memory>
#include <string>

#include "plan/sink.h"

namespace tiderace::python {

namespace nb = nanobind;

/// What is called of a sink in Python; see `tiderace.sinks.Sink`.
struct PythonSinkCalls {
  nb::object open;
  nb::object write;
  nb::object kinds;
};

/// `columns` names the record's columns: key, event_time, topic, partition, offset.
[[nodiscard]] std::shared_ptr<SinkConnector> python_sink(PythonSinkCalls calls, std::string name,
                                                         std::string text,
                                                         std::map<std::string, std::string> columns,
                                                         bool folds_case);

}  // namespace tiderace::python
