#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "formats/json/decoder.h"
#include "formats/json/encoder.h"

namespace tiderace {
namespace {

constexpr std::size_t rows = 4096;

enum class Shape { plain, long_floats, shuffled, two_kinds };

// Records as a phone sends them, about 160 bytes each.
std::string phone_record(std::mt19937_64& random, Shape shape, std::size_t i) {
  const auto uniform = [&random](double low, double high) {
    return std::uniform_real_distribution(low, high)(random);
  };
  const auto number = [&](double value, int decimals) {
    return shape == Shape::long_floats ? fmt::format("{:.17}", value)
                                       : fmt::format("{:.{}f}", value, decimals);
  };
  std::vector<std::string> fields = {
      fmt::format("\"timestamp\":{}", 1'700'000'000'000 + 100 * i),
      "\"gForceX\":" + number(uniform(-3, 3), 3 + static_cast<int>(i % 4)),
      "\"gForceY\":" + number(uniform(-3, 3), 4),
      "\"gForceZ\":" + number(uniform(-3, 3), 5),
      "\"latitude\":" + number(uniform(50, 52), 6),
      "\"longitude\":" + number(uniform(13, 14), 6),
      "\"altitude\":" + number(uniform(20, 80), 1),
      "\"speed\":" + number(uniform(0, 12), 3),
      fmt::format("\"heartRate\":{}", 90 + i % 80),
  };
  if (shape == Shape::shuffled) std::shuffle(fields.begin(), fields.end(), random);
  if (shape == Shape::two_kinds && i % 11 != 0) fields.resize(4);
  if (shape == Shape::two_kinds && i % 11 == 0) fields.erase(fields.begin() + 1, fields.begin() + 4);
  return fmt::format("{{{}}}", fmt::join(fields, ","));
}

std::shared_ptr<const Records> phone_records(Shape shape, bool padded = true) {
  std::mt19937_64 random(7);
  std::vector<std::string> values;
  for (std::size_t i = 0; i < rows; ++i) values.push_back(phone_record(random, shape, i));
  auto block = std::make_shared<std::string>();
  for (const std::string& value : values) *block += value;
  block->append(record_padding, ' ');
  auto records = std::make_shared<Records>();
  records->padded = padded;
  const char* begin = block->data();
  for (const std::string& value : values) {
    Record& record = records->rows.emplace_back();
    record.value = begin;
    record.value_size = static_cast<std::uint32_t>(value.size());
    begin += value.size();
  }
  records->owner = block;
  return records;
}

JsonDecoderOptions three_of_nine() {
  JsonDecoderOptions options;
  for (const char* name : {"gForceX", "gForceY", "gForceZ"}) {
    options.fields.push_back({{name}, static_cast<Slot>(options.slots++), std::nullopt});
  }
  return options;
}

void count(benchmark::State& state, const Records& records) {
  std::size_t bytes = 0;
  for (const Record& record : records.rows) bytes += record.value_size;
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(records.rows.size()));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}

void decode_three_of_nine(benchmark::State& state, Shape shape, bool padded) {
  const auto records = phone_records(shape, padded);
  JsonDecoder decoder(three_of_nine());
  for (auto _ : state) {
    RowErrors errors;
    benchmark::DoNotOptimize(decoder.decode(records, errors));
    if (!errors.empty()) state.SkipWithError("bad rows");
  }
  count(state, *records);
}
BENCHMARK_CAPTURE(decode_three_of_nine, plain, Shape::plain, true);
BENCHMARK_CAPTURE(decode_three_of_nine, unpadded, Shape::plain, false);
BENCHMARK_CAPTURE(decode_three_of_nine, long_floats, Shape::long_floats, true);
BENCHMARK_CAPTURE(decode_three_of_nine, shuffled, Shape::shuffled, true);
BENCHMARK_CAPTURE(decode_three_of_nine, two_kinds, Shape::two_kinds, true);

void encode(benchmark::State& state, const RowLayout& layout) {
  const auto records = phone_records(Shape::plain);
  JsonDecoder decoder(three_of_nine());
  RowErrors errors;
  const Batch batch = decoder.decode(records, errors);
  JsonEncoder encoder(layout);
  EncodedRows out;
  for (auto _ : state) {
    encoder.encode(batch, out, errors);
    benchmark::DoNotOptimize(out.bytes.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(out.bytes.size()));
}

void encode_append_two(benchmark::State& state) {
  encode(state, {.fields = {{"gForceTotal", 0}, {"gForceTotal-10s", 1}}});
}
BENCHMARK(encode_append_two);

void encode_projection(benchmark::State& state) {
  encode(state, {.projected = true, .fields = {{"x", 0}, {"y", 1}, {"z", 2}}});
}
BENCHMARK(encode_projection);

}  // namespace
}  // namespace tiderace
