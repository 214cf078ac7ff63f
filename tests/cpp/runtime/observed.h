#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "log/log.h"
#include "state/store.h"

namespace tiderace {

/// Told the name of every call before it is made, for example `Producer::commit`. What it throws comes out of
/// that call, which then has no effect.
using Observer = std::function<void(std::string_view call)>;

class ObservedConsumer final : public Consumer {
 public:
  /// `behind`: so it says of all that it reads.
  ObservedConsumer(std::unique_ptr<Consumer> consumer, const Observer& observe, bool behind)
      : consumer_(std::move(consumer)), observe_(observe), behind_(behind) {}
  void subscribe(const std::vector<std::string>& topics) override {
    observe_("Consumer::subscribe");
    consumer_->subscribe(topics);
  }
  PollResult poll(std::chrono::milliseconds timeout) override {
    observe_("Consumer::poll");
    PollResult result = consumer_->poll(timeout);
    result.behind = result.behind || behind_;
    return result;
  }
  void start(const TopicPartition& partition, std::int64_t offset) override {
    observe_("Consumer::start");
    consumer_->start(partition, offset);
  }
  StartOffset start_offset(const TopicPartition& partition, std::optional<std::int64_t> known) override {
    observe_("Consumer::start_offset");
    return consumer_->start_offset(partition, known);
  }
  bool settled() override { return consumer_->settled(); }
  [[nodiscard]] Consumer* observed() const noexcept { return consumer_.get(); }
  std::optional<std::int64_t> heard_end_offset(const TopicPartition& partition) override {
    return consumer_->heard_end_offset(partition);
  }

 private:
  std::unique_ptr<Consumer> consumer_;
  const Observer& observe_;
  bool behind_;
};

class ObservedProducer final : public Producer {
 public:
  ObservedProducer(std::unique_ptr<Producer> producer, const Observer& observe)
      : producer_(std::move(producer)), observe_(observe) {}
  void send(std::string_view topic, std::span<const ProducerRecord> records,
            std::int32_t partition) override {
    observe_("Producer::send");
    producer_->send(topic, records, partition);
  }
  void send_state(std::string_view topic, std::span<const ProducerRecord> records,
                  std::int32_t partition) override {
    observe_("Producer::send_state");
    producer_->send_state(topic, records, partition);
  }
  void warm_up() override { producer_->warm_up(); }
  [[nodiscard]] std::string identity() const override { return producer_->identity(); }
  bool claim(std::span<const OffsetCommit> offsets) override {
    observe_("Producer::claim");
    return producer_->claim(offsets);
  }
  void flush() override {
    observe_("Producer::flush");
    producer_->flush();
  }
  std::map<TopicPartition, std::int64_t> commit(const std::string& group,
                                                std::span<const OffsetCommit> offsets) override {
    observe_("Producer::commit");
    return producer_->commit(group, offsets);
  }
  void begin_commit(const std::string& group, std::span<const OffsetCommit> offsets) override {
    observe_("Producer::commit");
    producer_->begin_commit(group, offsets);
  }
  [[nodiscard]] bool commit_ended() override { return producer_->commit_ended(); }
  [[nodiscard]] bool is_deciding() const override { return producer_->is_deciding(); }
  std::map<TopicPartition, std::int64_t> end_commit() override {
    observe_("Producer::end_commit");
    return producer_->end_commit();
  }
  void abort() noexcept override { producer_->abort(); }

