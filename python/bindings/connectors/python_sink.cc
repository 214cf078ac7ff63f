#include "connectors/python_sink.h"

#include <fmt/format.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include "api/table_internal.h"
#include "base/error.h"
#include "columnar/describe.h"
#include "exceptions.h"
#include "held.h"

namespace tiderace::python {
namespace {

/// What the writers of one sink share.
struct Target {
  Held open;
  Held write;
  std::string text;
  std::map<std::string, std::string> columns;
  std::mutex mutex;  ///< one call at a time
};

/// Numbers are one family: an Arrow column holds ints and floats as floats.
Kind family(Kind kind) noexcept {
  return kind == Kind::float64 ? Kind::int64 : kind;
}

class PythonSinkWriter final : public SinkWriter {
  template <class Call>
  auto translated(const Held& function, const Call& call) {
    try {
      return call(function.get());
    } catch (nb::python_error& error) {
      const bool away = error.matches(nb::module_::import_("tiderace.errors").attr("SinkUnavailable"));
      const std::string what = target_->text + ": " + describe_exception(error, function.get());
      if (away) throw SinkLost(what);
      throw Error(ErrorKind::config, what);
    } catch (const nb::cast_error&) {
      throw Error(ErrorKind::config,
                  target_->text + ": open() has to return a dict from (topic, partition) to the next offset");
    }
  }

 public:
  PythonSinkWriter(std::shared_ptr<Target> target, SinkContext context)
      : target_(std::move(target)), context_(std::move(context)) {}

  std::vector<std::optional<std::int64_t>> open(std::span<const SinkPartition> partitions) override {
    const std::lock_guard lock(target_->mutex);
    const nb::gil_scoped_acquire gil;
    return translated(target_->open, [&](nb::handle function) {
      nb::list asked;
      for (const SinkPartition& each : partitions) asked.append(nb::make_tuple(each.topic, each.partition));
      const auto told = nb::cast<nb::dict>(function(context_.group, asked));
      std::vector<std::optional<std::int64_t>> offsets;
      for (const SinkPartition& each : partitions) {
        const nb::tuple key = nb::make_tuple(each.topic, each.partition);
        offsets.push_back(told.contains(key) ? std::optional(nb::cast<std::int64_t>(told[key]))
                                             : std::nullopt);
      }
      return offsets;
    });
  }

  void take(SinkRows rows, RowErrors& errors) override {
    add_record_columns(rows);
    for (const NamedColumn& named : rows.columns) check_kinds(named, errors);
    const std::size_t size = rows.offsets.size();
    if (!errors.empty()) {
      const std::vector<std::uint32_t> good = errors.good_rows(size);
      for (NamedColumn& named : rows.columns) named.column = named.column.take(good);
      rows.offsets.resize(good.size());  // only their number counts from here on
    }
    rows.owner.reset();
    rows.keys.clear();
    rows.event_time_ns.clear();
    if (!rows.offsets.empty()) taken_[rows.partition].push_back(std::move(rows));
  }
  void hand_over() override { handed_over_ = std::exchange(taken_, {}); }

  void commit(std::span<const SinkCommit> offsets) override {
    const std::lock_guard lock(target_->mutex);
    const nb::gil_scoped_acquire gil;
    translated(target_->write, [&](nb::handle function) {
      nb::list parts;
      for (const SinkCommit& each : offsets) {
        const nb::object from = each.from ? nb::cast(*each.from) : nb::none();
        parts.append(nb::make_tuple(each.partition.topic, each.partition.partition, from, each.to,
                                    table_of(each.partition)));
      }
      function(context_.group, parts);
    });
    handed_over_.clear();
  }
  void abort() noexcept override {
    taken_.clear();
    handed_over_.clear();
  }

 private:
  [[nodiscard]] std::string column_called(const char* of) const {
    const auto found = target_->columns.find(of);
    return found == target_->columns.end() ? std::string() : found->second;
  }

