#include "connectors/python_sink.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>

#include <utility>
#include <vector>

#include "api/table_sink.h"
#include "base/error.h"
#include "exceptions.h"
#include "held.h"

namespace tiderace::python {
namespace {

class PythonSink final : public TableSink {
  template <class Call>
  auto translated(const Held& function, const char* wanted, const Call& call) {
    const nb::gil_scoped_acquire gil;
    try {
      return call(function.get());
    } catch (nb::python_error& error) {
      const bool away = error.matches(nb::module_::import_("tiderace.errors").attr("SinkUnavailable"));
      const std::string what = text_ + ": " + describe_connector_error(error, function.get());
      if (away) throw SinkUnavailable(what);
      throw Error(ErrorKind::config, what);
    } catch (const nb::cast_error&) {
      throw Error(ErrorKind::config, text_ + ": " + wanted);
    }
  }

 public:
  PythonSink(PythonSinkCalls calls, std::string text)
      : open_(std::move(calls.open)),
        write_(std::move(calls.write)),
        kinds_(std::move(calls.kinds)),
        text_(std::move(text)) {}

  std::vector<std::optional<std::int64_t>> open(const std::string& group,
                                                std::span<const InputPartition> partitions) override {
    const char* wanted = "open() has to return a dict from (topic, partition) to the next offset";
    return translated(open_, wanted, [&](nb::handle function) {
      nb::list asked;
      for (const InputPartition& each : partitions) asked.append(nb::make_tuple(each.topic, each.partition));
      const auto told = nb::cast<nb::dict>(function(group, asked));
      std::vector<std::optional<std::int64_t>> offsets;
      for (const InputPartition& each : partitions) {
        const nb::tuple key = nb::make_tuple(each.topic, each.partition);
        offsets.push_back(told.contains(key) ? std::optional(nb::cast<std::int64_t>(told[key]))
                                             : std::nullopt);
      }
      return offsets;
    });
  }

  std::map<std::string, std::string> kinds() override {
    return translated(kinds_, "kinds() has to return a dict from names to kinds", [](nb::handle function) {
      return nb::cast<std::map<std::string, std::string>>(function());
    });
  }

  void write(const std::string& group, std::span<const SinkPart> parts) override {
    translated(write_, "write() was given what it does not take", [&](nb::handle function) {
      nb::list given;
      for (const SinkPart& part : parts) {
        const nb::object begin = part.begin ? nb::cast(*part.begin) : nb::none();
        given.append(
            nb::make_tuple(part.partition.topic, part.partition.partition, begin, part.end, part.table));
      }
      function(group, given);
    });
  }

 private:
  Held open_;
  Held write_;
  Held kinds_;
  std::string text_;
};

}  // namespace

std::shared_ptr<SinkConnector> python_sink(PythonSinkCalls calls, std::string name, std::string text,
                                           std::map<std::string, std::string> columns, bool folds_case) {
  auto sink = std::make_shared<PythonSink>(std::move(calls), text);
  return table_sink(std::move(name), std::move(text), std::move(sink),
                    {.key_column = columns["key"],
                     .event_time_column = columns["event_time"],
                     .topic_column = columns["topic"],
                     .partition_column = columns["partition"],
                     .offset_column = columns["offset"]},
                    folds_case);
}

}  // namespace tiderace::python
