#include "formats/json/encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "columnar/invalid.h"
#include "formats/json/append.h"
#include "formats/json/text.h"

namespace tiderace {
namespace {

bool white(char c) noexcept {
  return json::is_white_space(static_cast<json::Byte>(c));
}

// The last byte before `position` that is no white space; in front of a name or brace there is always one.
std::size_t before(std::string_view row, std::size_t position) noexcept {
  do --position;
  while (white(row[position]));
  return position;
}

// The first byte from `position` on that is no white space; behind a value there is always one.
std::size_t behind(std::string_view row, std::size_t position) noexcept {
  while (white(row[position])) ++position;
  return position;
}

// Behind the closing quote of the string at `position`.
std::size_t string_end(std::string_view row, std::size_t position) noexcept {
  for (++position; row[position] != '"'; ++position) position += row[position] == '\\';
  return position + 1;
}

struct Cut {
  std::size_t begin;
  std::size_t end;
  bool all;  // nothing stood before it, and nothing stands behind it
};

// What to take out with a field so that one comma goes along. `kept_from` is where what was cut before ends.
Cut cut_of(std::string_view row, const FieldSpan& span, std::size_t kept_from) noexcept {
  const std::size_t comma = before(row, span.key_begin);
  if (row[comma] == ',' && comma >= kept_from) return {comma, span.value_end, false};
  const std::size_t next = behind(row, span.value_end);
  if (row[next] == ',') return {span.key_begin, behind(row, next + 1), false};
  return {span.key_begin, span.value_end, true};
}

}  // namespace

JsonEncoder::JsonEncoder(RowLayout layout, NotFinite not_finite)
    : layout_(std::move(layout)), not_finite_(not_finite), in_place_(layout_.fields.size()) {
  for (const RowLayout::Field& field : layout_.fields) {
    std::string prefix = ",";
    append_json_string(prefix, field.name);
    prefixes_.push_back(prefix + ':');
  }
  if (layout_.projected) return;
  for (const std::size_t span : layout_.dropped) change_of(span).dropped = true;
  for (const RowLayout::Renamed& renamed : layout_.renamed) {
    append_json_string(change_of(renamed.span).quoted_name, renamed.name);
  }
  for (std::size_t i = 0; i < layout_.fields.size(); ++i) {
    const std::size_t span = layout_.fields[i].span;
    if (span == RowLayout::no_span) continue;
    Change& change = change_of(span);
    TIDERACE_CHECK(change.field == no_field);
    if (!change.dropped) change.field = i;
  }
}

auto JsonEncoder::change_of(std::size_t span) -> Change& {
  for (Change& change : changes_) {
    if (change.span == span) return change;
  }
  return changes_.emplace_back(Change{span, false, {}, no_field});
}

void JsonEncoder::encode(const Batch& batch, EncodedRows& out, RowErrors& errors) {
  TIDERACE_CHECK(layout_.projected || batch.raw != nullptr);
  out.bytes.clear();
  out.ends.resize(batch.size());
  out.not_finite = 0;
  const bool numbers_only = bounded(batch);
  std::size_t most = 2;
  for (const std::string& prefix : prefixes_) most += prefix.size() + json::max_number_bytes;
  if (scratch_.size() < most) scratch_.resize(most);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    append_row(batch, i, numbers_only, out, errors);
    out.ends[i] = out.bytes.size();
  }
}

// Whether every value is a number (or null), so that its text cannot outgrow `scratch_`.
bool JsonEncoder::bounded(const Batch& batch) const noexcept {
  return std::all_of(layout_.fields.begin(), layout_.fields.end(), [&batch](const RowLayout::Field& field) {
    return (batch.columns[field.slot].mask() & (text_mask | invalid_mask)) == 0;
  });
}

void JsonEncoder::append_row(const Batch& batch, std::size_t i, bool bounded, EncodedRows& out,
                             RowErrors& errors) {
  if (layout_.projected) {
    out.bytes += '{';
    if (bounded)
      append_numbers(batch, i, true, out);
    else
      append_fields(batch, i, true, out, errors);
    out.bytes += '}';
    return;
  }
  const RawRows& raw = *batch.raw;
  const std::size_t index = batch.rows[i];
  if (!changes_.empty()) {
    if (const FieldSpan* duplicated = place(raw, index)) {
      const std::string_view value = raw.records->rows[index].value_view();
      const std::size_t begin = duplicated->key_begin;
      errors.add(i, BadRowKind::parse,
                 fmt::format("field {} at byte {} stands more than once, and the plan changes it",
                             value.substr(begin, string_end(value, begin) - begin), begin));
      return;
    }
    if (!placed_.empty()) {
      splice(batch, i, out, errors);
      return;
    }
  }
  const std::string_view row = raw.records->rows[index].value_view();
  const std::size_t close = raw.close[index];
  const bool empty = row[before(row, close)] == '{';
  out.bytes.append(row.data(), close);
  if (bounded)
    append_numbers(batch, i, empty, out);
  else
    append_fields(batch, i, empty, out, errors);
  out.bytes.append(row.data() + close, row.size() - close);
}

