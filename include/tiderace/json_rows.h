#pragma once

#include <tiderace/export.h>

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace TIDERACE_API tiderace {

/// A row of a text: what a record's value may be, with what else it says of the record.
struct JsonRow {
  std::string_view value;               ///< one JSON object, its own bytes
  std::optional<std::string> key = {};  ///< if a key field was asked for
  std::optional<std::int64_t> timestamp =
      {};  ///< milliseconds since 1970, if a timestamp field was asked for
  /// Headers out of fields that were asked for, by name: a string as it is, other values as JSON. A row that
  /// lacks the field, or has null there, lacks the header.
  std::vector<std::pair<std::string, std::optional<std::string>>> headers = {};
};

struct JsonRowsOptions {
  std::optional<std::string> key = {};        ///< the field (a string or an integer) that is the record's key
  std::optional<std::string> timestamp = {};  ///< the field with its time, milliseconds since 1970
  std::map<std::string, std::string> headers =
      {};  ///< names of headers, and the fields that they are taken from
  auto operator<=>(const JsonRowsOptions&) const = default;
};

/// Takes rows out of texts that hold one JSON object, an array of objects, or objects one after the other
/// (NDJSON), and checks all of each as the engine would: what is taken here is no bad row there for its
/// syntax.
///
/// ```cpp
/// tr::JsonRows rows({.key = "rider"});
/// for (const tr::JsonRow& row : rows.read(R"([{"rider": "anna", "speed": 7.5}])"))
///   producer.produce({.topic = "rides", .key = row.key, .value = row.value});
/// ```
///
/// *Threads*: one.
class JsonRows {
 public:
  explicit JsonRows(const JsonRowsOptions& options = {});
  ~JsonRows();
  JsonRows(JsonRows&&) noexcept;
  JsonRows& operator=(JsonRows&&) noexcept;

  /// The rows of `text`; their values are views of it. Texts whose rows come to more than `most_bytes`, with
  /// keys, headers and about what each takes in memory, are refused before that is taken. Throws
  /// Error{config} that names the first row (from 1) that is not sound, or lacks a field that was asked for.
  [[nodiscard]] std::vector<JsonRow> read(std::string_view text, std::size_t most_bytes = SIZE_MAX);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tiderace
