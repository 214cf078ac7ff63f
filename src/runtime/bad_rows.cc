#include "runtime/bad_rows.h"

#include <fmt/format.h>

namespace tiderace {

namespace {

constexpr std::size_t max_text_bytes = 64 << 10;  // two of them and the rest fit dead_letter_extra_bytes

/// What a function raised may be of any length.
std::string shortened(const std::string& text) {
  if (text.size() <= max_text_bytes) return text;
  std::size_t end = max_text_bytes - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // no half characters
  return text.substr(0, end) + "...";
}

}  // namespace

BadRowPolicy::BadRowPolicy(const RuntimeContext& context, const Stage& stage, Producer* producer)
    : on_error_(stage.resolved.topic->options.on_error ? *stage.resolved.topic->options.on_error
                                                       : context.options.on_error),
      dead_letter_topic_(context.dead_letter_topic()),
      producer_(producer) {}

ErrorPolicy BadRowPolicy::decide(const BadRow& row) const {
  if (const auto* policy = std::get_if<ErrorPolicy>(&on_error_)) return *policy;
  return std::get<std::function<ErrorPolicy(const BadRow&)>>(on_error_)(row);
}

void BadRowPolicy::write_dead_letter(const BadRow& row, const Record& record) {
  if (producer_ == nullptr) return;
  std::vector<Header> headers = unpack_headers(record.headers_view());
  headers.emplace_back("__tiderace.errors.kind", to_string(row.kind));
  headers.emplace_back("__tiderace.errors.message", shortened(row.message));
  headers.emplace_back("__tiderace.errors.step", shortened(row.step));
  headers.emplace_back("__tiderace.errors.topic", row.topic);
  headers.emplace_back("__tiderace.errors.partition", fmt::format("{}", row.partition));
  headers.emplace_back("__tiderace.errors.offset", fmt::format("{}", row.offset));
  std::string packed;
  pack_headers(headers, packed);
  ProducerRecord letter;
  if (record.key != nullptr) letter.key = record.key_view();
  if (record.value != nullptr) letter.value = record.value_view();
  letter.headers = packed;
  letter.timestamp_ms = record.timestamp_ms;
  producer_->send(dead_letter_topic_, std::span(&letter, 1));
}

}  // namespace tiderace
