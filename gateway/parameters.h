#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gateway/target.h"

namespace tiderace::gateway {

/// What a request to a topic is for.
enum class Use : std::uint8_t {
  post,   ///< to write rows, in its body
  write,  ///< to become a WebSocket that writes
  read,   ///< to become a WebSocket that reads
};

/// What is wrong with the names in the query of `target`: one that is not for `use`, or stands twice; of a
/// `header.NAME` a record may have several. Nullopt: nothing. Values are not looked at.
[[nodiscard]] std::optional<std::string> query_fault(const Target& target, Use use);

}  // namespace tiderace::gateway
