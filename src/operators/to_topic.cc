#include "operators/to_topic.h"

#include <fmt/format.h>

#include <algorithm>

#include "columnar/describe.h"
#include "columnar/event_time.h"
#include "log/topic_rules.h"

namespace tiderace {
namespace {

/// By so much this machine's clock and the broker's may differ.
constexpr std::int64_t clock_difference_ms = 60'000;

class ToTopicOperator final : public Operator {
 public:
  ToTopicOperator(const ResolvedStep& step, const TaskResources& resources)
      : step_(step), writer_(std::get<ToTopic>(step.node->step).topic->name, step, resources) {}

  void process(Batch& batch, StepReport& report) override {
    RowErrors errors;
    const Column* keys = step_.inputs.empty() ? nullptr : &batch.columns[step_.inputs[0]];
    writer_.write(batch, keys, errors, report);
    report.add(std::move(errors), batch);
  }

 private:
  const ResolvedStep& step_;
  RowWriter writer_;
};

}  // namespace

RowWriter::RowWriter(const std::string& topic, const ResolvedStep& step, const TaskResources& resources)
    : topic_(topic),
      versions_(step.models_before, resources.models),
      encoder_(step.layout),
      producer_(resources.producer),
      clock_(resources.clock),
      limits_(resources.topic_config(topic)) {}

bool RowWriter::fits(const ProducerRecord& record, std::size_t row, std::int64_t now_ms,
                     RowErrors& errors) const {
  const std::int64_t size = size_of(record);
  if (size > limits_.max_message_bytes) {
    errors.add(row, BadRowKind::too_large,
               fmt::format("wanted at most {} bytes for a record of {}, found {}", limits_.max_message_bytes,
                           topic_, size));
    return false;
  }
  const auto refuse = [&](std::string_view where, std::int64_t limit_ms, std::string_view setting) {
    errors.add(
        row, BadRowKind::timestamp,
        fmt::format("wanted an event time at most {} ms {} now, as the topic {} takes them ({}), found "
                    "{} at {}",
                    limit_ms, where, topic_, setting, record.timestamp_ms, now_ms));
    return false;
  };
  const auto beyond = [](std::int64_t distance_ms, std::int64_t limit_ms) {
    return limit_ms >= 0 && distance_ms > limit_ms - std::min(clock_difference_ms, limit_ms / 2);
  };
  if (beyond(record.timestamp_ms - now_ms, limits_.max_timestamp_ahead_ms))
    return refuse("after", limits_.max_timestamp_ahead_ms, "message.timestamp.after.max.ms");
  if (beyond(now_ms - record.timestamp_ms, limits_.max_timestamp_behind_ms))
    return refuse("before", limits_.max_timestamp_behind_ms, "message.timestamp.before.max.ms");
  return true;
}

void RowWriter::write(const Batch& batch, const Column* keys, RowErrors& errors, StepReport& report) {
  encoder_.encode(batch, encoded_, errors);
  report.not_finite += encoded_.not_finite;
  const std::vector<bool> bad = errors.rows(batch.size());
  const std::vector<Record>& inputs = batch.raw->records->rows;
  const bool timed = limits_.max_timestamp_ahead_ms >= 0 || limits_.max_timestamp_behind_ms >= 0;
  const std::int64_t now_ms = timed ? clock_->wall_ms() : 0;
  records_.clear();
  versions_.begin_batch();
  numbers_.clear();
  numbers_.reserve(batch.size());  // views into it are taken
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!bad.empty() && bad[i]) continue;
    const Record& input = inputs[batch.rows[i]];
    ProducerRecord record;
    if (keys == nullptr && input.key != nullptr) record.key = input.key_view();
    if (keys != nullptr && !keys->is_null(i)) {
      if (keys->kind(i) == Kind::string || keys->kind(i) == Kind::bytes) {
        record.key = keys->text(i);
      } else if (keys->kind(i) == Kind::int64) {
        record.key = numbers_.emplace_back(fmt::format("{}", keys->int64(i)));
      } else {
        errors.add(i, BadRowKind::key,
                   fmt::format("wanted a string or an integer as key, found {}", describe(*keys, i)));
        continue;
      }
    }
    record.value = encoded_.row(i);
    record.headers = versions_.with(input.headers_view());
    record.timestamp_ms = floor_ms(batch.event_time_ns[i]);
    if (!fits(record, i, now_ms, errors)) continue;
    report.written_bytes += static_cast<std::uint64_t>(size_of(record));
    records_.push_back(record);
  }
  if (!records_.empty()) producer_->send(topic_, records_);
  report.written += records_.size();
}

std::unique_ptr<Operator> make_to_topic(const ResolvedStep& step, const TaskResources& resources) {
  return std::make_unique<ToTopicOperator>(step, resources);
}

}  // namespace tiderace
