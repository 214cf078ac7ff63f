#pragma once

#include <tiderace/json_rows.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/config.h"
#include "gateway/in/message.h"
#include "gateway/target.h"

namespace tiderace::gateway {

/// What a client writes, and as whom.
struct WriteRequest {
  std::string topic;
  std::optional<std::string> key = {};
  JsonRowsOptions fields = {};
  std::string session = {};    ///< the key of its sequence; empty: none
  std::uint64_t sequence = 0;  ///< of a POST
  std::size_t most_bytes = 0;  ///< that the rows of a message may come to, with their keys and headers
  std::vector<std::pair<std::string, std::optional<std::string>>> headers = {};
  Grant grant = {};

  /// The message that `text` is; what is wrong with it is its refusal.
  [[nodiscard]] Message message_of(std::string_view text) const;
};

/// What is wrong with a request, as HTTP has it.
struct Refusal {
  unsigned status = 400;
  std::string error;
};

/// The request of `target` for `topic`, of the bearer of `grant`. `refusal` is set where it is none.
[[nodiscard]] WriteRequest write_request(const Config& config, const std::string& topic, const Target& target,
                                         const Grant& grant, std::optional<Refusal>& refusal);

/// `{"ack":42,"offsets":[[0,17,19]]}`, `{"ack":42,"duplicate":true}` or `{"refused":42,"error":"..."}`.
[[nodiscard]] std::string answer_of(std::uint64_t number, const Outcome& outcome);
/// `text` as a JSON string, with its quotes.
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace tiderace::gateway
