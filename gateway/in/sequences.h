#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiderace {
struct TopicRecord;
}

namespace tiderace::gateway {

/// How far each session is, as the compacted topic of sequences has it. A record of it is
///
///     key    w/SUBJECT/SESSION                            r/SUBJECT/SESSION
///     value  {"sequence":42}                              {"position":"alerts:0:17,alerts:1:30"}
///            {"sequence":42,"refused":[[5,5],[40,41]]}
///
/// and a tombstone where a session was forgotten. The key `batch` names the last transaction:
/// {"attempt":"..."}. One thread.
class Sequences {
 public:
  /// How far one who writes is.
  struct Progress {
    std::uint64_t sequence = 0;  ///< of the last message that was stored or refused
    /// The last ranges of those that were refused: their sender may not have heard it.
    std::vector<std::pair<std::uint64_t, std::uint64_t>> refused = {};

    void refuse(std::uint64_t number);
    [[nodiscard]] bool has_refused(std::uint64_t number) const;
    /// `"sequence":42,"refused":[[5,5],[40,41]]`; without what there is none of.
    [[nodiscard]] std::string to_json() const;
    bool operator==(const Progress&) const = default;
  };
  /// Ranges that are remembered of a session.
  static constexpr std::size_t most_refused = 64;

  /// What stands in a record of the topic. Anything else is left alone.
  void apply(const TopicRecord& record);
  void clear();

  /// The name of the last transaction; empty: none is known.
  [[nodiscard]] const std::string& attempt() const noexcept { return attempt_; }
  [[nodiscard]] Progress progress(const std::string& session) const;
  [[nodiscard]] bool knows(const std::string& session) const { return sessions_.contains(session); }
  /// Sessions of the subject of `session`, which write or read as it does.
  [[nodiscard]] std::size_t sessions_like(const std::string& session) const;
  [[nodiscard]] std::string position(const std::string& session) const;
  void set_progress(const std::string& session, Progress progress, std::int64_t now_ms);
  void set_position(const std::string& session, std::string position, std::int64_t now_ms);
  /// A session was heard of that may be known, without news of it. What there is to be stored once more, if
  /// it was last stored before `stored_before_ms`; else nullopt.
  [[nodiscard]] std::optional<std::string> hear(const std::string& session, std::int64_t now_ms,
                                                std::int64_t stored_before_ms);
  /// It was stored once more.
  void set_stored(const std::string& session, std::int64_t now_ms);
  /// Takes out the sessions that nothing was heard of since `before_ms`, at most `most` of them.
  [[nodiscard]] std::vector<std::string> forget(std::int64_t before_ms, std::size_t most);
  [[nodiscard]] std::size_t size() const noexcept { return sessions_.size(); }

  [[nodiscard]] static std::string value_of(const Progress& progress);
  [[nodiscard]] static std::string value_of_position(std::string_view position);
  [[nodiscard]] static std::string value_of_attempt(std::string_view name);

 private:
  struct Session {
    Progress progress = {};
    std::string position = {};
    std::int64_t heard_ms = 0;
    std::int64_t stored_ms = 0;
  };
  Session& stored(const std::string& session, std::int64_t now_ms);
  void uncount(const std::string& session);

  std::string attempt_;
  std::map<std::string, Session, std::less<>> sessions_;
  std::map<std::string, std::size_t, std::less<>> by_subject_;  ///< how many, by `w/SUBJECT`
};

/// `w/SUBJECT` of a session's key: those whose sessions are counted together.
[[nodiscard]] std::string_view subject_of(std::string_view session);

/// The key of a session of `subject` that writes (`w`) or reads (`r`).
[[nodiscard]] std::string session_key(char kind, std::string_view subject, std::string_view session);

}  // namespace tiderace::gateway
