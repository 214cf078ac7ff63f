#include <fmt/format.h>
#include <tiderace/source.h>

#include "api/application_state.h"
#include "api/table_internal.h"
#include "arguments.h"
#include "arrow_capsule.h"
#include "base/error.h"
#include "bindings.h"
#include "connectors/files/file_sources.h"
#include "connectors/postgres/postgres_source.h"
#include "connectors/source_rows.h"
#include "exceptions.h"
#include "held.h"

namespace tiderace::python {
namespace {

/// A source as Python holds it.
struct SourceHandle {
  std::shared_ptr<SourceConnector> source;
};

/// Reads an iterator of Arrow tables.
class PythonReader final : public SourceReader {
 public:
  PythonReader(const Held& open, const SourceOptions& options, const std::string& text)
      : maker_(options, text), text_(text) {
    const nb::gil_scoped_acquire gil;
    translated(open.get(), [&] { tables_ = std::make_unique<Held>(nb::iter(open.get()())); });
  }

  std::optional<SourceRows> next() override {
    for (;;) {
      std::vector<NamedColumn> columns;
      {
        const nb::gil_scoped_acquire gil;
        bool more = true;
        translated(tables_->get(), [&] {
          const nb::object table = nb::steal(PyIter_Next(tables_->get().ptr()));
          if (!table.is_valid() && PyErr_Occurred() != nullptr) nb::raise_python_error();
          more = table.is_valid();
          if (more) columns = TableAccess::columns(from_capsule(table));
        });
        if (!more) return std::nullopt;
      }
      if (first_) {
        std::vector<std::string> names;
        for (const NamedColumn& named : columns) names.push_back(named.name);
        maker_.require_columns(names);
        first_ = false;
      }
      if (!columns.empty() && columns.front().column.size() > 0) return maker_.of_columns(columns);
    }
  }

 private:
  template <class Call>
  void translated(nb::handle function, const Call& call) {
    try {
      call();
    } catch (nb::python_error& error) {
      throw Error(ErrorKind::config, text_ + ": " + describe_connector_error(error, function));
    } catch (const Error& error) {
      throw Error(ErrorKind::config, text_ + ": " + error.what());
    }
  }

  SourceRowMaker maker_;
  std::string text_;
  std::unique_ptr<Held> tables_;
  bool first_ = true;
};

class PythonSource final : public SourceConnector {
 public:
  PythonSource(nb::object open, std::string text, SourceOptions options)
      : open_(std::move(open)), text_(std::move(text)), options_(std::move(options)) {
    check_source(options_, text_);
  }
  [[nodiscard]] std::string name() const override { return options_.name; }
  [[nodiscard]] std::string text() const override { return text_; }
  [[nodiscard]] TopicOptions topic() const override { return source_topic(options_); }
  [[nodiscard]] std::unique_ptr<SourceReader> open(std::function<bool()>) const override {
    return std::make_unique<PythonReader>(open_, options_, text_);
  }

 private:
  Held open_;
  std::string text_;
  SourceOptions options_;
};

SourceOptions options_of(std::optional<std::string> key, std::optional<std::string> timestamp,
                         const std::string& unit, std::map<std::string, std::string> schema, std::string name,
                         int num_partitions, int replication_factor) {
  SourceOptions options;
  options.key = std::move(key);
  options.timestamp = std::move(timestamp);
  options.timestamp_unit = timestamp_unit(unit);
  options.schema = std::move(schema);
  options.name = std::move(name);
  options.num_partitions = num_partitions;
  options.replication_factor = static_cast<std::int16_t>(replication_factor);
  return options;
}

}  // namespace

void bind_sources(nb::module_& module) {
  nb::class_<SourceOptions>(module, "SourceOptions")
      .def(
          "__init__",
          [](SourceOptions* self, std::optional<std::string> key, std::optional<std::string> timestamp,
             const std::string& unit, std::map<std::string, std::string> schema, std::string name,
             int num_partitions, int replication_factor) {
            new (self) SourceOptions(options_of(std::move(key), std::move(timestamp), unit, std::move(schema),
                                                std::move(name), num_partitions, replication_factor));
          },
          nb::arg("key").none(), nb::arg("timestamp").none(), nb::arg("timestamp_unit"), nb::arg("schema"),
          nb::arg("name"), nb::arg("num_partitions"), nb::arg("replication_factor"));
  nb::class_<SourceHandle>(module, "Source")
      .def("__repr__", [](const SourceHandle& self) { return self.source->text(); })
      .def_prop_ro("name", [](const SourceHandle& self) { return self.source->name(); })
      .def(
          "dataframe",
          [](const SourceHandle& self, Application& app, std::optional<double> replay_speed) {
            return ApplicationAccess::state(app)->dataframe(self.source, replay_speed);
          },
          nb::arg("application"), nb::arg("replay_speed").none());
  module.def("csv_source", [](const std::string& path, const SourceOptions& options) {
    return SourceHandle{csv_source(path, options)};
  });
  module.def("ndjson_source", [](const std::string& path, const SourceOptions& options) {
    return SourceHandle{ndjson_source(path, options)};
  });
  module.def("postgres_source",
             [](const std::string& url, const std::string& query, const SourceOptions& options) {
               return SourceHandle{postgres_source(url, query, options)};
             });
  module.def(
      "python_source",
      [](nb::object open, std::string text, const SourceOptions& options) {
        return SourceHandle{std::make_shared<PythonSource>(std::move(open), std::move(text), options)};
      },
      nb::arg("open"), nb::arg("text"), nb::arg("options"),
      nb::sig("def python_source(open: object, text: str, options: SourceOptions) -> Source"));
  module.def("source_name", &source_name);
}

}  // namespace tiderace::python
