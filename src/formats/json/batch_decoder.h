#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "formats/json/decoder.h"
#include "formats/json/fields.h"
#include "formats/json/gaps.h"
#include "formats/json/row_values.h"
#include "formats/json/skip.h"

namespace tiderace::json {

/// What is wrong with a record that the decoder refused, found by walking it once more.
struct RecordFault {
  BadRowKind kind;  ///< parse, or too_large for nesting beyond the limit
  std::string message;
};
[[nodiscard]] RecordFault describe_fault(std::string_view record, int max_depth);

/// The decoder itself; see JsonDecoder. One pass over the bytes of a record checks all of it, converts the
/// fields that are read, and notes the places that are wanted. Between two values it expects the bytes that
/// came there before.
template <class Instructions>
class BatchDecoder {
 public:
  explicit BatchDecoder(JsonDecoderOptions options);

  [[nodiscard]] Batch decode(std::shared_ptr<const Records> records, RowErrors& errors);

 private:
  struct Step {
    Gap* gap;           // null at the end of the record
    const Byte* value;  // or the closing brace; null if the record is malformed
  };

  [[nodiscard]] const Byte* record(const Byte* begin, const Byte* end);
  [[nodiscard]] Step step(Gap& previous, const Byte* p, const Byte* end);
  [[nodiscard]] Step step_unknown(Gap& previous, const Byte* p, const Byte* end);
  [[nodiscard]] const Byte* read(Field& field, const Byte* p, const Byte* end, int depth);
  [[nodiscard]] const Byte* read_careful(Field& field, const Byte* p, const Byte* end, int depth);
  [[nodiscard]] const Byte* read_other(Field& field, const Byte* p, const Byte* end, int depth);
  [[nodiscard]] const Byte* read_object(const Field& parent, const Byte* p, const Byte* end, int depth);
  [[nodiscard]] Field* child_named(const Field& parent, std::string_view body, bool escaped);
  [[nodiscard]] const Byte* repeated(Field& field, const Byte* p, const Byte* end, int depth);
  [[nodiscard]] const Byte* padded(const Records& records, const Record& record);

  static std::string_view text(const Byte* begin, const Byte* end) noexcept {
    return {reinterpret_cast<const char*>(begin), static_cast<std::size_t>(end - begin)};
  }

