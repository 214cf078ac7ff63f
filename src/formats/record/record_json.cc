#include "formats/record/record_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "formats/json/encoder.h"
#include "formats/json/reader.h"
#include "formats/record/base64.h"

namespace tiderace {
namespace {

// Deeper values come as base64; far beyond what any row of an application may have.
constexpr int max_depth = 100'000;

JsonDecoderOptions any_object() {
  JsonDecoderOptions options;
  options.max_record_bytes = std::numeric_limits<std::uint32_t>::max();
  options.max_depth = max_depth;
  return options;
}

/// Takes every event and remembers whether one was the word Infinity, which `walk_json` lets pass and JSON
/// does not.
class AnyJson final : public JsonEvents {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool int64(std::int64_t) override { return true; }
  bool float64(double value) override {
    infinite_ = infinite_ || std::isinf(value);
    return true;
  }
  bool string(std::string_view) override { return true; }
  bool begin_object() override { return true; }
  bool name(std::string_view) override { return true; }
  bool end_object() override { return true; }
  bool begin_array() override { return true; }
  bool end_array() override { return true; }
  [[nodiscard]] bool infinite() const { return infinite_; }

 private:
  bool infinite_ = false;
};

/// Whether a capital I stands outside the strings of `text`, which is JSON but for the word Infinity.
bool has_word(std::string_view text) {
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (in_string && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      in_string = !in_string;
    } else if (!in_string && text[i] == 'I') {
      return true;
    }
  }
  return false;
}

/// Of any kind of value, not of objects alone.
bool is_json(std::string_view text) {
  AnyJson events;
  return walk_json(text, events, max_depth).empty() && !(events.infinite() && has_word(text));
}

bool is_utf8(std::string_view text) {
  if (std::ranges::all_of(text, [](char c) { return static_cast<signed char>(c) >= 0; })) return true;
  // What a JSON string may hold after escaping is what UTF-8 may hold.
  std::string quoted;
  append_json_string(quoted, text);
  return is_json(quoted);
}

void append_base64_string(std::string& out, std::string_view bytes) {
  out += '"';
  append_base64(out, bytes);
  out += '"';
}

void append_text_or_base64(std::string& out, std::string_view bytes) {
  if (is_utf8(bytes)) {
    append_json_string(out, bytes);
  } else {
    out += "{\"base64\":";
    append_base64_string(out, bytes);
    out += '}';
  }
}

void append_key(std::string& out, const Record& record) {
  if (record.key == nullptr) {
    out += ",\"key\":null";
  } else if (is_utf8(record.key_view())) {
    out += ",\"key\":";
    append_json_string(out, record.key_view());
  } else {
    out += ",\"key_base64\":";
    append_base64_string(out, record.key_view());
  }
}

void append_value(std::string& out, const Record& record, bool is_json) {
  if (record.value == nullptr) {
    out += ",\"value\":null";
  } else if (is_json) {
    out += ",\"value\":";
    // In JSON a line break stands between tokens only: inside a string it would be escaped.
    std::ranges::copy_if(record.value_view(), std::back_inserter(out),
                         [](char c) { return c != '\n' && c != '\r'; });
  } else {
    out += ",\"value_base64\":";
    append_base64_string(out, record.value_view());
  }
}

void append_headers(std::string& out, const Record& record) {
  out += ",\"headers\":[";
  if (record.headers_size != 0) {
    bool first = true;
    for (const auto& [name, value] : unpack_headers(record.headers_view())) {
      out += std::exchange(first, false) ? "[" : ",[";
      append_text_or_base64(out, name);
      out += ',';
      if (value)
        append_text_or_base64(out, *value);
      else
        out += "null";
      out += ']';
    }
  }
  out += ']';
}

std::string beginning_of(std::string_view topic, std::int32_t partition) {
  std::string beginning = "{\"topic\":";
  append_json_string(beginning, topic);
  fmt::format_to(std::back_inserter(beginning), ",\"partition\":{},\"offset\":", partition);
  return beginning;
}

/// After the beginning.
void append_rest(std::string& out, const Record& record, bool is_json) {
  fmt::format_to(std::back_inserter(out), "{},\"timestamp\":{}", record.offset, record.timestamp_ms);
  append_key(out, record);
  append_headers(out, record);
  append_value(out, record, is_json);
  out += '}';
}

}  // namespace

void append_record_json(std::string& out, std::string_view topic, std::int32_t partition,
                        const Record& record) {
  out += beginning_of(topic, partition);
  append_rest(out, record, record.value != nullptr && is_json(record.value_view()));
}

RecordJson::RecordJson() : decoder_(any_object()) {}

void RecordJson::begin(std::shared_ptr<const Records> records) {
  records_ = std::move(records);
  beginning_ = beginning_of(records_->topic, records_->partition);
  RowErrors errors;
  const Batch objects = decoder_.decode(records_, errors);
  is_json_.assign(records_->rows.size(), 0);
  for (const std::uint32_t row : objects.rows) is_json_[row] = 1;
  for (const RowErrors::Entry& entry : errors.take()) {
    const Record& record = records_->rows[entry.row];
    is_json_[entry.row] = record.value != nullptr && is_json(record.value_view());
  }
}

void RecordJson::append(std::size_t row, std::string& out) {
  out += beginning_;
  append_rest(out, records_->rows[row], is_json_[row] != 0);
}

}  // namespace tiderace
