#include <tiderace/options.h>

#include "bindings.h"
#include "plan/text.h"
#include "python_to_json.h"

namespace tiderace::python {
namespace {

nb::object optional_text(const std::optional<std::string>& text) {
  return text ? str_or_bytes(*text) : nb::none();
}

void bind_bad_row(nb::module_& module) {
  nb::class_<BadRow>(module, "BadRow",
                     "One row that could not be processed: what is wrong with it, and where it was found.")
      .def_prop_ro(
          "kind", [](const BadRow& row) { return to_string(row.kind); },
          "`parse`, `type`, `range`, `timestamp`, `key`, `function`, `model` or `too_large`.")
      .def_prop_ro(
          "step", [](const BadRow& row) { return str_or_bytes(row.step); }, nb::sig("def step(self) -> str"),
          "The step that met it, as `app.explain()` prints it.")
      .def_ro("topic", &BadRow::topic, "Empty in a backtest.")
      .def_ro("partition", &BadRow::partition)
      .def_ro("offset", &BadRow::offset, "The number of the row, in a backtest.")
      .def_prop_ro(
          "key", [](const BadRow& row) { return optional_text(row.key); },
          nb::sig("def key(self) -> str | bytes | None"), "The record's key; bytes where it is not UTF-8.")
      .def_prop_ro(
          "value",
          [](const BadRow& row) {
            return row.value ? nb::object(nb::bytes(row.value->data(), row.value->size())) : nb::none();
          },
          nb::sig("def value(self) -> bytes | None"), "The record's own bytes.")
      .def_prop_ro(
          "message", [](const BadRow& row) { return str_or_bytes(row.message); },
          nb::sig("def message(self) -> str"), "What was wanted and what was found.")
      .def(
          "__repr__", [](const BadRow& row) { return str_or_bytes(row.to_string()); },
          nb::sig("def __repr__(self) -> str"));
}

void bind_summary(nb::module_& module) {
  nb::class_<Summary>(module, "Summary", "What a run or a backtest did; prints well.")
      .def_ro("rows_in", &Summary::rows_in, "Records read.")
      .def_ro("rows_out", &Summary::rows_out, "Rows written to topics; of a backtest, rows returned.")
      .def_ro("filtered", &Summary::filtered, "Rows that a filter took out.")
      .def_ro("bad", &Summary::bad, "Rows that could not be processed, under every policy.")
      .def_ro("late", &Summary::late, "Rows that were late at one step or more.")
      .def_ro("not_finite", &Summary::not_finite, "Infinities written as null.")
      .def_ro("seconds", &Summary::seconds)
      .def_ro("latency_p50_ms", &Summary::latency_p50_ms)
      .def_ro("latency_p99_ms", &Summary::latency_p99_ms)
      .def_ro("latency_max_ms", &Summary::latency_max_ms)
      .def("__repr__", &Summary::to_string);
}

}  // namespace

void bind_values(nb::module_& module) {
  bind_bad_row(module);
  bind_summary(module);
  nb::class_<TopicHandle>(module, "Topic", "A topic and how its rows are read, as `app.topic` returns it.")
      .def_prop_ro("name", [](const TopicHandle& self) { return self.topic->name; })
      .def("__repr__", [](const TopicHandle& self) { return to_text(*self.topic); });
}

}  // namespace tiderace::python
