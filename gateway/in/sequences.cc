#include "gateway/in/sequences.h"

#include <fmt/format.h>
#include <tiderace/reader.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "gateway/target.h"

namespace tiderace::gateway {
namespace {

constexpr std::string_view before_sequence = R"({"sequence":)";
constexpr std::string_view before_refused = R"(,"refused":[)";
constexpr std::string_view before_position = R"({"position":")";
constexpr std::string_view before_attempt = R"({"attempt":")";
const std::string batch_key = "batch";  // sessions have a slash

/// Takes `before` from the front of `text`; whether it was there.
bool take(std::string_view& text, std::string_view before) {
  if (!text.starts_with(before)) return false;
  text.remove_prefix(before.size());
  return true;
}

bool take(std::string_view& text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

/// What stands between `before` and `after`, if `text` begins and ends with them.
std::optional<std::string_view> between(std::string_view text, std::string_view before,
                                        std::string_view after) {
  if (text.size() < before.size() + after.size() || !text.starts_with(before) || !text.ends_with(after))
    return std::nullopt;
  return text.substr(before.size(), text.size() - before.size() - after.size());
}

std::optional<Sequences::Progress> parse_progress(std::string_view text) {
  Sequences::Progress progress;
  if (!take(text, before_sequence) || !take(text, progress.sequence)) return std::nullopt;
  if (take(text, before_refused)) {
    do {
      std::uint64_t first = 0;
      std::uint64_t last = 0;
      if (!take(text, "[") || !take(text, first) || !take(text, ",") || !take(text, last) || !take(text, "]"))
        return std::nullopt;
      progress.refused.emplace_back(first, last);
    } while (take(text, ",") && progress.refused.size() < Sequences::most_refused);
    if (!take(text, "]")) return std::nullopt;
  }
  if (text != "}") return std::nullopt;
  return progress;
}

}  // namespace

void Sequences::Progress::refuse(std::uint64_t number) {
  if (!refused.empty() && refused.back().second + 1 == number) {
    refused.back().second = number;
    return;
  }
  if (refused.size() == most_refused) refused.erase(refused.begin());
  refused.emplace_back(number, number);
}

bool Sequences::Progress::has_refused(std::uint64_t number) const {
  return std::ranges::any_of(
      refused, [&](const auto& range) { return range.first <= number && number <= range.second; });
}

std::string Sequences::Progress::to_json() const {
  std::string ranges;
  for (const auto& [first, last] : refused)
    fmt::format_to(std::back_inserter(ranges), "{}[{},{}]", ranges.empty() ? "" : ",", first, last);
  if (!ranges.empty()) ranges = fmt::format("{}{}]", before_refused, ranges);
  return fmt::format(R"("sequence":{}{})", sequence, ranges);
}

void Sequences::clear() {
  attempt_.clear();
  sessions_.clear();
  by_subject_.clear();
}

void Sequences::apply(const TopicRecord& record) {
  if (!record.key) return;
  const std::string key(*record.key);
  if (!record.value) {
    if (sessions_.erase(key) > 0) uncount(key);
    return;
  }
  if (key == batch_key) {
    if (const auto name = between(*record.value, before_attempt, "\"}")) attempt_ = *name;
  } else if (auto progress = parse_progress(*record.value)) {
    set_progress(key, std::move(*progress), record.timestamp);
  } else if (const auto position = between(*record.value, before_position, "\"}")) {
    set_position(key, std::string(*position), record.timestamp);
  }
}

Sequences::Progress Sequences::progress(const std::string& session) const {
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? Progress() : found->second.progress;
}

std::string Sequences::position(const std::string& session) const {
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? std::string() : found->second.position;
}

std::size_t Sequences::sessions_like(const std::string& session) const {
  const auto found = by_subject_.find(subject_of(session));
  return found == by_subject_.end() ? 0 : found->second;
}

Sequences::Session& Sequences::stored(const std::string& session, std::int64_t now_ms) {
  const auto [found, is_new] = sessions_.try_emplace(session);
  if (is_new) ++by_subject_[std::string(subject_of(session))];
  found->second.heard_ms = now_ms;
  found->second.stored_ms = now_ms;
  return found->second;
}

void Sequences::uncount(const std::string& session) {
  const auto found = by_subject_.find(subject_of(session));
  if (found != by_subject_.end() && --found->second == 0) by_subject_.erase(found);
}

void Sequences::set_progress(const std::string& session, Progress progress, std::int64_t now_ms) {
  stored(session, now_ms).progress = std::move(progress);
}

void Sequences::set_position(const std::string& session, std::string position, std::int64_t now_ms) {
  stored(session, now_ms).position = std::move(position);
}

std::optional<std::string> Sequences::hear(const std::string& session, std::int64_t now_ms,
                                           std::int64_t stored_before_ms) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return std::nullopt;
  Session& heard = found->second;
  heard.heard_ms = std::max(heard.heard_ms, now_ms);
  if (heard.stored_ms >= stored_before_ms) return std::nullopt;
  return session.starts_with("r/") ? value_of_position(heard.position) : value_of(heard.progress);
}

void Sequences::set_stored(const std::string& session, std::int64_t now_ms) {
  if (sessions_.contains(session)) stored(session, now_ms);
}

std::vector<std::string> Sequences::forget(std::int64_t before_ms, std::size_t most) {
  std::vector<std::string> forgotten;
  for (auto at = sessions_.begin(); at != sessions_.end() && forgotten.size() < most;) {
    if (at->second.heard_ms >= before_ms) {
      ++at;
      continue;
    }
    forgotten.push_back(at->first);
    uncount(at->first);
    at = sessions_.erase(at);
  }
  return forgotten;
}

std::string Sequences::value_of(const Progress& progress) {
  return fmt::format("{{{}}}", progress.to_json());
}

std::string Sequences::value_of_position(std::string_view position) {
  return fmt::format("{}{}\"}}", before_position, position);
}

std::string Sequences::value_of_attempt(std::string_view name) {
  return fmt::format("{}{}\"}}", before_attempt, name);
}

std::string_view subject_of(std::string_view session) {
  return session.substr(0, session.rfind('/'));
}

std::string session_key(char kind, std::string_view subject, std::string_view session) {
  // Subjects may hold anything, session names no slash: the last one ends the subject.
  return fmt::format("{}/{}/{}", kind, subject, session);
}

}  // namespace tiderace::gateway
