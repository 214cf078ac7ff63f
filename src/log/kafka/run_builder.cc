#include "log/kafka/run_builder.h"

#include <algorithm>
#include <cstring>

namespace tiderace::kafka {
namespace {

constexpr std::size_t chunk_bytes = 1 << 20;

/// The headers of `message`, packed.
void pack(const rd_kafka_message_t& message, std::string& out) {
  out.clear();
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  std::vector<Header> all;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0;
       rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    std::optional<std::string> bytes;
    if (value != nullptr) bytes.emplace(static_cast<const char*>(value), size);
    all.emplace_back(name, std::move(bytes));
  }
  pack_headers(all, out);
}

}  // namespace

RunBuilder::RunBuilder(TopicPartition partition)
    : partition_(std::move(partition)),
      run_(std::make_shared<Records>()),
      chunks_(std::make_shared<std::vector<std::unique_ptr<char[]>>>()) {
  run_->topic = partition_.topic;
  run_->partition = partition_.partition;
  run_->padded = true;
}

const char* RunBuilder::keep(const void* bytes, std::size_t size) {
  if (size > free_size_ || free_ == nullptr) {
    free_size_ = std::max(size, chunk_bytes);
    chunks_->push_back(std::make_unique_for_overwrite<char[]>(free_size_ + record_padding));
    free_ = chunks_->back().get();
    std::memset(free_ + free_size_, 0, record_padding);
  }
  char* const at = free_;
  if (size != 0) std::memcpy(at, bytes, size);
  free_ += size;
  free_size_ -= size;
  bytes_ += size;
  return at;
}

void RunBuilder::add(const rd_kafka_message_t& message) {
  Record record;
  if (message.payload != nullptr) {
    record.value = keep(message.payload, message.len);
    record.value_size = static_cast<std::uint32_t>(message.len);
  }
  if (message.key != nullptr) {
    record.key = keep(message.key, message.key_len);
    record.key_size = static_cast<std::uint32_t>(message.key_len);
  }
  pack(message, headers_);
  if (!headers_.empty()) {
    record.headers = keep(headers_.data(), headers_.size());
    record.headers_size = static_cast<std::uint32_t>(headers_.size());
  }
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  record.timestamp_ms = rd_kafka_message_timestamp(&message, &type);
  record.offset = message.offset;
  run_->rows.push_back(record);
}

std::shared_ptr<const Records> RunBuilder::finish(std::int64_t next_offset) {
  run_->next_offset = next_offset;
  run_->owner = chunks_;
  return std::move(run_);
}

}  // namespace tiderace::kafka