 private:
  std::unique_ptr<Producer> producer_;
  const Observer& observe_;
};

/// A log that tells of its calls and those of its consumers and producers.
class ObservedLog : public Log {
 public:
  ObservedLog(std::shared_ptr<Log> log, Observer observe, bool behind = false)
      : log_(std::move(log)), observe_(std::move(observe)), behind_(behind) {}
  std::unique_ptr<Consumer> consumer(const ConsumerOptions& options) override {
    observe_("Log::consumer");
    return std::make_unique<ObservedConsumer>(log_->consumer(options), observe_, behind_);
  }
  std::unique_ptr<Producer> producer(const ProducerOptions& options) override {
    observe_("Log::producer");
    ProducerOptions inner = options;
    if (auto* member = dynamic_cast<ObservedConsumer*>(options.member)) inner.member = member->observed();
    return std::make_unique<ObservedProducer>(log_->producer(inner), observe_);
  }
  std::unique_ptr<Follower> follower() override { return log_->follower(); }
  std::shared_ptr<const Records> read(const TopicPartition& partition, std::int64_t offset,
                                      std::size_t max_bytes) override {
    observe_("Log::read");
    return log_->read(partition, offset, max_bytes);
  }
  std::pair<std::int64_t, std::int64_t> offsets(const TopicPartition& partition) override {
    observe_("Log::offsets");
    return log_->offsets(partition);
  }
  std::pair<std::int64_t, std::int64_t> decided_offsets(const TopicPartition& partition) override {
    observe_("Log::decided_offsets");
    return log_->decided_offsets(partition);
  }
  std::int64_t written_offset(const TopicPartition& partition) override {
    observe_("Log::written_offset");
    return log_->written_offset(partition);
  }
  bool take_over(const std::string& group, const TopicPartition& partition, const std::string& identity,
                 const std::atomic<bool>& cancelled) override {
    observe_("Log::take_over");
    return log_->take_over(group, partition, identity, cancelled);
  }
  bool create_topic(const std::string& name, const TopicConfig& config) override {
    observe_("Log::create_topic");
    return log_->create_topic(name, config);
  }
  std::optional<TopicInfo> topic(const std::string& name) override {
    observe_("Log::topic");
    return log_->topic(name);
  }
  std::vector<TopicInfo> topics() override {
    observe_("Log::topics");
    return log_->topics();
  }
  std::map<TopicPartition, std::int64_t> group_offsets(const std::string& group) override {
    observe_("Log::group_offsets");
    return log_->group_offsets(group);
  }
  std::vector<std::string> groups() override {
    observe_("Log::groups");
    return log_->groups();
  }
  GroupStatus group_status(const std::string& group) override {
    observe_("Log::group_status");
    return log_->group_status(group);
  }
  std::int64_t offset_at(const TopicPartition& partition, std::int64_t timestamp_ms) override {
    observe_("Log::offset_at");
    return log_->offset_at(partition, timestamp_ms);
  }

 private:
  std::shared_ptr<Log> log_;
  Observer observe_;
  bool behind_;
};

class ObservedStore final : public StateStore {
 public:
  ObservedStore(std::unique_ptr<StateStore> store, const Observer& observe)
      : store_(std::move(store)), observe_(observe) {}
  std::optional<std::string> get(std::string_view key) override {
    observe_("StateStore::get");
    return store_->get(key);
  }
  void scan(std::string_view prefix,
            const std::function<bool(std::string_view, std::string_view)>& visit) override {
    observe_("StateStore::scan");
    store_->scan(prefix, visit);
  }
  void write(std::span<const ChangeView> changes, const StorePosition& position) override {
    observe_("StateStore::apply");
    store_->apply(std::vector<ChangeView>(changes.begin(), changes.end()), position);
  }
  StorePosition position() override {
    observe_("StateStore::position");
    return store_->position();
  }
  void clear() override { store_->clear(); }
  std::uint64_t size_bytes() override { return store_->size_bytes(); }

 private:
  std::unique_ptr<StateStore> store_;
  const Observer& observe_;
};

class ObservedStores final : public StateStores {
 public:
  ObservedStores(std::shared_ptr<StateStores> stores, Observer observe)
      : stores_(std::move(stores)), observe_(std::move(observe)) {}
  std::unique_ptr<StateStore> open(const std::string& name) override {
    observe_("StateStores::open");
    return std::make_unique<ObservedStore>(stores_->open(name), observe_);
  }

 private:
  std::shared_ptr<StateStores> stores_;
  Observer observe_;
};

class ObservedClock final : public Clock {
 public:
  explicit ObservedClock(Observer observe) : observe_(std::move(observe)) {}
  std::int64_t wall_ms() override {
    observe_("Clock::wall_ms");
    return system_clock().wall_ms();
  }
  std::int64_t steady_ns() override {
    observe_("Clock::steady_ns");
    return system_clock().steady_ns();
  }

 private:
  Observer observe_;
};

}  // namespace tiderace
