#include <nanobind/ndarray.h>
#include <tiderace/application.h>

#include <new>
#include <utility>

#include "api/application_state.h"
#include "api/backtest.h"
#include "api/table_internal.h"
#include "arguments.h"
#include "bindings.h"
#include "runtime/progress.h"
#include "table.h"

namespace tiderace::python {
namespace {

/// `print()` writes where Python does, so that notebooks show it.
void write_to_standard_output(std::string_view text) {
  const nb::gil_scoped_acquire gil;
  const nb::object out = nb::module_::import_("sys").attr("stdout");
  if (out.is_none()) return;
  out.attr("write")(nb::str(text.data(), text.size()));
  out.attr("flush")();
}

void construct(Application* self, std::string broker_address, std::string consumer_group,
               const std::string& reset, const std::string& guarantee, nb::handle commit_interval,
               std::string state_dir, nb::handle policy, int workers, const KafkaSecurity* security,
               std::map<std::string, std::string> consumer_config,
               std::map<std::string, std::string> producer_config, std::string dead_letter_topic,
               nb::handle state_ttl, nb::handle group_lock_timeout, const std::string& sync,
               std::size_t max_state_memory, std::string group_instance_id, const std::string& lost_offset,
               std::size_t max_memory, int metrics_port, std::string metrics_address,
               nb::handle health_timeout, int standby_replicas, std::string compression, nb::handle linger) {
  ApplicationOptions options;
  options.broker_address = std::move(broker_address);
  options.consumer_group = std::move(consumer_group);
  options.auto_offset_reset = auto_offset_reset("auto_offset_reset", reset);
  options.processing_guarantee = processing_guarantee(guarantee);
  options.commit_interval = optional_duration(commit_interval, "commit_interval");
  options.state_dir = std::move(state_dir);
  options.on_error = on_error(policy);
  options.workers = workers;
  if (security != nullptr) options.security = *security;
  options.consumer_config = std::move(consumer_config);
  options.producer_config = std::move(producer_config);
  options.dead_letter_topic = std::move(dead_letter_topic);
  options.state_ttl = optional_duration(state_ttl, "state_ttl");
  options.group_lock_timeout = duration(group_lock_timeout, "group_lock_timeout");
  options.durability = durability(sync);
  options.max_state_memory = max_state_memory;
  options.group_instance_id = std::move(group_instance_id);
  options.on_lost_offset = on_lost_offset(lost_offset);
  options.max_memory = max_memory;
  options.metrics_port = metrics_port;
  options.metrics_address = std::move(metrics_address);
  options.health_timeout = duration(health_timeout, "health_timeout");
  options.standby_replicas = standby_replicas;
  options.compression = std::move(compression);
  options.linger = duration(linger, "linger");
  new (self) Application(std::move(options));
  ApplicationAccess::state(*self)->print = write_to_standard_output;
}

TopicHandle topic(Application& self, const std::string& name, std::optional<std::string> timestamp,
                  const std::string& unit, nb::handle max_ahead, std::map<std::string, std::string> schema,
                  std::string value_deserializer, nb::handle policy, std::uint32_t max_record_bytes,
                  int max_depth, int num_partitions, int replication_factor, std::int64_t retention_ms,
                  std::int64_t retention_bytes, bool compacted) {
  TopicOptions options;
  options.timestamp = std::move(timestamp);
  options.timestamp_unit = timestamp_unit(unit);
  options.max_ahead = optional_duration(max_ahead, "max_ahead");
  options.schema = std::move(schema);
  options.value_deserializer = std::move(value_deserializer);
  if (!policy.is_none()) options.on_error = on_error(policy);
  options.max_record_bytes = max_record_bytes;
  options.max_depth = max_depth;
  options.num_partitions = num_partitions;
  options.replication_factor = replication_factor;
  options.retention_ms = retention_ms;
  options.retention_bytes = retention_bytes;
  options.compacted = compacted;
  return {self.topic(name, std::move(options))};
}

Summary run(Application& self, bool until_end, nb::handle timeout, std::optional<std::uint64_t> count) {
  const RunOptions options{until_end, optional_duration(timeout, "timeout"), count};
  const nb::gil_scoped_release release;
  return self.run(options);
}

/// What a backtest gave, for the front end to put together with columns that it did not touch.
struct Backtest {
  BacktestResult result;
  Table input;

  [[nodiscard]] Table table() const { return to_table(result, input); }

  /// The columns that were computed.
  [[nodiscard]] Table computed() const {
    std::vector<NamedColumn> columns;
    for (const BacktestResult::Field& field : result.fields) {
      if (field.column) columns.push_back({field.name, *field.column});
    }
    return TableAccess::make(std::move(columns), result.rows.size());
  }

