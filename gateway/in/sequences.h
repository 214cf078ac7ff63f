#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiderace {
struct TopicRecord;
}

namespace tiderace::gateway {

/// How far each session is, as the compacted topic of sequences has it. A record of it is
///
///     key    w/SUBJECT/SESSION            r/SUBJECT/SESSION
///     value  {"sequence":42}              {"position":"alerts:0:17,alerts:1:30"}
///
/// and a tombstone where a session was forgotten. The key `batch` has the number of the last transaction. One
/// thread.
class Sequences {
 public:
  /// What stands in a record of the topic. Anything else is left alone.
  void apply(const TopicRecord& record);
  void clear() { sessions_.clear(); }

  [[nodiscard]] std::uint64_t sequence(const std::string& session) const;
  [[nodiscard]] std::string position(const std::string& session) const;
  void set_sequence(const std::string& session, std::uint64_t sequence, std::int64_t now_ms);
  void set_position(const std::string& session, std::string position, std::int64_t now_ms);
  /// Takes out the sessions that nothing was heard of since `before_ms`, at most `most` of them.
  [[nodiscard]] std::vector<std::string> forget(std::int64_t before_ms, std::size_t most);
  [[nodiscard]] std::size_t size() const noexcept { return sessions_.size(); }

  [[nodiscard]] static std::string value_of(std::uint64_t sequence);
  [[nodiscard]] static std::string value_of(std::string_view position);

 private:
  struct Session {
    std::uint64_t sequence = 0;
    std::string position = {};
    std::int64_t heard_ms = 0;
  };
  std::map<std::string, Session, std::less<>> sessions_;
};

/// The key of a session of `subject` that writes (`w`) or reads (`r`).
[[nodiscard]] std::string session_key(char kind, std::string_view subject, std::string_view session);

}  // namespace tiderace::gateway
