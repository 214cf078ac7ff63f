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

  /// Of JSON texts, which become the rows as they are; back to back in `text`, row i ends at `ends[i]`. One
  /// whose key is neither a string nor an integer has none.
  [[nodiscard]] SourceRows of_json(std::string text, const std::vector<std::size_t>& ends);
  /// Of columns, all of the same length; nulls are written. Throws Error{config} where a key is neither a
  /// string nor an integer.
  [[nodiscard]] SourceRows of_columns(const std::vector<NamedColumn>& columns);
  /// Throws Error{config} if `names` lacks the key's or the time's, or has one twice.
  void require_columns(const std::vector<std::string>& names) const;
  /// Throws Error{config} if `names` lacks `name`, which `option` has.
  void require(std::string_view option, const std::string& name, const std::vector<std::string>& names) const;

 private:
  enum class OtherKeys { are_none, are_errors };
  [[nodiscard]] SourceRows make(std::string text, const std::vector<std::size_t>& ends, OtherKeys others);
  [[nodiscard]] std::optional<std::string> key_of(const Column& column, std::size_t i, OtherKeys others);
  /// Throws Error{config} for a value that is of Kind::invalid and has no text of its own.
  void append_value(std::string& text, const NamedColumn& named, std::size_t i) const;
  void add_times(const Column& column, std::vector<std::int64_t>& timestamps_ms) const;

  SourceOptions options_;
  std::string text_;
  std::uint64_t rows_ = 0;
  bool told_ = false;  ///< of a key that is none
  std::unique_ptr<JsonDecoder> decoder_;
};

/// What every source of `options` says of its topic.
[[nodiscard]] TopicOptions source_topic(const SourceOptions& options);
/// Throws Error{config} where options cannot be; `text` says whose.
void check_source(const SourceOptions& options, const std::string& text);
/// The name of a file without folder and ending, with `-` for what no topic's name may have.
[[nodiscard]] std::string source_name(const std::string& path);

}  // namespace tiderace
