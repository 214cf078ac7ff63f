#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tiderace::gateway {

/// A record of a message.
struct MessageRow {
  std::string value;
  std::optional<std::string> key;
  std::optional<std::int64_t> timestamp;                                         ///< milliseconds since 1970
  std::vector<std::pair<std::string, std::optional<std::string>>> headers = {};  ///< beside the message's
};

/// Offsets of the first and last record that a message has in a partition.
struct StoredRange {
  std::int32_t partition = 0;
  std::int64_t first = 0;
  std::int64_t last = 0;
};

/// What became of a message.
struct Outcome {
  enum class Kind : std::uint8_t {
    stored,     ///< the log has it
    duplicate,  ///< the log had it
    refused,    ///< nothing of it is stored, its number is used up
    missing,    ///< nothing of it is stored: the one before it has not come; `sequence` is the last that has
    no_room,    ///< nothing of it is stored: its sender has too many sessions
    ended,      ///< nothing is known of it: the gateway ends
  };
  Kind kind = Kind::stored;
  std::vector<StoredRange> offsets = {};  ///< of stored
  std::string error = {};                 ///< of refused
  std::uint64_t sequence = 0;             ///< of missing
};

/// Rows to be stored together, or not at all.
struct Message {
  std::string topic;
  std::string session = {};    ///< whose messages are numbered and stored once; empty: of none
  std::uint64_t sequence = 0;  ///< in the session, from 1
  std::vector<MessageRow> rows = {};
  std::vector<std::pair<std::string, std::optional<std::string>>> headers = {};  ///< of each record
  std::string refusal = {};  ///< not empty: what is wrong with it
  std::chrono::steady_clock::time_point received = std::chrono::steady_clock::now();
  std::size_t bytes = 0;                   ///< about what it takes in memory, and in a transaction
  std::function<void(Outcome)> done = {};  ///< called once, on the writer's thread; must not wait
};

}  // namespace tiderace::gateway
