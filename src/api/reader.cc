#include <tiderace/application.h>
#include <tiderace/reader.h>

#include <algorithm>
#include <utility>

#include "api/application_state.h"
#include "base/error.h"
#include "formats/record/record_json.h"
#include "log/bounded_follower.h"

namespace tiderace {
namespace {

std::map<TopicPartition, std::int64_t> beginnings(Log& log, const std::vector<std::string>& topics,
                                                  const ReaderOptions& options) {
  std::map<TopicPartition, std::int64_t> from;
  for (const std::string& topic : topics) {
    const auto info = log.topic(topic);
    if (!info) {
      throw_error(ErrorKind::config,
                  "there is no topic {} to read; write to it first, or make it with `tiderace topic create`",
                  topic);
    }
    for (std::int32_t number = 0; number < info->config.num_partitions; ++number) {
      const auto [first, end] = log.offsets({topic, number});
      from[{topic, number}] = options.from == AutoOffsetReset::earliest ? first : end;
    }
  }
  for (const auto& [partition, offset] : options.offsets) {
    const auto found = from.find({partition.first, partition.second});
    if (found == from.end()) {
      throw_error(ErrorKind::config, "offsets: {} partition {} is none of what is read", partition.first,
                  partition.second);
    }
    if (offset < 0) {
      throw_error(ErrorKind::config, "offsets: wanted 0 or more for {} partition {}, found {}",
                  partition.first, partition.second, offset);
    }
    found->second = std::max(offset, log.offsets(found->first).first);
  }
  return from;
}

}  // namespace

struct TopicReader::Impl {
  std::vector<TopicRecord> take(std::vector<BoundedFollower::Run> runs) {
    held = std::move(runs);
    std::vector<TopicRecord> records;
    for (const auto& run : held) {
      for (const Record& row : run.rows) {
        TopicRecord record{
            run.records->topic, run.records->partition, row.offset, row.timestamp_ms, {}, {}, {}};
        if (row.key != nullptr) record.key = row.key_view();
        if (row.value != nullptr) record.value = row.value_view();
        if (row.headers != nullptr) record.packed_headers = row.headers_view();
        records.push_back(std::move(record));
      }
    }
    return records;
  }

  std::shared_ptr<Log> log;
  BoundedFollower follower;
  std::vector<BoundedFollower::Run> held = {};  ///< what the last records are views of
};

TopicReader::TopicReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TopicReader::TopicReader(TopicReader&&) noexcept = default;
TopicReader& TopicReader::operator=(TopicReader&&) noexcept = default;
TopicReader::~TopicReader() = default;

std::vector<TopicRecord> TopicReader::poll(std::chrono::nanoseconds timeout) {
  constexpr std::chrono::nanoseconds longest = std::chrono::hours(24 * 365);
  const auto deadline = std::chrono::steady_clock::now() + std::min(timeout, longest);
  for (;;) {
    if (at_end()) return {};
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    std::vector<TopicRecord> records =
        impl_->take(impl_->follower.poll(std::max(left, std::chrono::milliseconds(0))));
    if (!records.empty() || left.count() <= 0) return records;
  }
}

std::map<std::pair<std::string, std::int32_t>, std::int64_t> TopicReader::positions() const {
  std::map<std::pair<std::string, std::int32_t>, std::int64_t> positions;
  for (const auto& [partition, next] : required(impl_, "tr::TopicReader")->follower.positions())
    positions[{partition.topic, partition.partition}] = next;
  return positions;
}

bool TopicReader::at_end() const {
  return required(impl_, "tr::TopicReader")->follower.at_end();
}

std::vector<std::pair<std::string, std::optional<std::string>>> TopicRecord::headers() const {
  return packed_headers.empty() ? decltype(headers()){} : unpack_headers(packed_headers);
}

void append_json(std::string& out, const TopicRecord& record) {
  Record row;
  row.offset = record.offset;
  row.timestamp_ms = record.timestamp;
  const auto set = [](std::string_view bytes, const char*& data, std::uint32_t& size) {
    data = bytes.data() == nullptr ? "" : bytes.data();
    size = static_cast<std::uint32_t>(bytes.size());
  };
  if (record.key) set(*record.key, row.key, row.key_size);
  if (record.value) set(*record.value, row.value, row.value_size);
  if (!record.packed_headers.empty()) set(record.packed_headers, row.headers, row.headers_size);
  append_record_json(out, record.topic, record.partition, row);
}

TopicReader Application::get_reader(const std::vector<std::string>& topics, const ReaderOptions& options) {
  if (topics.empty()) throw Error(ErrorKind::config, "get_reader: wanted the names of topics, found none");
  std::shared_ptr<Log> log = ApplicationAccess::state(*this)->log();
  BoundedFollower follower(*log, beginnings(*log, topics, options), options.until_end);
  return TopicReader(std::make_unique<TopicReader::Impl>(std::move(log), std::move(follower)));
}

}  // namespace tiderace
