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
constexpr std::size_t block_bytes = 1u << 20;

}  // namespace

/// A log producer and a thread that flushes what has waited for `linger`.
struct TopicProducer::Impl {
  Impl(std::shared_ptr<Log> opened, std::map<std::string, TopicConfig, std::less<>> topics)
      : log(std::move(opened)),
        declared(std::move(topics)),
        producer(log->producer()),
        flusher([this] { flush_late(); }) {}

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

  [[nodiscard]] TopicConfig config_of(std::string_view topic) const {
    const auto found = declared.find(topic);
    return found == declared.end() ? TopicConfig{} : found->second;
  }

  void rethrow_failure() {
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
  }

  std::shared_ptr<Log> log;
  const std::map<std::string, TopicConfig, std::less<>> declared;  ///< topics of the application
  std::unique_ptr<Producer> producer;
  std::set<std::string, std::less<>> known_topics;
  std::mutex mutex;
  std::condition_variable wake;
  std::size_t pending_bytes = 0;
  bool closing = false;
  std::exception_ptr failure;
  std::thread flusher;  // last: it uses the others
};

TopicProducer::TopicProducer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TopicProducer::TopicProducer(TopicProducer&&) noexcept = default;
TopicProducer& TopicProducer::operator=(TopicProducer&&) noexcept = default;

TopicProducer::~TopicProducer() {
  if (!impl_) return;
  try {
    flush();
  } catch (const std::exception& error) {
    log(LogLevel::error, "records were lost when a producer closed: {}", error.what());
  }
}

void TopicProducer::produce(const ProduceOptions& options) {
  if (options.topic.empty())
    throw Error(ErrorKind::config, "produce: wanted the name of a topic, found none");
  std::vector<Header> headers(options.headers.begin(), options.headers.end());
  std::string packed;
  pack_headers(headers, packed);
  ProducerRecord record;
  record.key = options.key;
  record.value = options.value;
  record.headers = packed;
  record.timestamp_ms = options.timestamp.value_or(system_clock().wall_ms());
  const std::lock_guard lock(impl_->mutex);
  impl_->rethrow_failure();
  if (!impl_->known_topics.contains(options.topic)) {
    impl_->log->create_topic(std::string(options.topic), impl_->config_of(options.topic));
    impl_->known_topics.emplace(options.topic);
  }
  impl_->producer->send(options.topic, std::span(&record, 1));
  const bool first = impl_->pending_bytes == 0;
  impl_->pending_bytes +=
      1 + packed.size() + (record.key ? record.key->size() : 0) + (record.value ? record.value->size() : 0);
  if (impl_->pending_bytes >= block_bytes)
    impl_->flush_pending();
  else if (first)
    impl_->wake.notify_one();
}

void TopicProducer::flush() {
  const std::lock_guard lock(impl_->mutex);
  impl_->rethrow_failure();
  impl_->pending_bytes = 0;
  static_cast<void>(impl_->producer->commit({}, {}));  // waits until the log has it
}

TopicProducer Application::get_producer() {
  std::map<std::string, TopicConfig, std::less<>> declared;
  for (const TopicPtr& topic : state_->pipeline->topics())
    declared.emplace(topic->name, topic_config(topic->options));
  return TopicProducer(std::make_unique<TopicProducer::Impl>(state_->log(), std::move(declared)));
}

}  // namespace tiderace
