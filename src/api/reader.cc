#include <tiderace/application.h>
#include <tiderace/reader.h>

#include <algorithm>
#include <utility>

#include "api/application_state.h"
#include "base/error.h"
#include "log/log.h"

namespace tiderace {
namespace {

/// Where reading stands in one partition.
struct Position {
  std::int64_t next = 0;
  std::optional<std::int64_t> end = {};  ///< where it ends; nullopt: nowhere
  bool decided = false;                  ///< all before `end` is committed or aborted
  [[nodiscard]] bool at_end() const noexcept { return end && next >= *end; }
};

constexpr std::chrono::milliseconds between_looks{50};

}  // namespace

struct TopicReader::Impl {
  Impl(std::shared_ptr<Log> opened, const std::vector<std::string>& topics, const ReaderOptions& options)
      : log(std::move(opened)), follower(log->follower()) {
    for (const std::string& topic : topics) begin(topic, options);
    for (const auto& [partition, offset] : options.offsets) {
      const auto found = positions.find({partition.first, partition.second});
      if (found == positions.end()) {
        throw_error(ErrorKind::config, "offsets: {} partition {} is none of what is read", partition.first,
                    partition.second);
      }
      if (offset < 0) {
        throw_error(ErrorKind::config, "offsets: wanted 0 or more for {} partition {}, found {}",
                    partition.first, partition.second, offset);
      }
      found->second.next = std::max(offset, log->offsets(found->first).first);
    }
    std::map<TopicPartition, std::int64_t> from;
    for (const auto& [partition, position] : positions) from[partition] = position.next;
    follower->follow(from);
  }

  void begin(const std::string& topic, const ReaderOptions& options) {
    const auto info = log->topic(topic);
    if (!info) {
      throw_error(ErrorKind::config,
                  "there is no topic {} to read; write to it first, or make it with `tiderace topic create`",
                  topic);
    }
    for (std::int32_t number = 0; number < info->config.num_partitions; ++number) {
      const TopicPartition partition{topic, number};
      const auto [first, end] = log->offsets(partition);
      Position& position = positions[partition];
      position.next = options.from == ReadFrom::earliest ? first : end;
      if (!options.until_end) continue;
      position.end = log->written_offset(partition);
      position.decided = end >= *position.end;
    }
  }

  [[nodiscard]] bool at_end() const {
    return std::all_of(positions.begin(), positions.end(),
                       [](const auto& entry) { return entry.second.at_end(); });
  }

  std::vector<TopicRecord> take(std::vector<std::shared_ptr<const Records>> runs) {
    held = std::move(runs);
    std::vector<TopicRecord> records;
    for (const auto& run : held) {
      Position& position = positions.at({run->topic, run->partition});
      for (const Record& row : run->rows) {
        if (position.end && row.offset >= *position.end) break;
        TopicRecord record{run->topic, run->partition, row.offset, row.timestamp_ms, {}, {}, {}};
        if (row.key != nullptr) record.key = row.key_view();
        if (row.value != nullptr) record.value = row.value_view();
        if (row.headers != nullptr) record.packed_headers = row.headers_view();
        records.push_back(std::move(record));
      }
      position.next = position.end ? std::min(run->next_offset, *position.end) : run->next_offset;
    }
    return records;
  }

  /// What is left out at the end of a partition (compacted away, marks of transactions) brings no record.
  void look_for_ends() {
    for (auto& [partition, position] : positions) {
      if (!position.end || position.at_end()) continue;
      if (!position.decided) position.decided = log->offsets(partition).second >= *position.end;
      if (position.decided && follower->lag(partition) == 0) position.next = *position.end;
    }
  }

  std::shared_ptr<Log> log;
  std::unique_ptr<Follower> follower;
  std::map<TopicPartition, Position> positions;
  std::vector<std::shared_ptr<const Records>> held;  ///< what the last records are views of
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
    const auto wait = std::clamp(left, std::chrono::milliseconds(0), between_looks);
    std::vector<TopicRecord> records = impl_->take(impl_->follower->poll(wait));
    if (!records.empty()) return records;
    impl_->look_for_ends();
    if (left.count() <= 0) return {};
  }
}

std::map<std::pair<std::string, std::int32_t>, std::int64_t> TopicReader::positions() const {
  std::map<std::pair<std::string, std::int32_t>, std::int64_t> positions;
  for (const auto& [partition, position] : impl_->positions)
    positions[{partition.topic, partition.partition}] = position.next;
  return positions;
}

bool TopicReader::at_end() const {
  return !impl_->positions.empty() && impl_->at_end();
}

std::vector<std::pair<std::string, std::optional<std::string>>> TopicRecord::headers() const {
  return packed_headers.empty() ? decltype(headers()){} : unpack_headers(packed_headers);
}

TopicReader Application::get_reader(const std::vector<std::string>& topics, const ReaderOptions& options) {
  if (topics.empty()) throw Error(ErrorKind::config, "get_reader: wanted the names of topics, found none");
  return TopicReader(std::make_unique<TopicReader::Impl>(state_->log(), topics, options));
}

}  // namespace tiderace