  void add_record_columns(SinkRows& rows) const {
    const std::size_t size = rows.offsets.size();
    const auto add = [&](const char* of, const auto& set) {
      const std::string name = column_called(of);
      if (name.empty()) return;
      ColumnBuilder column(size);
      for (std::size_t i = 0; i < size; ++i) set(column, i);
      rows.columns.insert(rows.columns.begin(), {name, Column(std::move(column))});
    };
    add("offset", [&](ColumnBuilder& column, std::size_t i) { column.set_int64(i, rows.offsets[i]); });
    add("partition",
        [&](ColumnBuilder& column, std::size_t i) { column.set_int64(i, rows.partition.partition); });
    add("topic", [&](ColumnBuilder& column, std::size_t i) {
      column.set_text(i, Kind::string, rows.partition.topic);
    });
    add("event_time",
        [&](ColumnBuilder& column, std::size_t i) { column.set_int64(i, rows.event_time_ns[i]); });
    add("key", [&](ColumnBuilder& column, std::size_t i) {
      if (rows.keys[i])
        column.set_text(i, Kind::string, *rows.keys[i]);
      else
        column.set_null(i);
    });
  }

  /// A column holds one kind, that of the first value that was met, numbers being one.
  void check_kinds(const NamedColumn& named, RowErrors& errors) {
    const KindMask mask = named.column.mask();
    if (mask == 0) return;
    const auto known = kinds_.find(named.name);
    if (known != kinds_.end() && (mask == mask_of(known->second))) return;
    for (std::size_t i = 0; i < named.column.size(); ++i) {
      if (named.column.is_null(i)) continue;
      const Kind kind = family(named.column.kind(i));
      const Kind wanted = kinds_.emplace(named.name, kind).first->second;
      if (kind == wanted) continue;
      errors.add(
          i, BadRowKind::type,
          fmt::format("column {}: wanted {}, as the rows before it have, found {}; convert it with astype",
                      quoted(named.name), wanted == Kind::int64 ? "a number" : to_string(wanted),
                      describe(named.column, i)));
    }
  }

  [[nodiscard]] Table table_of(const SinkPartition& partition) const {
    const auto found = handed_over_.find(partition);
    if (found == handed_over_.end()) return Table();
    std::vector<std::string> names;
    std::size_t size = 0;
    for (const SinkRows& rows : found->second) {
      size += rows.offsets.size();
      for (const NamedColumn& named : rows.columns) {
        if (std::find(names.begin(), names.end(), named.name) == names.end()) names.push_back(named.name);
      }
    }
    std::vector<NamedColumn> columns;
    for (const std::string& name : names) {
      ColumnAppender appender(size);
      for (const SinkRows& rows : found->second) {
        const auto own = std::find_if(rows.columns.begin(), rows.columns.end(),
                                      [&](const NamedColumn& named) { return named.name == name; });
        appender.append(own == rows.columns.end() ? Column::nulls(rows.offsets.size()) : own->column);
      }
      columns.push_back({name, appender.finish()});
    }
    return TableAccess::make(std::move(columns), size);
  }

  std::shared_ptr<Target> target_;
  SinkContext context_;
  std::map<std::string, Kind> kinds_;  ///< by column, of all that was taken
  std::map<SinkPartition, std::vector<SinkRows>> taken_;
  std::map<SinkPartition, std::vector<SinkRows>> handed_over_;
};

class PythonSink final : public SinkConnector {
 public:
  PythonSink(std::shared_ptr<Target> target, std::string name)
      : target_(std::move(target)), name_(std::move(name)) {}
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::string text() const override { return target_->text; }
  [[nodiscard]] std::unique_ptr<SinkWriter> writer(const SinkContext& context) const override {
    return std::make_unique<PythonSinkWriter>(target_, context);
  }

 private:
  std::shared_ptr<Target> target_;
  std::string name_;
};

}  // namespace

std::shared_ptr<SinkConnector> python_sink(nb::object open, nb::object write, std::string name,
                                           std::string text, std::map<std::string, std::string> columns) {
  auto target = std::shared_ptr<Target>(
      new Target{Held(std::move(open)), Held(std::move(write)), std::move(text), std::move(columns), {}});
  return std::make_shared<PythonSink>(std::move(target), std::move(name));
}

}  // namespace tiderace::python
