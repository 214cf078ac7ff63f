#include <tiderace/sink.h>

#include "arguments.h"
#include "bindings.h"
#include "connectors/postgres/postgres_sink.h"
#include "connectors/python_sink.h"
#include "exceptions.h"

namespace tiderace::python {
namespace {

SinkHandle make_postgres_sink(const std::string& url, const std::string& table, const std::string& name,
                              const std::map<std::string, std::string>& columns, bool hypertable,
                              nb::handle timeout) {
  const auto column = [&](const char* of) {
    const auto found = columns.find(of);
    return found == columns.end() ? std::string() : found->second;
  };
  PostgresSinkOptions options;
  options.table = table;
  options.name = name;
  options.key_column = column("key");
  options.event_time_column = column("event_time");
  options.topic_column = column("topic");
  options.partition_column = column("partition");
  options.offset_column = column("offset");
  options.hypertable = hypertable;
  options.timeout = duration(timeout, "tr.PostgresSink: timeout");
  return {postgres_sink(url, options)};
}

}  // namespace

void bind_sinks(nb::module_& module) {
  nb::class_<SinkHandle>(module, "Sink").def("__repr__", [](const SinkHandle& self) {
    return self.sink->text();
  });
  module.def(
      "postgres_sink", &make_postgres_sink, nb::arg("url"), nb::arg("table"), nb::arg("name"),
      nb::arg("columns"), nb::arg("hypertable"), nb::arg("timeout"),
      nb::sig("def postgres_sink(url: str, table: str, name: str, columns: dict[str, str], hypertable: "
              "bool, timeout: object) -> Sink"));
  module.def(
      "python_sink",
      [](nb::object open, nb::object write, nb::object kinds, std::string name, std::string text,
         std::map<std::string, std::string> columns, bool folds_case) {
        return SinkHandle{python_sink({std::move(open), std::move(write), std::move(kinds)}, std::move(name),
                                      std::move(text), std::move(columns), folds_case)};
      },
      nb::arg("open"), nb::arg("write"), nb::arg("kinds"), nb::arg("name"), nb::arg("text"),
      nb::arg("columns"), nb::arg("folds_case"),
      nb::sig("def python_sink(open: object, write: object, kinds: object, name: str, text: str, columns: "
              "dict[str, str], folds_case: bool) -> Sink"));
}

}  // namespace tiderace::python
