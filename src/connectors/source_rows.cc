#include "connectors/source_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/logging.h"
#include "columnar/describe.h"
#include "columnar/event_time.h"
#include "columnar/invalid.h"
#include "formats/json/encoder.h"

namespace tiderace {
namespace {

bool good_in_a_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-';
}

}  // namespace

SourceRowMaker::SourceRowMaker(SourceOptions options, std::string text)
    : options_(std::move(options)), text_(std::move(text)) {
  JsonDecoderOptions decoding;
  decoding.slots = 2;
  if (options_.key) decoding.fields.push_back({{*options_.key}, 0, {}});
  if (options_.timestamp) decoding.fields.push_back({{*options_.timestamp}, 1, {}});
  decoder_ = std::make_unique<JsonDecoder>(std::move(decoding));
}

std::optional<std::string> SourceRowMaker::key_of(const Column& column, std::size_t i, OtherKeys others) {
  switch (column.kind(i)) {
    case Kind::null:
      return std::nullopt;
    case Kind::string:
    case Kind::bytes:
      return std::string(column.text(i));
    case Kind::int64:
      return std::to_string(column.int64(i));
    default:
      break;
  }
  const std::string what =
      fmt::format("{}: row {}: wanted a string or an integer as key in {}, found {}", text_, rows_ + i,
                  tiderace::quoted(*options_.key), describe(column, i));
  if (others == OtherKeys::are_errors) throw Error(ErrorKind::config, what);
  if (!std::exchange(told_, true)) log(LogLevel::warning, "{}; rows like this one have no key", what);
  return std::nullopt;
}

void SourceRowMaker::add_times(const Column& column, std::vector<std::int64_t>& timestamps_ms) const {
  RowErrors errors;  // a row without a time is bad where it is processed
  const std::vector<std::int64_t> times =
      event_times(column, options_.timestamp_unit, *options_.timestamp, errors);
  for (const std::int64_t ns : times) timestamps_ms.push_back(floor_ms(ns));
  for (const RowErrors::Entry& entry : errors.take()) timestamps_ms[entry.row] = -1;
}

SourceRows SourceRowMaker::of_json(std::string text, const std::vector<std::size_t>& ends) {
  return make(std::move(text), ends, OtherKeys::are_none);
}

SourceRows SourceRowMaker::make(std::string text, const std::vector<std::size_t>& ends, OtherKeys others) {
  SourceRows rows;
  text.resize(text.size() + record_padding);
  const auto owner = std::make_shared<const std::string>(std::move(text));
  auto records = std::make_shared<Records>();
  records->padded = true;
  records->owner = owner;
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    rows.values.emplace_back(owner->data() + begin, end - begin);
    Record& record = records->rows.emplace_back();
    record.value = owner->data() + begin;
    record.value_size = static_cast<std::uint32_t>(end - begin);
    begin = end;
  }
  rows.owner = owner;
  rows.keys.resize(rows.size());
  rows.timestamps_ms.assign(rows.size(), -1);
  if (options_.key || options_.timestamp) {
    RowErrors errors;  // what is no JSON is a bad row where it is processed
    const Batch batch = decoder_->decode(records, errors);
    std::vector<std::int64_t> times;
    if (options_.timestamp) add_times(batch.columns[1], times);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (options_.key) rows.keys[batch.rows[i]] = key_of(batch.columns[0], i, others);
      if (options_.timestamp) rows.timestamps_ms[batch.rows[i]] = times[i];
    }
  }
  rows_ += rows.size();
  return rows;
}

void SourceRowMaker::append_value(std::string& text, const NamedColumn& named, std::size_t i) const {
  if (named.column.kind(i) != Kind::invalid) {
    append_json_value(text, named.column, i, NotFinite::as_null);
    return;
  }
  const InvalidView invalid = invalid_view(named.column, i);
  if (invalid.raw.empty())
    throw_error(ErrorKind::config, "{}: row {}: column {}: {}", text_, rows_ + i,
                tiderace::quoted(named.name), invalid.message);
  text += invalid.raw;  // an integer beyond int64 goes on digit by digit, as from one topic to another
}

SourceRows SourceRowMaker::of_columns(const std::vector<NamedColumn>& columns) {
  const std::size_t size = columns.empty() ? 0 : columns.front().column.size();
  std::vector<std::string> prefixes;
  for (const NamedColumn& named : columns) {
    std::string& prefix = prefixes.emplace_back(prefixes.empty() ? "{" : ",");
    append_json_string(prefix, named.name);
    prefix += ':';
  }
  std::string text;
  std::vector<std::size_t> ends;
  ends.reserve(size);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t k = 0; k < columns.size(); ++k) {
      text += prefixes[k];
      append_value(text, columns[k], i);
    }
    text += '}';
    ends.push_back(text.size());
  }
  return make(std::move(text), ends, OtherKeys::are_errors);
}

void SourceRowMaker::require_columns(const std::vector<std::string>& names) const {
  std::set<std::string> known;
  for (const std::string& name : names) {
    if (!known.insert(name).second)
      throw_error(ErrorKind::config, "{}: two columns have the name {}; give one another, as with AS in SQL",
                  text_, tiderace::quoted(name));
  }
  if (options_.key) require("key", *options_.key, names);
  if (options_.timestamp) require("timestamp", *options_.timestamp, names);
}

void SourceRowMaker::require(std::string_view option, const std::string& name,
                             const std::vector<std::string>& names) const {
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  std::string all;
  for (const std::string& each : names) all += (all.empty() ? "" : ", ") + tiderace::quoted(each);
  throw_error(ErrorKind::config, "{}: {}={}: there is no such column; there are {}", text_, option,
              tiderace::quoted(name), all);
}

TopicOptions source_topic(const SourceOptions& options) {
  TopicOptions topic;
  topic.timestamp = options.timestamp;
  topic.timestamp_unit = options.timestamp_unit;
  topic.schema = options.schema;
  topic.num_partitions = options.num_partitions;
  topic.replication_factor = options.replication_factor;
  return topic;
}

void check_source(const SourceOptions& options, const std::string& text) {
  if (options.name.empty() || !std::all_of(options.name.begin(), options.name.end(), good_in_a_name)) {
    throw_error(ErrorKind::config,
                "{}: name={}: wanted letters, digits, '.', '_' and '-', since it is part of its topic's name",
                text, tiderace::quoted(options.name));
  }
  if (options.num_partitions < 1)
    throw_error(ErrorKind::config, "{}: num_partitions={}; wanted at least 1", text, options.num_partitions);
}

std::string source_name(const std::string& path) {
  std::string name = std::filesystem::path(path).stem().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !good_in_a_name(c); }, '-');
  return name;
}

}  // namespace tiderace
