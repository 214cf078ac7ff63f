#include "operators/to_topic.h"

#include <fmt/format.h>

#include "columnar/describe.h"
#include "columnar/event_time.h"

namespace tiderace {
namespace {

class ToTopicOperator final : public Operator {
 public:
  ToTopicOperator(const ResolvedStep& step, const TaskResources& resources)
      : step_(step), writer_(std::get<ToTopic>(step.node->step).topic->name, step.layout, resources) {}

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

RowWriter::RowWriter(const std::string& topic, const RowLayout& layout, const TaskResources& resources)
    : topic_(topic),
      encoder_(layout),
      producer_(resources.producer),
      max_message_bytes_(resources.max_message_bytes(topic)) {}

void RowWriter::write(const Batch& batch, const Column* keys, RowErrors& errors, StepReport& report) {
  encoder_.encode(batch, encoded_, errors);
  report.not_finite += encoded_.not_finite;
  const std::vector<bool> bad = errors.rows(batch.size());
  const std::vector<Record>& inputs = batch.raw->records->rows;
  records_.clear();
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
    record.headers = input.headers_view();
    record.timestamp_ms = floor_ms(batch.event_time_ns[i]);
    const std::size_t size =
        record.value->size() + record.headers.size() + (record.key ? record.key->size() : 0);
    if (static_cast<std::int64_t>(size) > max_message_bytes_) {
      errors.add(i, BadRowKind::too_large,
                 fmt::format("wanted at most {} bytes for a record of {}, found {}", max_message_bytes_,
                             topic_, size));
      continue;
    }
    records_.push_back(record);
  }
  if (!records_.empty()) producer_->send(topic_, records_);
  report.written += records_.size();
}

std::unique_ptr<Operator> make_to_topic(const ResolvedStep& step, const TaskResources& resources) {
  return std::make_unique<ToTopicOperator>(step, resources);
}

}  // namespace tiderace
