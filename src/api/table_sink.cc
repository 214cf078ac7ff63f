#include "api/table_sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "api/table_internal.h"
#include "base/error.h"
#include "columnar/describe.h"
#include "connectors/column_kinds.h"
#include "expr/text/utf8.h"

namespace tiderace {
namespace {

/// What the writers of one sink share.
struct Target {
  std::shared_ptr<TableSink> sink;
  bool folds_case = false;
  std::mutex mutex;  ///< one call at a time
};

class TableSinkWriter final : public SinkWriter {
  template <class Call>
  static auto translated(const Call& call) {
    try {
      return call();
    } catch (const SinkUnavailable& away) {
      throw SinkLost(away.what());
    }
  }

 public:
  TableSinkWriter(std::shared_ptr<Target> target, CustomSinkOptions options, SinkContext context)
      : target_(std::move(target)), options_(std::move(options)), context_(std::move(context)) {}

  std::vector<std::optional<std::int64_t>> open(std::span<const SinkPartition> partitions) override {
    std::vector<InputPartition> asked;
    for (const SinkPartition& each : partitions) asked.push_back({each.topic, each.partition});
    std::map<std::string, std::string> kinds;
    const auto offsets = [&] {
      const std::lock_guard lock(target_->mutex);
      return translated([&] {
        auto found = target_->sink->open(context_.group, asked);
        kinds = target_->sink->kinds();
        return found;
      });
    }();
    if (offsets.size() != asked.size())
      throw_error(ErrorKind::config,
                  "a sink's open: wanted an offset, or none, for each of {} partitions, found {}",
                  asked.size(), offsets.size());
    const std::lock_guard lock(kinds_mutex_);
    tell(folded_names(kinds));
    return offsets;
  }