// Finds the changes that the row has a place for. Returns the place of one that stands there twice, if any.
const FieldSpan* JsonEncoder::place(const RawRows& raw, std::size_t index) {
  placed_.clear();
  std::fill(in_place_.begin(), in_place_.end(), false);
  for (const Change& change : changes_) {
    const FieldSpan& span = raw.spans[change.span][index];
    if (!span.present()) continue;
    if (span.duplicated()) return &span;
    if (change.field != no_field) in_place_[change.field] = true;
    placed_.push_back({span, &change});
  }
  std::sort(placed_.begin(), placed_.end(),
            [](const Placed& a, const Placed& b) { return a.span.key_begin < b.span.key_begin; });
  return nullptr;
}

// The row with its changes in place, and the fields that have none behind them.
void JsonEncoder::splice(const Batch& batch, std::size_t i, EncodedRows& out, RowErrors& errors) {
  const std::size_t index = batch.rows[i];
  const std::string_view row = batch.raw->records->rows[index].value_view();
  const std::size_t close = batch.raw->close[index];
  std::size_t done = 0;
  std::size_t kept_from = 0;
  bool empty = false;
  const auto copy_to = [&](std::size_t position) { out.bytes.append(row.data() + done, position - done); };
  for (const auto& [span, change] : placed_) {
    if (change->dropped) {
      const Cut cut = cut_of(row, span, kept_from);
      copy_to(cut.begin);
      done = kept_from = cut.end;
      empty = cut.all;
      continue;
    }
    if (!change->quoted_name.empty()) {
      copy_to(span.key_begin);
      out.bytes += change->quoted_name;
      done = string_end(row, span.key_begin);
    }
    if (change->field != no_field) {
      copy_to(span.value_begin);
      append_value(batch, i, change->field, out, errors);
      done = span.value_end;
    }
  }
  copy_to(close);
  append_fields(batch, i, empty, out, errors);
  out.bytes.append(row.data() + close, row.size() - close);
}

// Appends the fields that are not in place. `empty`: nothing stands before them.
void JsonEncoder::append_fields(const Batch& batch, std::size_t i, bool empty, EncodedRows& out,
                                RowErrors& errors) {
  for (std::size_t field = 0; field < prefixes_.size(); ++field) {
    if (in_place_[field]) continue;
    out.bytes.append(prefixes_[field], empty ? 1 : 0);
    append_value(batch, i, field, out, errors);
    empty = false;
  }
}

void JsonEncoder::append_value(const Batch& batch, std::size_t i, std::size_t field, EncodedRows& out,
                               RowErrors& errors) {
  const Column& column = batch.columns[layout_.fields[field].slot];
  const Kind kind = column.kind(i);
  if (kind == Kind::invalid) {
    const InvalidView invalid = invalid_view(column, i);
    if (!invalid.raw.empty() && not_finite_ != NotFinite::as_word) {  // nobody looks at it: it is handed on
      out.bytes += invalid.raw;
      return;
    }
    errors.add(i, invalid.kind, std::string(invalid.message));
    return;
  }
  out.not_finite += kind == Kind::float64 && !std::isfinite(column.float64(i));
  append_json_value(out.bytes, column, i, not_finite_);
}

// The same as append_fields for rows without changes whose values are all bounded: one append.
void JsonEncoder::append_numbers(const Batch& batch, std::size_t i, bool empty, EncodedRows& out) {
  char* p = scratch_.data();
  for (std::size_t field = 0; field < prefixes_.size(); ++field) {
    const Column& column = batch.columns[layout_.fields[field].slot];
    const std::string& prefix = prefixes_[field];
    std::memcpy(p, prefix.data() + empty, prefix.size() - empty);
    p += prefix.size() - empty;
    empty = false;
    const Kind kind = column.kind(i);
    if (kind == Kind::float64 && std::isfinite(column.float64(i))) {
      p = write_double(p, column.float64(i));
    } else if (kind == Kind::int64) {
      p = json::write_int64(p, column.int64(i));
    } else {
      out.bytes.append(scratch_.data(), p);
      out.not_finite += kind == Kind::float64;
      append_json_value(out.bytes, column, i, not_finite_);
      p = scratch_.data();
    }
  }
  out.bytes.append(scratch_.data(), p);
}

}  // namespace tiderace
