#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/net/reading.h"
#include "gateway/parameters.h"
#include "gateway/target.h"
#include "gateway/tokens.h"

/// What a reader asks for and sends: what is taken is what its token allows, and comes back as it was.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tiderace::gateway;
  static const Config config = [] {
    Config made;
    made.topics = {{"alerts", {}}, {"phone-data", {}}, {"secret", {}}};
    return made;
  }();
  static const Grant grant{.subject = "s", .read = {"alerts", "phone-*"}, .keys = {{"rider-*", "k"}}};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto positions = parse_position_message(text)) {
    const std::string written = "{\"position\":\"" + to_string(*positions) + "\"}";
    if (parse_position_message(written) != positions) std::abort();
    if (parse_position_message(" { \"position\" :\n" + written.substr(12)) != positions) std::abort();
  }
  const auto target = parse_target(text);
  if (!target) return 0;
  constexpr std::string_view before = "/v1/topics/";
  const std::string_view path = target->path;
  const auto topics = split(path.substr(std::min(path.size(), before.size())));
  if (const auto fault = query_fault(*target, Use::read)) {
    if (fault->empty()) std::abort();
    return 0;
  }
  std::optional<Refusal> refusal;
  const ReaderRequest request = reader_request(config, topics, *target, grant, refusal);
  if (refusal) {
    if (refusal->status / 100 != 4 || refusal->error.empty()) std::abort();
    return 0;
  }
  if (request.read.topics.empty()) std::abort();
  for (const std::string& topic : request.read.topics) {
    if (!config.topics.contains(topic) || topic == "secret") std::abort();
  }
  for (const std::string& key : request.read.keys) {
    if (key != "k" && !key.starts_with("rider-")) std::abort();
  }
  if (request.read.key_patterns != grant.keys) std::abort();
  if (request.from_session && request.session.empty()) std::abort();
  return 0;
}
