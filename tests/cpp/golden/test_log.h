#pragma once

#include <deque>
#include <map>
#include <memory>

#include "base/error.h"
#include "log/forwarding_log.h"
#include "runtime/worker.h"

namespace tiderace {

/// A log that cuts what it reads into runs of at most `batch_rows`, and whose n-th commit fails.
class TestLog final : public ForwardingLog {
 public:
  TestLog(std::shared_ptr<Log> log, std::size_t batch_rows)
      : ForwardingLog(std::move(log)), batch_rows_(batch_rows) {}

  /// The commit after this many more throws, with nothing of it visible; -1: none.
  int commits_until_failure = -1;

  std::unique_ptr<Consumer> consumer(const ConsumerOptions& options) override {
    return std::make_unique<CuttingConsumer>(forwarded().consumer(options), batch_rows_);
  }
  std::unique_ptr<Producer> producer(const ProducerOptions& options) override {
    return std::make_unique<FailingProducer>(forwarded().producer(options), *this);
  }

 private:
  class CuttingConsumer final : public Consumer {
   public:
    CuttingConsumer(std::unique_ptr<Consumer> consumer, std::size_t rows)
        : consumer_(std::move(consumer)), rows_(rows) {}
    void subscribe(const std::vector<std::string>& topics) override { consumer_->subscribe(topics); }
    PollResult poll(std::chrono::milliseconds timeout) override {
      PollResult result;
      if (waiting_.empty()) {
        result = consumer_->poll(timeout);
        for (const auto& records : result.records) split(records);
        result.records.clear();
      }
      if (!waiting_.empty()) {
        result.records.push_back(waiting_.front());
        waiting_.pop_front();
      }
      return result;
    }
    void start(const TopicPartition& partition, std::int64_t offset) override {
      std::erase_if(waiting_, [&](const auto& records) {
        return records->topic == partition.topic && records->partition == partition.partition;
      });
      consumer_->start(partition, offset);
    }
    StartOffset start_offset(const TopicPartition& partition, std::optional<std::int64_t> known) override {
      return consumer_->start_offset(partition, known);
    }
    std::optional<std::int64_t> heard_end_offset(const TopicPartition& partition) override {
      return consumer_->heard_end_offset(partition);
    }

   private:
    void split(std::shared_ptr<const Records> records) {
      for (;;) {
        auto part = cut(records, INT64_MAX, rows_);
        waiting_.push_back(part);
        if (part == records) return;
        auto rest = std::make_shared<Records>(*records);
        rest->rows.erase(rest->rows.begin(), rest->rows.begin() + static_cast<std::ptrdiff_t>(rows_));
        records = rest;
      }
    }
    std::unique_ptr<Consumer> consumer_;
    std::size_t rows_;
    std::deque<std::shared_ptr<const Records>> waiting_;
  };

  class FailingProducer final : public Producer {
   public:
    FailingProducer(std::unique_ptr<Producer> producer, TestLog& log)
        : producer_(std::move(producer)), log_(log) {}
    void send(std::string_view topic, std::span<const ProducerRecord> records,
              std::int32_t partition) override {
      producer_->send(topic, records, partition);
    }
    /// What a commit that has begun is about must not become visible before it; nor need anything else.
    void flush() override {
      if (!begun_) producer_->flush();
    }
    std::map<TopicPartition, std::int64_t> commit(const std::string& group,
                                                  std::span<const OffsetCommit> offsets) override {
      if (log_.commits_until_failure >= 0 && log_.commits_until_failure-- == 0) {
        producer_->abort();
        throw Error(ErrorKind::broker, "the commit failed, as the test asked");
      }
      return producer_->commit(group, offsets);
    }
    /// As brokers are: not decided at once.
    void begin_commit(const std::string& group, std::span<const OffsetCommit> offsets) override {
      group_ = group;
      offsets_.assign(offsets.begin(), offsets.end());
      asked_ = 0;
      begun_ = true;
    }
    [[nodiscard]] bool commit_ended() override { return ++asked_ > 2; }
    [[nodiscard]] bool is_deciding() const override { return false; }
    std::map<TopicPartition, std::int64_t> end_commit() override {
      begun_ = false;
      return commit(group_, offsets_);
    }
    void abort() noexcept override {
      begun_ = false;
      producer_->abort();
    }

   private:
    std::unique_ptr<Producer> producer_;
    TestLog& log_;
    std::string group_;
    std::vector<OffsetCommit> offsets_;
    int asked_ = 0;
    bool begun_ = false;
  };

  std::size_t batch_rows_;
};

}  // namespace tiderace