  void take(SinkRows rows, RowErrors& errors) override {
    check_keys(rows, errors);
    add_record_columns(rows);
    if (target_->folds_case) rows.columns = folded(std::move(rows.columns), errors);
    const std::size_t size = rows.offsets.size();
    judge(rows.columns, size, errors);
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
  void hand_over() override {
    handed_over_ = std::exchange(taken_, {});
    const std::lock_guard lock(kinds_mutex_);
    handed_over_kinds_ = kinds_;
  }

  void commit(std::span<const SinkCommit> offsets) override {
    std::vector<SinkPart> parts;
    for (const SinkCommit& each : offsets)
      parts.push_back(
          {{each.partition.topic, each.partition.partition}, each.from, each.to, table_of(each.partition)});
    {
      const std::lock_guard lock(target_->mutex);
      translated([&] { target_->sink->write(context_.group, parts); });
    }
    handed_over_.clear();
    const std::lock_guard lock(kinds_mutex_);
    stored_kinds_ = handed_over_kinds_;
  }
  void abort() noexcept override {
    taken_.clear();
    handed_over_.clear();
    const std::lock_guard lock(kinds_mutex_);
    kinds_ = stored_kinds_;
    rows_on_their_way_ = ColumnKinds::OnTheirWay::none;
  }

 private:
  /// What the sink has. Where rows are on their way, what they need is not forgotten.
  void tell(const std::map<std::string, std::string>& kinds) {
    stored_kinds_.tell(kinds, ColumnKinds::OnTheirWay::none);
    for (ColumnKinds* each : {&kinds_, &handed_over_kinds_}) {
      if (rows_on_their_way_ == ColumnKinds::OnTheirWay::none)
        *each = stored_kinds_;
      else
        each->tell(kinds, ColumnKinds::OnTheirWay::some);
    }
  }
  void add_record_columns(SinkRows& rows) const {
    const std::size_t size = rows.offsets.size();
    const auto add = [&](const std::string& name, const auto& set) {
      if (name.empty()) return;
      ColumnBuilder column(size);
      for (std::size_t i = 0; i < size; ++i) set(column, i);
      rows.columns.insert(rows.columns.begin(), {name, Column(std::move(column))});
    };
    add(options_.offset_column,
        [&](ColumnBuilder& column, std::size_t i) { column.set_int64(i, rows.offsets[i]); });
    add(options_.partition_column,
        [&](ColumnBuilder& column, std::size_t i) { column.set_int64(i, rows.partition.partition); });
    add(options_.topic_column, [&](ColumnBuilder& column, std::size_t i) {
      column.set_text(i, Kind::string, rows.partition.topic);
    });
    add(options_.event_time_column,
        [&](ColumnBuilder& column, std::size_t i) { column.set_int64(i, rows.event_time_ns[i]); });
    add(options_.key_column, [&](ColumnBuilder& column, std::size_t i) {
      if (rows.keys[i])
        column.set_text(i, Kind::string, *rows.keys[i]);
      else
        column.set_null(i);
    });
  }

  /// A key is bytes, a column of keys text.
  void check_keys(const SinkRows& rows, RowErrors& errors) const {
    if (options_.key_column.empty()) return;
    for (std::size_t i = 0; i < rows.keys.size(); ++i) {
      if (!rows.keys[i] || is_utf8(*rows.keys[i])) continue;
      errors.add(i, BadRowKind::type,
                 fmt::format("column {}: wanted a key that is UTF-8, found {} bytes that are none",
                             quoted(options_.key_column), rows.keys[i]->size()));
    }
  }

  [[nodiscard]] std::map<std::string, std::string> folded_names(
      const std::map<std::string, std::string>& kinds) const {
    if (!target_->folds_case) return kinds;
    std::map<std::string, std::string> all;
    for (const auto& [name, kind] : kinds) all[folded_name(name)] = kind;
    return all;
  }

  void judge(const std::vector<NamedColumn>& columns, std::size_t size, RowErrors& errors) {
    const std::lock_guard lock(kinds_mutex_);
    rows_on_their_way_ = ColumnKinds::OnTheirWay::some;
    if (!target_->folds_case) return kinds_.judge(columns, size, errors);
    std::vector<NamedColumn> called = columns;
    for (NamedColumn& named : called) named.name = folded_name(named.name);
    kinds_.judge(called, size, errors);
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
  const CustomSinkOptions options_;
  const SinkContext context_;
  std::mutex kinds_mutex_;  ///< for what follows: `take` comes beside the calls of the other thread
  ColumnKinds kinds_;       ///< of all that was taken
  ColumnKinds handed_over_kinds_;
  ColumnKinds stored_kinds_;
  ColumnKinds::OnTheirWay rows_on_their_way_ = ColumnKinds::OnTheirWay::none;  ///< since the last abort
  std::map<SinkPartition, std::vector<SinkRows>> taken_;
  std::map<SinkPartition, std::vector<SinkRows>> handed_over_;
};

class TableSinkConnector final : public SinkConnector {
 public:
  TableSinkConnector(std::string name, std::string text, std::shared_ptr<TableSink> sink,
                     CustomSinkOptions options, bool folds_case)
      : name_(std::move(name)), text_(std::move(text)), options_(std::move(options)) {
    if (name_.empty()) throw Error(ErrorKind::config, text_ + ": a sink wants a name");
    target_->sink = std::move(sink);
    target_->folds_case = folds_case;
  }
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::string text() const override { return text_; }
  [[nodiscard]] std::vector<std::string> record_columns() const override {
    return {options_.key_column, options_.event_time_column, options_.topic_column, options_.partition_column,
            options_.offset_column};
  }
  [[nodiscard]] std::unique_ptr<SinkWriter> writer(const SinkContext& context) const override {
    return std::make_unique<TableSinkWriter>(target_, options_, context);
  }

 private:
  std::string name_;
  std::string text_;
  CustomSinkOptions options_;
  std::shared_ptr<Target> target_ = std::make_shared<Target>();
};

}  // namespace

std::shared_ptr<SinkConnector> table_sink(std::string name, std::string text, std::shared_ptr<TableSink> sink,
                                          CustomSinkOptions options, bool folds_case) {
  return std::make_shared<TableSinkConnector>(std::move(name), std::move(text), std::move(sink),
                                              std::move(options), folds_case);
}

CustomSink::CustomSink(const std::string& name, std::shared_ptr<TableSink> sink,
                       const CustomSinkOptions& options)
    : Sink(table_sink(name, fmt::format("tr.CustomSink({})", quoted(name)), std::move(sink), options)) {}

}  // namespace tiderace
