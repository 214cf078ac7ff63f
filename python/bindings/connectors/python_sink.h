#pragma once

#include <nanobind/nanobind.h>

#include <map>
#include <memory>
#include <string>

#include "plan/sink.h"

namespace tiderace::python {

namespace nb = nanobind;

/// A sink whose `open(group, partitions)` and `write(group, parts)` are in Python; see `tiderace.sinks.Sink`.
/// `columns` names the record's columns: key, event_time, topic, partition, offset.
[[nodiscard]] std::shared_ptr<SinkConnector> python_sink(nb::object open, nb::object write, std::string name,
                                                         std::string text,
                                                         std::map<std::string, std::string> columns);

}  // namespace tiderace::python
