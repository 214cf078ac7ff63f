#include "operators/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "columnar/event_time.h"

namespace tiderace {

JsonDecoderOptions decoder_options(const ResolvedStage& stage, std::size_t reads) {
  JsonDecoderOptions options;
  options.fields = stage.reads[reads].fields;
  options.spans = stage.reads[reads].spans;
  options.slots = stage.slots;
  if (reads == 0) {
    options.max_record_bytes = stage.topic->options.max_record_bytes;
    options.max_depth = stage.topic->options.max_depth;
  }
  return options;
}

RecordReader::RecordReader(const ResolvedStage& stage, KeyTable* keys)
    : stage_(stage), keys_(keys), decoder_(decoder_options(stage, 0)) {}

Batch RecordReader::read(std::shared_ptr<const Records> records, StepReport& report) {
  RowErrors errors;
  Batch batch = decoder_.decode(std::move(records), errors);
  report.bad = errors.take();  // the decoder's rows are records already
  set_event_times(batch, report);
  if (stage_.needs_keys) {
    batch.keys.resize(batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Record& record = batch.raw->records->rows[batch.rows[i]];
      batch.keys[i] = record.key == nullptr ? no_key : keys_->intern(record.key_view());
    }
  }
  return batch;
}

void RecordReader::set_event_times(Batch& batch, StepReport& report) const {
  const TopicOptions& options = stage_.topic->options;
  const std::vector<Record>& records = batch.raw->records->rows;
  RowErrors errors;
  if (stage_.timestamp != no_slot) {
    batch.event_time_ns =
        event_times(batch.columns[stage_.timestamp], options.timestamp_unit, *options.timestamp, errors);
  } else {
    batch.event_time_ns.resize(batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto ns = ms_to_ns(records[batch.rows[i]].timestamp_ms);
      batch.event_time_ns[i] = ns.value_or(0);
      if (!ns) {
        errors.add(i, BadRowKind::timestamp,
                   fmt::format("wanted a record timestamp between 1970 and 2262, found {} ms",
                               records[batch.rows[i]].timestamp_ms));
      }
    }
  }
  if (options.max_ahead) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const std::int64_t record_ns = ms_to_ns(records[batch.rows[i]].timestamp_ms).value_or(0);
      if (batch.event_time_ns[i] - record_ns > options.max_ahead->count()) {
        errors.add(
            i, BadRowKind::timestamp,
            fmt::format(
                "wanted an event time at most {} ms ahead of the record's timestamp (max_ahead), found {} ms",
                floor_ms(options.max_ahead->count()), floor_ms(batch.event_time_ns[i] - record_ns)));
      }
    }
  }
  report.add(std::move(errors), batch);
}

namespace {

/// New values under the old records' keys, headers, times and offsets; indexed as the old ones were.
std::shared_ptr<Records> with_values(const Batch& batch, std::span<const std::string_view> values) {
  auto bytes = std::make_shared<std::string>();
  std::size_t size = record_padding;
  for (const std::string_view value : values) size += value.size();
  bytes->reserve(size);
  for (const std::string_view value : values) *bytes += value;
  bytes->append(record_padding, '\0');

  auto records = std::make_shared<Records>();
  if (batch.raw) {
    records->topic = batch.raw->records->topic;
    records->partition = batch.raw->records->partition;
    records->rows = batch.raw->records->rows;
    records->next_offset = batch.raw->records->next_offset;
  } else {
    records->rows.resize(batch.rows.back() + 1);
  }
  std::size_t begin = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    Record& record = records->rows[batch.rows[i]];
    record.value = bytes->data() + begin;
    record.value_size = static_cast<std::uint32_t>(values[i].size());
    begin += values[i].size();
  }
  records->padded = true;
  records->owner = std::make_shared<std::pair<std::shared_ptr<const RawRows>, std::shared_ptr<std::string>>>(
      batch.raw, bytes);
  return records;
}

/// `found`, whose rows count within the batch, as rows of `records`.
std::shared_ptr<const RawRows> aligned(const RawRows& found, const Batch& batch,
                                       std::shared_ptr<Records> records) {
  auto raw = std::make_shared<RawRows>();
  raw->close.resize(records->rows.size());
  raw->spans.resize(found.spans.size());
  for (auto& span : raw->spans) span.resize(records->rows.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    raw->close[batch.rows[i]] = found.close[i];
    for (std::size_t s = 0; s < found.spans.size(); ++s) raw->spans[s][batch.rows[i]] = found.spans[s][i];
  }
  raw->records = std::move(records);
  return raw;
}

}  // namespace

void replace_raw_rows(Batch& batch, std::span<const std::string_view> values, BadRowKind kind,
                      JsonDecoder& decoder, StepReport& report) {
  TIDERACE_CHECK(values.size() == batch.size());
  std::shared_ptr<Records> records = with_values(batch, values);
  auto compact = std::make_shared<Records>();
  compact->padded = true;
  compact->owner = records->owner;
  compact->rows.reserve(values.size());
  for (const std::uint32_t row : batch.rows) compact->rows.push_back(records->rows[row]);

  RowErrors errors;
  Batch fresh = decoder.decode(std::move(compact), errors);
  for (RowErrors::Entry& entry : errors.take())
    report.bad.push_back({batch.rows[entry.row], kind, std::move(entry.message)});
  batch.raw = aligned(*fresh.raw, batch, std::move(records));
  batch.columns.clear();
  batch.keep(fresh.rows, {});
  batch.columns = std::move(fresh.columns);
}

}  // namespace tiderace
