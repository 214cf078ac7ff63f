#include "log/kafka/partition_reader.h"

#include "base/error.h"
#include "log/kafka/run_builder.h"

namespace tiderace::kafka {
namespace {

constexpr std::size_t batch_messages = 4096;
constexpr int wait_ms = 100;
constexpr std::size_t ahead_bytes = std::size_t{64} << 20;
constexpr std::chrono::nanoseconds patience = std::chrono::seconds(30);

}  // namespace

Config reader_config(const Connection& connection) {
  Settings settings = queue_limits(ahead_bytes);
  settings.merge(Settings{
      {"group.id", "tiderace"},  // librdkafka wants one; nothing is committed
      {"enable.auto.commit", "false"},
      {"auto.offset.reset", "earliest"},
      {"isolation.level", "read_committed"},
      {"enable.partition.eof", "true"},
      {"fetch.error.backoff.ms", "50"},
      // The end of a changelog is the mark of a transaction, which no row tells of: an answer without
      // rows does.
      {"fetch.wait.max.ms", "10"},
      {"allow.auto.create.topics", "false"},
  });
  return connection.config(settings, connection.options.consumer_config);
}

PartitionReader::PartitionReader(const Connection& connection, TopicPartition partition)
    : partition_(std::move(partition)),
      watch_(connection.address, *connection.clock, Patience{.most = patience}),
      client_(RD_KAFKA_CONSUMER, reader_config(connection)),
      batch_(batch_messages) {
  queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
}

PartitionReader::~PartitionReader() {
  queue_.reset();
  rd_kafka_consumer_close(client_.get());
}

void PartitionReader::move_to(std::int64_t offset) {
  PartitionList list;
  list.add(partition_, offset);
  assign(client_.get(), list, fmt::format("read {} partition {}", partition_.topic, partition_.partition));
  position_ = offset;
  at_end_ = false;
}

bool PartitionReader::is_end(std::int64_t offset) {
  // The end was told once; there may be more by now, on its way.
  try {
    return query_offset(client_.get(), partition_, RD_KAFKA_OFFSET_END) <= offset;
  } catch (const BrokerAway&) {
    return false;
  }
}

std::shared_ptr<const Records> PartitionReader::read(std::int64_t offset, std::size_t max_bytes) {
  if (position_ != offset) move_to(offset);
  RunBuilder run(partition_);
  bool told = false;  // the end, by now
  while (run.empty() || run.bytes() < max_bytes) {
    const int timeout = run.empty() ? wait_ms : 0;
    // One at a time while waiting: a batch would be waited for until it is full.
    const ssize_t count =
        rd_kafka_consume_batch_queue(queue_.get(), timeout, batch_.data(), run.empty() ? 1 : batch_.size());
    for (ssize_t i = 0; i < count; ++i) {
      const Message message(batch_[static_cast<std::size_t>(i)]);
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        told = at_end_ = true;
        position_ = std::max(position_, message->offset);
      } else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (message->offset < position_) continue;
        run.add(*message);
        position_ = message->offset + 1;
        at_end_ = false;
      } else if (!is_passing(message->err)) {
        throw error_of(message->err, rd_kafka_message_errstr(message.get()),
                       fmt::format("read {} partition {}", partition_.topic, partition_.partition));
      }
    }
    if (count > 0) watch_.answered();
    if (at_end_ && (told || !run.empty() || is_end(position_))) break;
    if (count <= 0 && !run.empty()) break;
    if (count <= 0) watch_.waiting(client_.get(), "rows of " + partition_.topic);
  }
  return run.finish(position_);
}

}  // namespace tiderace::kafka