  JsonDecoderOptions options_;
  Fields fields_;
  GapGraph gaps_;
  Nesting nesting_;
  RowValues values_;
  std::uint64_t met_ = 0;  // counts records, over all batches
  std::size_t row_ = 0;    // in the columns
  std::size_t index_ = 0;  // in the records
  std::string padded_record_;
  std::string unescaped_;
};

template <class Instructions>
BatchDecoder<Instructions>::BatchDecoder(JsonDecoderOptions options)
    : options_(std::move(options)),
      fields_(options_.fields, options_.spans),
      gaps_(fields_),
      nesting_(std::max(options_.max_depth, 1)) {
  for (const JsonField& field : options_.fields) TIDERACE_CHECK(field.slot < options_.slots);
}

template <class Instructions>
Batch BatchDecoder<Instructions>::decode(std::shared_ptr<const Records> records, RowErrors& errors) {
  const std::size_t size = records->rows.size();
  auto raw = std::make_shared<RawRows>();
  raw->close.resize(size);
  fields_.begin(size, raw->spans, size);
  Batch batch;
  batch.rows.resize(size);
  row_ = 0;
  for (index_ = 0; index_ < size; ++index_) {
    const Record& row = records->rows[index_];
    if (row.value_size > options_.max_record_bytes) {
      errors.add(
          index_, BadRowKind::too_large,
          fmt::format(
              "the record has {} bytes, more than max_record_bytes={}; raise it for the topic or send less",
              row.value_size, options_.max_record_bytes));
      continue;
    }
    const Byte* begin = padded(*records, row);
    values_.begin(row_, reinterpret_cast<const char*>(begin));
    const Byte* close = row.value_size == 0 ? nullptr : record(begin, begin + row.value_size);
    if (TIDERACE_LIKELY(close != nullptr && !values_.fault())) {
      raw->close[index_] = static_cast<std::uint32_t>(close - begin);
      batch.rows[row_++] = static_cast<std::uint32_t>(index_);
      continue;
    }
    fields_.clear(row_);
    if (close != nullptr) {
      errors.add(index_, values_.fault()->kind, std::move(values_.fault()->message));
    } else if (row.value == nullptr) {
      errors.add(index_, BadRowKind::parse, "wanted a JSON object, found no value (a tombstone)");
    } else {
      RecordFault fault = describe_fault(row.value_view(), nesting_.max_depth());
      errors.add(index_, fault.kind, std::move(fault.message));
    }
  }
  batch.rows.resize(row_);
  batch.columns.resize(options_.slots);
  fields_.finish(row_, batch.columns);
  raw->records = std::move(records);
  batch.raw = std::move(raw);
  return batch;
}

// The record with padding behind it: copied where its own memory has none.
template <class Instructions>
const Byte* BatchDecoder<Instructions>::padded(const Records& records, const Record& record) {
  if (records.padded) return reinterpret_cast<const Byte*>(record.value);
  if (padded_record_.size() < record.value_size + record_padding)
    padded_record_.resize(record.value_size + record_padding);
  if (record.value_size > 0) std::memcpy(padded_record_.data(), record.value, record.value_size);
  return reinterpret_cast<const Byte*>(padded_record_.data());
}

// Returns its closing brace, or null if it is malformed. Values may be scanned up to 16 bytes behind `end`
// and gaps compared 48 bytes further; a position behind `end` never comes back, so that it is enough to
// refuse it before each value and at the end.
template <class Instructions>
TIDERACE_INLINE const Byte* BatchDecoder<Instructions>::record(const Byte* begin, const Byte* end) {
  ++met_;
  Gap* gap = gaps_.start();
  const Byte* p = begin;
  for (;;) {
    const Byte* gap_begin = p;
    Gap* next = gap->followers[0];
    if (TIDERACE_LIKELY(matches<Instructions>(*next, p))) {
      p += next->length;
    } else {
      const Step taken = step(*gap, p, end);
      if (taken.gap == nullptr) return taken.value;
      next = taken.gap;
      p = taken.value;
    }
    gap = next;
    if (TIDERACE_UNLIKELY(p >= end)) return nullptr;
    if (TIDERACE_UNLIKELY(*p <= ' ')) {
      p = skip_white_space(p, end);
      if (p == end) return nullptr;
    }
    const Byte* value = p;
    Field* field = gap->field;
    if (field == nullptr) {
      p = value_end<Instructions>(p, end, nesting_, 1);
      if (TIDERACE_UNLIKELY(p == nullptr)) return nullptr;
      continue;
    }
    p = read(*field, p, end, 1);
    if (TIDERACE_UNLIKELY(p == nullptr)) return nullptr;
    if (field->spans == nullptr) continue;
    FieldSpan& span = field->spans[index_];
    if (TIDERACE_UNLIKELY(span.present())) {
      span.value_end = FieldSpan::absent;
    } else {
      span = {static_cast<std::uint32_t>(gap_begin - begin) + gap->name_begin,
              static_cast<std::uint32_t>(value - begin), static_cast<std::uint32_t>(p - begin)};
    }
  }
}

// The way on from `p`, behind a value (or at the front of a record), where the likeliest gap does not stand.
template <class Instructions>
TIDERACE_OUTLINE auto BatchDecoder<Instructions>::step(Gap& previous, const Byte* p, const Byte* end)
    -> Step {
  if (p >= end) return {nullptr, nullptr};
  if (TIDERACE_LIKELY(*p != '}')) {
    for (std::size_t i = 1; i < Gap::max_followers; ++i) {
      Gap* gap = previous.followers[i];
      if (!matches<Instructions>(*gap, p)) continue;
      GapGraph::prefer(previous, i);
      return {gap, p + gap->length};
    }
    return step_unknown(previous, p, end);
  }
  if (&previous == gaps_.start()) return {nullptr, nullptr};
  return {nullptr, skip_white_space(p + 1, end) == end ? p : nullptr};
}

// The same, by the grammar alone.
template <class Instructions>
TIDERACE_OUTLINE auto BatchDecoder<Instructions>::step_unknown(Gap& previous, const Byte* p, const Byte* end)
    -> Step {
  const bool first = &previous == gaps_.start();
  const Byte* begin = p;
  p = skip_white_space(p, end);
  if (p >= end) return {nullptr, nullptr};
  if (!first && *p == '}') return {nullptr, skip_white_space(p + 1, end) == end ? p : nullptr};
  if (*p != (first ? '{' : ',')) return {nullptr, nullptr};
  p = skip_white_space(p + 1, end);
  if (p >= end) return {nullptr, nullptr};
  if (first && *p == '}') return {nullptr, skip_white_space(p + 1, end) == end ? p : nullptr};
  if (*p != '"') return {nullptr, nullptr};
  bool escaped = false;
  const Byte* name_end = string_end<Instructions>(p + 1, end, escaped);
  if (name_end == nullptr) return {nullptr, nullptr};
  const Byte* colon = skip_white_space(name_end, end);
  if (colon >= end || *colon != ':') return {nullptr, nullptr};
  const Byte* value = skip_white_space(colon + 1, end);
  return {gaps_.learn(&previous, begin, p, name_end, value), value};
}

template <class Instructions>
TIDERACE_INLINE const Byte* BatchDecoder<Instructions>::read(Field& field, const Byte* p, const Byte* end,
                                                             int depth) {
  if (TIDERACE_UNLIKELY(field.met_in == met_)) return repeated(field, p, end, depth);
  field.met_in = met_;
  if (TIDERACE_UNLIKELY(!starts_number(*p))) return read_other(field, p, end, depth);
  Number number;
  const Byte* stop = read_number<Instructions>(p, end, number);
  if (TIDERACE_UNLIKELY(stop == nullptr)) return nullptr;
  if (TIDERACE_LIKELY(in(number.kind, field.accepts))) {
    field.kinds[row_] = number.kind;
    field.values[row_] = number.payload;
  } else {
    values_.number(field, number, text(p, stop));
  }
  return stop;
}

template <class Instructions>
TIDERACE_OUTLINE const Byte* BatchDecoder<Instructions>::read_careful(Field& field, const Byte* p,
                                                                      const Byte* end, int depth) {
  return read(field, p, end, depth);
}

// A value that is no number.
template <class Instructions>
TIDERACE_OUTLINE const Byte* BatchDecoder<Instructions>::read_other(Field& field, const Byte* p,
                                                                    const Byte* end, int depth) {
  const Byte* stop = nullptr;
  if (*p == '"') {
    bool escaped = false;
    stop = string_end<Instructions>(p + 1, end, escaped);
    if (stop == nullptr || stop > end) return nullptr;
    values_.string(field, text(p, stop), escaped);
  } else if (*p == '{' || *p == '[') {
    const bool walk = *p == '{' && !field.children.empty();
    stop = walk ? read_object(field, p, end, depth) : nested_end<Instructions>(p, end, nesting_, depth);
    if (stop == nullptr) return nullptr;
    values_.nested(field, text(p, stop));
  } else {
    stop = literal_end(p);
    if (stop == nullptr) return nullptr;
    values_.literal(field, text(p, stop));
  }
  return stop;
}

// An object some of whose fields are wanted. Recursion goes no deeper than the paths.
template <class Instructions>
const Byte* BatchDecoder<Instructions>::read_object(const Field& parent, const Byte* p, const Byte* end,
                                                    int depth) {
  if (depth >= nesting_.max_depth()) return nullptr;
  p = skip_white_space(p + 1, end);
  if (p < end && *p == '}') return p + 1;
  for (;;) {
    if (p >= end || *p != '"') return nullptr;
    const Byte* name = p + 1;
    bool escaped = false;
    p = string_end<Instructions>(name, end, escaped);
    if (p == nullptr || p > end) return nullptr;
    Field* field = child_named(parent, text(name, p - 1), escaped);
    p = skip_white_space(p, end);
    if (p >= end || *p != ':') return nullptr;
    p = skip_white_space(p + 1, end);
    if (p >= end) return nullptr;
    p = field != nullptr ? read_careful(*field, p, end, depth + 1)
                         : value_end<Instructions>(p, end, nesting_, depth + 1);
    if (p == nullptr) return nullptr;
    p = skip_white_space(p, end);
    if (p >= end) return nullptr;
    if (*p == '}') return p + 1;
    if (*p != ',') return nullptr;
    p = skip_white_space(p + 1, end);
  }
}

template <class Instructions>
Field* BatchDecoder<Instructions>::child_named(const Field& parent, std::string_view body, bool escaped) {
  if (!escaped) return Fields::child(parent, body);
  unescaped_.clear();
  return unescape(body, unescaped_) ? Fields::child(parent, unescaped_) : nullptr;
}

template <class Instructions>
TIDERACE_OUTLINE const Byte* BatchDecoder<Instructions>::repeated(Field& field, const Byte* p,
                                                                  const Byte* end, int depth) {
  const Byte* stop = value_end<Instructions>(p, end, nesting_, depth);
  if (stop != nullptr && stop <= end) values_.duplicate(field, text(p, stop));
  return stop;
}

}  // namespace tiderace::json
