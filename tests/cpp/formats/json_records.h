#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "columnar/batch.h"
#include "columnar/invalid.h"
#include "formats/json/batch_decoder.h"

namespace tiderace::json {

/// Records of these values. Padded: back to back in one block, so that what follows a value is the next one.
/// Else each in a block of its own of exactly its size, so that a sanitizer sees the first byte read behind
/// it.
inline std::shared_ptr<const Records> records_of(const std::vector<std::string>& values, bool padded = true) {
  auto records = std::make_shared<Records>();
  records->padded = padded;
  if (padded) {
    auto block = std::make_shared<std::string>();
    for (const std::string& value : values) *block += value;
    block->append(record_padding, '"');
    std::size_t begin = 0;
    for (const std::string& value : values) {
      records->rows.emplace_back();
      records->rows.back().value = block->data() + begin;
      records->rows.back().value_size = static_cast<std::uint32_t>(value.size());
      begin += value.size();
    }
    records->owner = block;
    return records;
  }
  auto blocks = std::make_shared<std::vector<std::vector<char>>>();
  for (const std::string& value : values) blocks->emplace_back(value.begin(), value.end());
  for (const std::vector<char>& block : *blocks) {
    records->rows.emplace_back();
    records->rows.back().value = block.empty() ? "" : block.data();
    records->rows.back().value_size = static_cast<std::uint32_t>(block.size());
  }
  records->owner = blocks;
  return records;
}

/// A value with its kind: `null`, `int64 5`, `float64 2.5`, `string x`, `invalid range ...`.
inline std::string show(const Column& column, std::size_t i) {
  const Kind kind = column.kind(i);
  switch (kind) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return column.boolean(i) ? "bool true" : "bool false";
    case Kind::int64:
      return fmt::format("int64 {}", column.int64(i));
    case Kind::float64:
      return fmt::format("float64 {}", column.float64(i));
    case Kind::string:
    case Kind::bytes:
    case Kind::nested:
      return fmt::format("{} {}", to_string(kind), column.text(i));
    case Kind::invalid: {
      const InvalidView invalid = invalid_view(column, i);
      return fmt::format("invalid {} {}", to_string(invalid.kind), invalid.message);
    }
  }
  return "?";
}

/// Fields of top-level names or of paths with dots, in slots 0, 1, ...
inline JsonDecoderOptions reading(const std::vector<std::string>& paths,
                                  const std::vector<std::string>& spans = {}) {
  JsonDecoderOptions options;
  for (const std::string& path : paths) {
    JsonField field;
    field.slot = static_cast<Slot>(options.fields.size());
    for (std::size_t begin = 0; begin <= path.size();) {
      const std::size_t dot = std::min(path.find('.', begin), path.size());
      field.path.push_back(path.substr(begin, dot - begin));
      begin = dot + 1;
    }
    options.fields.push_back(std::move(field));
  }
  options.spans = spans;
  options.slots = paths.size();
  return options;
}

/// Row by row what came of the records: the values, or the error.
template <class Decoder>
std::vector<std::string> decoded(Decoder& decoder, const std::shared_ptr<const Records>& records) {
  std::vector<std::string> shown(records->rows.size(), "nothing");
  RowErrors errors;
  const Batch batch = decoder.decode(records, errors);
  for (std::size_t row = 0; row < batch.size(); ++row) {
    std::string text;
    for (const Column& column : batch.columns) text += (text.empty() ? "" : ", ") + show(column, row);
    for (const std::vector<FieldSpan>& spans : batch.raw->spans) {
      const FieldSpan& span = spans[batch.rows[row]];
      if (!span.present()) {
        text += " @absent";
      } else if (span.duplicated()) {
        text += " @twice";
      } else {
        text += fmt::format(" @{}-{}-{}", span.key_begin, span.value_begin, span.value_end);
      }
    }
    shown[batch.rows[row]] = text;
  }
  for (const RowErrors::Entry& entry : errors.take()) {
    if (shown[entry.row] == "nothing")
      shown[entry.row] = std::string(to_string(entry.kind)) + ": " + entry.message;
    else
      shown[entry.row] += " and an error";
  }
  return shown;
}

}  // namespace tiderace::json