  /// Name and, of those that are the input's own, the input's name.
  [[nodiscard]] std::vector<std::pair<std::string, std::optional<std::string>>> fields() const {
    const std::vector<std::string> names = input.column_names();
    std::vector<std::pair<std::string, std::optional<std::string>>> fields;
    for (const BacktestResult::Field& field : result.fields) {
      fields.emplace_back(field.name,
                          field.column ? std::optional<std::string>() : names[field.table_column]);
    }
    return fields;
  }
};

nb::ndarray<nb::numpy, const std::uint32_t> rows_of(nb::object self) {
  const auto& rows = nb::cast<Backtest&>(self).result.rows;
  return {rows.data(), {rows.size()}, self};
}

/// Lets Ctrl-C end a backtest: Python's own handler only notes it.
void meet_signals() {
  const nb::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() != 0) nb::raise_python_error();
}

Backtest backtest(Application& self, const plan::Frame& frame, const InputTable& data,
                  std::optional<std::string> key, std::optional<std::string> timestamp,
                  std::size_t batch_rows, bool progress) {
  BacktestRequest request{data.table, data.bad, std::move(key), std::move(timestamp),
                          batch_rows, progress, meet_signals};
  const nb::gil_scoped_release release;
  name_columns_of_nothing(frame, request);
  return {tiderace::backtest(*ApplicationAccess::state(self), frame, request), request.table};
}

}  // namespace

void draw_progress_in_notebook() {
  set_progress_output([](std::string_view text) {
    const nb::gil_scoped_acquire gil;
    const nb::object error = nb::module_::import_("sys").attr("stderr");
    if (error.is_none()) return;
    error.attr("write")(nb::str(text.data(), text.size()));
    error.attr("flush")();
  });
}

void bind_application(nb::module_& module) {
  nb::class_<Backtest>(module, "Backtest")
      .def_prop_ro("is_documents", [](const Backtest& self) { return self.result.is_documents; })
      .def_prop_ro("fields", &Backtest::fields)
      .def_prop_ro("rows", &rows_of, nb::sig("def rows(self) -> typing.Any"))
      .def("table", &Backtest::table)
      .def("computed", &Backtest::computed);
  nb::class_<Application>(module, "Application")
      .def("__init__", &construct, nb::arg("broker_address"), nb::arg("consumer_group"),
           nb::arg("auto_offset_reset"), nb::arg("processing_guarantee"), nb::arg("commit_interval").none(),
           nb::arg("state_dir"), nb::arg("on_error").none(), nb::arg("workers"), nb::arg("security").none(),
           nb::arg("consumer_config"), nb::arg("producer_config"), nb::arg("dead_letter_topic"),
           nb::arg("state_ttl").none(), nb::arg("group_lock_timeout"), nb::arg("durability"),
           nb::arg("max_state_memory"), nb::arg("group_instance_id"), nb::arg("on_lost_offset"),
           nb::arg("max_memory"), nb::arg("metrics_port"), nb::arg("metrics_address"),
           nb::arg("health_timeout"), nb::arg("standby_replicas"), nb::arg("compression"), nb::arg("linger"),
           nb::sig("def __init__(self, broker_address: str, consumer_group: str, auto_offset_reset: str, "
                   "processing_guarantee: str, commit_interval: object, state_dir: str, on_error: object, "
                   "workers: int, security: KafkaSecurity | None, consumer_config: dict[str, str], "
                   "producer_config: dict[str, str], "
                   "dead_letter_topic: str, state_ttl: object, group_lock_timeout: object, durability: str, "
                   "max_state_memory: int, group_instance_id: str, on_lost_offset: str, max_memory: int, "
                   "metrics_port: int, metrics_address: str, health_timeout: object, "
                   "standby_replicas: int, compression: str, linger: object) -> None"))
      .def(
          "topic", &topic, nb::arg("name"), nb::arg("timestamp").none(), nb::arg("timestamp_unit"),
          nb::arg("max_ahead").none(), nb::arg("schema"), nb::arg("value_deserializer"),
          nb::arg("on_error").none(), nb::arg("max_record_bytes"), nb::arg("max_depth"),
          nb::arg("num_partitions"), nb::arg("replication_factor"), nb::arg("retention_ms"),
          nb::arg("retention_bytes"), nb::arg("compacted"),
          nb::sig("def topic(self, name: str, timestamp: str | None, timestamp_unit: str, max_ahead: object, "
                  "schema: dict[str, str], value_deserializer: str, on_error: object, max_record_bytes: int, "
                  "max_depth: int, num_partitions: int, replication_factor: int, retention_ms: int, "
                  "retention_bytes: int, compacted: bool) -> Topic"))
      .def("create_topics", &Application::create_topics, nb::call_guard<nb::gil_scoped_release>())
      .def("dataframe",
           [](Application& self, const TopicHandle& from) {
             return ApplicationAccess::state(self)->pipeline->dataframe(from.topic);
           })
      .def("run", &run, nb::arg("until_end"), nb::arg("timeout").none(), nb::arg("count").none(),
           nb::sig("def run(self, until_end: bool, timeout: object, count: int | None) -> Summary"))
      .def("stop", &Application::stop)
      .def("explain", &Application::explain)
      .def_prop_ro("summary", &Application::summary)
      .def("backtest", &backtest, nb::arg("frame"), nb::arg("data"), nb::arg("key").none(),
           nb::arg("timestamp").none(), nb::arg("batch_rows"), nb::arg("progress"));
}

}  // namespace tiderace::python
