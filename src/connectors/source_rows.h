#pragma once

#include <tiderace/source.h>

#include <memory>
#include <string>
#include <vector>

#include "formats/json/decoder.h"
#include "plan/source_connector.h"

namespace tiderace {

/// Makes rows for a topic of what a source has read. One thread.
class SourceRowMaker {
 public:
  /// `text` names the source in messages.
  SourceRowMaker(SourceOptions options, std::string text);

  /// Of JSON texts, which become the rows as they are; back to back in `text`, row i ends at `ends[i]`.
  [[nodiscard]] SourceRows of_json(std::string text, const std::vector<std::size_t>& ends);
  /// Of columns, all of the same length; nulls are written.
  [[nodiscard]] SourceRows of_columns(const std::vector<NamedColumn>& columns);
  /// Throws Error{config} if `names` lacks the key's or the time's.
  void require_columns(const std::vector<std::string>& names) const;

 private:
  [[nodiscard]] std::optional<std::string> key_of(const Column& column, std::size_t i) const;
  void add_times(const Column& column, std::vector<std::int64_t>& timestamps_ms) const;

  SourceOptions options_;
  std::string text_;
  std::uint64_t rows_ = 0;
  std::unique_ptr<JsonDecoder> decoder_;
};

/// What every source of `options` says of its topic.
[[nodiscard]] TopicOptions source_topic(const SourceOptions& options);
/// Throws Error{config} where options cannot be; `text` says whose.
void check_source(const SourceOptions& options, const std::string& text);
/// The name of a file without folder and ending, with `-` for what no topic's name may have.
[[nodiscard]] std::string source_name(const std::string& path);

}  // namespace tiderace
