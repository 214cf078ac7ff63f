// The input is a batch of records, one a line (so that shapes are learnt), and the target holds all that
// reads and writes JSON against each other: both instruction sets, padded and unpadded memory, the decoder
// and the walker, what is decoded and what is encoded.

#include <fmt/format.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "columnar/batch.h"
#include "columnar/invalid.h"
#include "formats/json/batch_decoder.h"
#include "formats/json/encoder.h"
#include "formats/json/walker.h"

namespace tiderace::json {
namespace {

constexpr int max_depth = 20;

#define HOLD(condition, record) \
  if (!(condition)) fail(#condition, record)

[[noreturn]] void fail(const char* what, std::string_view record) {
  fmt::print(stderr, "does not hold: {}\nrecord: {}\n", what, record);
  std::abort();
}

std::vector<std::string> lines_of(std::string_view input) {
  std::vector<std::string> lines;
  while (!input.empty()) {
    const std::size_t end = std::min(input.find('\n'), input.size());
    lines.emplace_back(input.substr(0, end));
    input.remove_prefix(std::min(end + 1, input.size()));
  }
  return lines;
}

std::shared_ptr<const Records> records_of(const std::vector<std::string>& lines, bool padded) {
  auto records = std::make_shared<Records>();
  auto block = std::make_shared<std::string>();
  for (const std::string& line : lines) *block += line;
  block->append(padded ? record_padding : 0, '"');
  block->shrink_to_fit();
  const char* begin = block->data();
  for (const std::string& line : lines) {
    Record& record = records->rows.emplace_back();
    record.value = begin;
    record.value_size = static_cast<std::uint32_t>(line.size());
    begin += line.size();
  }
  records->padded = padded;
  records->owner = block;
  return records;
}

JsonDecoderOptions options() {
  JsonDecoderOptions options;
  for (std::vector<std::string> path :
       {std::vector<std::string>{"a"}, {"b"}, {"gps"}, {"gps", "lat"}, {"gps", "fix", "at"}, {"timestamp"}}) {
    options.fields.push_back({std::move(path), static_cast<Slot>(options.slots++), std::nullopt});
  }
  options.spans = {"a", "gps", "z"};
  options.max_depth = max_depth;
  return options;
}

struct Decoded {
  Batch batch;
  std::vector<RowErrors::Entry> errors;
};

template <class Instructions>
Decoded decode(const std::vector<std::string>& lines, bool padded) {
  BatchDecoder<Instructions> decoder(options());
  RowErrors errors;
  Decoded decoded{decoder.decode(records_of(lines, padded), errors), {}};
  decoded.errors = errors.take();
  return decoded;
}

std::string text_of(const Batch& batch, std::size_t row) {
  std::string text;
  for (const Column& column : batch.columns) {
    const bool characters = in(column.kind(row), text_mask | invalid_mask);
    text += fmt::format("{} {:x} {}\n", to_string(column.kind(row)), characters ? 0 : column.values()[row],
                        characters ? column.text(row) : "");
  }
  const std::uint32_t index = batch.rows[row];
  for (const auto& spans : batch.raw->spans) {
    text +=
        fmt::format("{} {} {}\n", spans[index].key_begin, spans[index].value_begin, spans[index].value_end);
  }
  return text + fmt::format("{}", batch.raw->close[index]);
}

void hold_equal(const Decoded& one, const Decoded& other, std::string_view input) {
  HOLD(one.batch.rows == other.batch.rows, input);
  for (std::size_t row = 0; row < one.batch.size(); ++row)
    HOLD(text_of(one.batch, row) == text_of(other.batch, row), input);
  HOLD(one.errors.size() == other.errors.size(), input);
  for (std::size_t i = 0; i < one.errors.size(); ++i)
    HOLD(one.errors[i].message == other.errors[i].message, input);
}

bool sound(std::string_view text, int depth) {
  return Walker(text, nullptr, {"record", depth, false, true}).walk().empty();
}

// Encodes and holds that the rows without an error are sound JSON; returns them.
EncodedRows encode(const Batch& batch, RowLayout layout, std::string_view input, std::vector<bool>& bad) {
  EncodedRows out;
  RowErrors errors;
  JsonEncoder(std::move(layout)).encode(batch, out, errors);
  bad.assign(batch.size(), false);
  for (const RowErrors::Entry& entry : errors.take()) bad[entry.row] = true;
  for (std::size_t row = 0; row < batch.size(); ++row)
    HOLD(bad[row] || sound(out.row(row), 2 * max_depth), input);
  return out;
}

void hold_encoding(const Batch& batch, std::string_view input) {
  const Batch& b = batch;
  std::vector<bool> bad;
  const EncodedRows kept = encode(b, {}, input, bad);
  for (std::size_t row = 0; row < b.size(); ++row) {
    HOLD(!bad[row] && kept.row(row) == b.raw->records->rows[b.rows[row]].value_view(), input);
  }
  encode(b, {.projected = false, .fields = {{"x", 0}, {"y\"", 5}}}, input, bad);
  encode(b, {.projected = false, .fields = {{"a", 5, 0}, {"x", 1}}, .dropped = {1}, .renamed = {{2, "\n"}}},
         input, bad);
  const EncodedRows dropped = encode(b, {.projected = false, .fields = {}, .dropped = {0, 1, 2}}, input, bad);
  std::vector<std::string> lines;
  for (std::size_t row = 0; row < b.size(); ++row) lines.emplace_back(bad[row] ? "{}" : dropped.row(row));
  const Decoded again = decode<Native>(lines, true);
  for (std::size_t row = 0; row < b.size(); ++row) {
    HOLD(again.batch.columns[0].is_null(row) && again.batch.columns[2].is_null(row), input);
    HOLD(bad[row] || again.batch.columns[1].kind(row) == b.columns[1].kind(row), input);
  }
  const EncodedRows projected = encode(
      b, {.projected = true, .fields = {{"a", 0}, {"b", 1}, {"gps", 2}, {"timestamp", 5}}}, input, bad);
  lines.clear();
  for (std::size_t row = 0; row < b.size(); ++row) lines.emplace_back(bad[row] ? "{}" : projected.row(row));
  const Decoded back = decode<Native>(lines, false);
  for (std::size_t row = 0; row < b.size(); ++row) {
    if (bad[row]) continue;
    for (const std::size_t slot : {0, 1, 2, 5}) {
      const Column& before = b.columns[slot];
      const Column& after = back.batch.columns[slot];
      HOLD(before.kind(row) == after.kind(row), input);
      if (before.kind(row) == Kind::invalid) {  // its message says where it stood, its bytes are the same
        HOLD(invalid_view(before, row).raw == invalid_view(after, row).raw, input);
        continue;
      }
      const bool characters = in(before.kind(row), text_mask);
      HOLD(characters ? before.text(row) == after.text(row) : before.values()[row] == after.values()[row],
           input);
    }
  }
}

void hold(std::string_view input) {
  const std::vector<std::string> lines = lines_of(input);
  const Decoded native = decode<Native>(lines, true);
  hold_equal(native, decode<Portable>(lines, true), input);
  hold_equal(native, decode<Native>(lines, false), input);
  std::size_t row = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool accepted = row < native.batch.size() && native.batch.rows[row] == i;
    HOLD(accepted == sound(lines[i], max_depth), lines[i]);
    const Decoded alone = decode<Portable>({lines[i]}, false);
    HOLD(alone.batch.size() == (accepted ? 1 : 0), lines[i]);
    if (accepted) HOLD(text_of(alone.batch, 0) == text_of(native.batch, row), lines[i]);
    row += accepted;
  }
  hold_encoding(native.batch, input);
}

}  // namespace
}  // namespace tiderace::json

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tiderace::json::hold({reinterpret_cast<const char*>(data), size});
  return 0;
}
