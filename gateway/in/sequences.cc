#include "gateway/in/sequences.h"

#include <fmt/format.h>
#include <tiderace/reader.h>

#include <charconv>

#include "gateway/target.h"

namespace tiderace::gateway {
namespace {

constexpr std::string_view before_sequence = R"({"sequence":)";
constexpr std::string_view before_position = R"({"position":")";

/// What stands between `before` and `after`, if `text` begins and ends with them.
std::optional<std::string_view> between(std::string_view text, std::string_view before,
                                        std::string_view after) {
  if (text.size() < before.size() + after.size() || !text.starts_with(before) || !text.ends_with(after))
    return std::nullopt;
  return text.substr(before.size(), text.size() - before.size() - after.size());
}

}  // namespace

void Sequences::apply(const TopicRecord& record) {
  if (!record.key) return;
  const std::string key(*record.key);
  if (!record.value) {
    sessions_.erase(key);
    return;
  }
  if (const auto digits = between(*record.value, before_sequence, "}")) {
    std::uint64_t sequence = 0;
    const auto [end, error] = std::from_chars(digits->data(), digits->data() + digits->size(), sequence);
    if (error == std::errc() && end == digits->data() + digits->size())
      set_sequence(key, sequence, record.timestamp);
  } else if (const auto position = between(*record.value, before_position, "\"}")) {
    set_position(key, std::string(*position), record.timestamp);
  }
}

std::uint64_t Sequences::sequence(const std::string& session) const {
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? 0 : found->second.sequence;
}

std::string Sequences::position(const std::string& session) const {
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? std::string() : found->second.position;
}

void Sequences::set_sequence(const std::string& session, std::uint64_t sequence, std::int64_t now_ms) {
  Session& known = sessions_[session];
  known.sequence = sequence;
  known.heard_ms = now_ms;
}

void Sequences::set_position(const std::string& session, std::string position, std::int64_t now_ms) {
  Session& known = sessions_[session];
  known.position = std::move(position);
  known.heard_ms = now_ms;
}

std::vector<std::string> Sequences::forget(std::int64_t before_ms, std::size_t most) {
  std::vector<std::string> forgotten;
  for (auto at = sessions_.begin(); at != sessions_.end() && forgotten.size() < most;) {
    if (at->second.heard_ms >= before_ms || at->first.find('/') == std::string::npos) {
      ++at;
      continue;
    }
    forgotten.push_back(at->first);
    at = sessions_.erase(at);
  }
  return forgotten;
}

std::string Sequences::value_of(std::uint64_t sequence) {
  return fmt::format("{}{}}}", before_sequence, sequence);
}

std::string Sequences::value_of(std::string_view position) {
  return fmt::format("{}{}\"}}", before_position, position);
}

std::string session_key(char kind, std::string_view subject, std::string_view session) {
  // Subjects may hold anything, session names no slash: the last one ends the subject.
  return fmt::format("{}/{}/{}", kind, subject, session);
}

}  // namespace tiderace::gateway
