#include <tiderace/application.h>
#include <tiderace/producer.h>

#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "api/application_state.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/logging.h"
#include "columnar/records.h"

namespace tiderace {
namespace {

constexpr std::chrono::milliseconds linger{5};
constexpr const char* topic_producer = "tr::TopicProducer";
constexpr const char* transactional_producer = "tr::TransactionalProducer";
constexpr std::size_t block_bytes = 1u << 20;

/// Puts records of the user into a producer of the log.
class RecordSender {
 public:
  explicit RecordSender(const ApplicationState& state, std::shared_ptr<Log> opened)
      : log_(std::move(opened)) {
    for (const TopicPtr& topic : state.pipeline->topics())
      declared_.emplace(topic->name, topic_config(topic->options));
  }

  [[nodiscard]] std::unique_ptr<Producer> producer(const ProducerOptions& options = {}) const {
    return log_->producer(options);
  }

  void send(Producer& producer, const ProduceOptions& options) {
    if (options.topic.empty())
      throw Error(ErrorKind::config, "produce: wanted the name of a topic, found none");
    std::string packed;
    const std::vector<Header> headers(options.headers.begin(), options.headers.end());
    pack_headers(headers, packed);
    create(options.topic);
    const ProducerRecord record{options.key, options.value, packed,
                                options.timestamp.value_or(system_clock().wall_ms())};
    producer.send(options.topic, std::span(&record, 1));
  }

 private:
  void create(std::string_view topic) {
    if (known_topics_.contains(topic)) return;
    const auto found = declared_.find(topic);
    log_->create_topic(std::string(topic), found == declared_.end() ? TopicConfig{} : found->second);
    known_topics_.emplace(topic);
  }

  std::shared_ptr<Log> log_;
  std::map<std::string, TopicConfig, std::less<>> declared_;  ///< topics of the application
  std::set<std::string, std::less<>> known_topics_;
};

std::size_t bytes_of(const ProduceOptions& record) noexcept {
  std::size_t bytes = 1 + (record.key ? record.key->size() : 0) + (record.value ? record.value->size() : 0);
  for (const auto& [name, value] : record.headers) bytes += name.size() + (value ? value->size() : 0);
  return bytes;
}

}  // namespace

/// A log producer and a thread that flushes what has waited for `linger`.
struct TopicProducer::Impl {
  explicit Impl(RecordSender to_log)
      : sender(std::move(to_log)), producer(sender.producer()), flusher([this] { flush_late(); }) {}

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      closing = true;
    }
    wake.notify_all();
    flusher.join();
  }

  void flush_late() {
    std::unique_lock lock(mutex);
    while (!closing) {
      wake.wait(lock, [this] { return closing || pending_bytes > 0; });
      if (closing) return;
      wake.wait_for(lock, linger, [this] { return closing || pending_bytes == 0; });
      if (pending_bytes == 0 || closing) continue;
      try {
        flush_pending();
      } catch (...) {
        failure = std::current_exception();  // the next call of the user meets it
      }
    }
  }

  void flush_pending() {
    pending_bytes = 0;
    producer->flush();
  }

  void rethrow_failure() {
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
  }

  RecordSender sender;
  std::unique_ptr<Producer> producer;
  std::mutex mutex;
  std::condition_variable wake;
  std::size_t pending_bytes = 0;
  bool closing = false;
  std::exception_ptr failure;
  std::thread flusher;  // last: it uses the others
};

TopicProducer::TopicProducer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TopicProducer::TopicProducer(TopicProducer&&) noexcept = default;
TopicProducer& TopicProducer::operator=(TopicProducer&& other) noexcept {
  if (this == &other) return *this;
  const TopicProducer former(std::move(*this));  // ends as any does, once all that it has is written
  impl_ = std::move(other.impl_);
  return *this;
}

TopicProducer::~TopicProducer() {
  if (!impl_) return;
  try {
    flush();
  } catch (const std::exception& error) {
    log(LogLevel::error, "records were lost when a producer closed: {}", error.what());
  }
}

void TopicProducer::produce(const ProduceOptions& record) {
  const std::lock_guard lock(required(impl_, topic_producer)->mutex);
  impl_->rethrow_failure();
  impl_->sender.send(*impl_->producer, record);
  const bool first = impl_->pending_bytes == 0;
  impl_->pending_bytes += bytes_of(record);
  if (impl_->pending_bytes >= block_bytes)
    impl_->flush_pending();
  else if (first)
    impl_->wake.notify_one();
}

void TopicProducer::flush() {
  const std::lock_guard lock(required(impl_, topic_producer)->mutex);
  impl_->rethrow_failure();
  impl_->pending_bytes = 0;
  static_cast<void>(impl_->producer->commit({}, {}));  // waits until the log has it
}

void Application::create_topics() {
  const std::shared_ptr<ApplicationState>& state = ApplicationAccess::state(*this);
  const std::shared_ptr<Log> log = state->log();
  for (const TopicPtr& topic : state->pipeline->topics())
    log->create_topic(topic->name, topic_config(topic->options));
}

TopicProducer Application::get_producer() {
  const std::shared_ptr<ApplicationState>& state = ApplicationAccess::state(*this);
  return TopicProducer(std::make_unique<TopicProducer::Impl>(RecordSender(*state, state->log())));
}

/// After an error of the log the producer is let go of, and with it what it had not committed.
struct TransactionalProducer::Impl {
  /// Calls `act` with a producer that has the id.
  template <class Act>
  auto with_producer(const Act& act) {
    try {
      if (producer == nullptr) {
        auto made = sender.producer({.transactional_id = transactional_id});
        made->warm_up();
        producer = std::move(made);
      }
      return act(*producer);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::config) producer.reset();
      throw;
    }
  }

  RecordSender sender;
  std::string transactional_id;
  std::unique_ptr<Producer> producer = {};
};

TransactionalProducer::TransactionalProducer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TransactionalProducer::TransactionalProducer(TransactionalProducer&&) noexcept = default;
TransactionalProducer& TransactionalProducer::operator=(TransactionalProducer&&) noexcept = default;
TransactionalProducer::~TransactionalProducer() = default;

void TransactionalProducer::init_transactions() {
  required(impl_, transactional_producer)->producer.reset();
  impl_->with_producer([](Producer&) {});
}

void TransactionalProducer::produce(const ProduceOptions& record) {
  required(impl_, transactional_producer)->with_producer([&](Producer& producer) {
    impl_->sender.send(producer, record);
  });
}

std::vector<RecordMetadata> TransactionalProducer::commit() {
  return required(impl_, transactional_producer)->with_producer([this](Producer& producer) {
    try {
      static_cast<void>(producer.commit({}, {}));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::config) abort();  // the transaction is over
      throw;
    }
    std::vector<RecordMetadata> stored;
    for (const Placement& placement : producer.take_placements())
      stored.push_back({placement.partition, placement.offset});
    return stored;
  });
}

void TransactionalProducer::abort() noexcept {
  if (impl_ == nullptr || impl_->producer == nullptr) return;
  // It keeps the id: who has lost it to another must not get it back by that.
  impl_->producer->abort();
  static_cast<void>(impl_->producer->take_placements());
}

TransactionalProducer Application::get_transactional_producer(const std::string& transactional_id) {
  if (transactional_id.empty())
    throw Error(ErrorKind::config, "get_transactional_producer: wanted a transactional id, found none");
  const std::shared_ptr<ApplicationState>& state = ApplicationAccess::state(*this);
  return TransactionalProducer(
      std::make_unique<TransactionalProducer::Impl>(RecordSender(*state, state->log()), transactional_id));
}

}  // namespace tiderace
