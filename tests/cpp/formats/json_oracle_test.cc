// The decoder against simdjson's DOM. (Its on-demand API is no oracle: it reads some long floats wrongly and
// passes over faults in fields that are skipped. The DOM refuses numbers beyond uint64 and double, and lone
// surrogates, which are left out here.)

#include <gtest/gtest.h>
#include <simdjson.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "formats/json/walker.h"
#include "json_records.h"

namespace tiderace::json {
namespace {

std::vector<std::string> corpus() {
  std::vector<std::string> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(TIDERACE_SOURCE_DIR "/tests/fuzz/corpus/json")) {
    paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> lines;
  for (const std::string& path : paths) {
    std::ifstream file(path, std::ios::binary);
    for (std::string line; std::getline(file, line);) lines.push_back(line);
  }
  return lines;
}

// Whether a text holds anything that the DOM refuses though it is JSON.
class Oddities : public JsonEvents {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool int64(std::int64_t) override { return true; }
  bool float64(double value) override {
    odd = odd || !(std::abs(value) < 9e18);
    return true;
  }
  bool string(std::string_view) override { return true; }
  bool begin_object() override { return true; }
  bool name(std::string_view) override { return true; }
  bool end_object() override { return true; }
  bool begin_array() override { return true; }
  bool end_array() override { return true; }
  bool odd = false;
};

bool odd(const std::string& text) {
  Oddities oddities;
  return read_json(text, oddities).has_value() || oddities.odd;
}

std::string show(simdjson::dom::element value) {
  switch (value.type()) {
    case simdjson::dom::element_type::NULL_VALUE:
      return "null";
    case simdjson::dom::element_type::BOOL:
      return bool(value) ? "bool true" : "bool false";
    case simdjson::dom::element_type::INT64:
      return fmt::format("int64 {}", std::int64_t(value));
    case simdjson::dom::element_type::UINT64:
      return fmt::format("invalid {}", std::uint64_t(value));
    case simdjson::dom::element_type::DOUBLE:
      return fmt::format("float64 {}", double(value));
    case simdjson::dom::element_type::STRING:
      return fmt::format("string {}", std::string_view(value));
    default:
      return "nested";
  }
}

// What the DOM says of field `name`; `shown` is ours. They may differ only where we say more.
bool agree(const std::string& shown, simdjson::dom::object object, std::string_view name) {
  simdjson::dom::element value;
  if (object.at_key(name).get(value) != simdjson::SUCCESS) return shown == "null";
  if (shown.starts_with("invalid")) return true;
  const std::string expected = show(value);
  if (expected == "nested") return shown.starts_with("nested ");
  if (shown == "float64 -0") return expected == "int64 0" || expected == "float64 -0";
  return shown == expected;
}

class Oracle {
 public:
  // One batch: decoded in both ways by decoders that go on learning, and compared with the DOM.
  void check(const std::vector<std::string>& records) {
    const std::vector<std::string> ours = decoded(native_, records_of(records));
    EXPECT_EQ(ours, decoded(portable_, records_of(records)));
    EXPECT_EQ(ours, decoded(native_, records_of(records, false)));
    for (std::size_t i = 0; i < records.size(); ++i) check(records[i], ours[i]);
  }
  int accepted = 0;

 private:
  void check(const std::string& record, const std::string& ours) {
    const bool accepts = !ours.starts_with("parse: ");
    accepted += accepts;
    simdjson::dom::object object;
    const simdjson::padded_string text(record);
    const bool expected =
        parser_.parse(text).get(object) == simdjson::SUCCESS && !record.starts_with("\xef\xbb\xbf");
    if (!expected) {
      EXPECT_TRUE(!accepts || odd(record)) << record;
      return;
    }
    ASSERT_TRUE(accepts) << record << "\n" << ours;
    RowErrors errors;
    const Batch batch = alone_.decode(records_of({record}), errors);
    EXPECT_TRUE(agree(json::show(batch.columns[0], 0), object, "a")) << record << "\n" << ours;
    EXPECT_TRUE(agree(json::show(batch.columns[1], 0), object, "b")) << record << "\n" << ours;
  }

  BatchDecoder<Native> native_{reading({"a", "b", "gps.lat"}, {"b"})};
  BatchDecoder<Portable> portable_{reading({"a", "b", "gps.lat"}, {"b"})};
  JsonDecoder alone_{reading({"a", "b"})};
  simdjson::dom::parser parser_;
};

TEST(JsonOracle, EveryTruncationOfTheCorpus) {
  Oracle oracle;
  for (const std::string& line : corpus()) {
    std::vector<std::string> records = {line};
    for (std::size_t size = 0; size < line.size(); ++size) records.push_back(line.substr(0, size));
    oracle.check(records);
  }
  EXPECT_GT(oracle.accepted, 40);
}

TEST(JsonOracle, MutatedRecords) {
  const std::vector<std::string> lines = corpus();
  const std::vector<std::string> pieces = {"\"",   ",",    ":",    "{",      "}",        "[",        "]",
                                           "0",    "-",    ".",    "e",      "\\u00",    "\\",       " ",
                                           "1.5",  "null", "true", "\"a\":", ",\"b\":2", "\xc3\xa9", "\xff",
                                           "\x01", "\n",   "{}",   "[]"};
  std::mt19937_64 random(42);
  const auto below = [&random](std::size_t limit) { return static_cast<std::size_t>(random() % limit); };
  Oracle oracle;
  for (int batch = 0; batch < 1500 && !testing::Test::HasFailure(); ++batch) {
    std::vector<std::string> records;
    for (int i = 0; i < 40; ++i) {
      std::string record = lines[below(lines.size())];
      for (std::size_t changes = below(3); changes > 0; --changes) {
        const std::size_t at = below(record.size() + 1);
        const std::size_t cut = below(4);
        record.replace(at, cut, cut == 3 ? "" : pieces[below(pieces.size())]);
      }
      records.push_back(record);
    }
    oracle.check(records);
  }
  EXPECT_GT(oracle.accepted, 10'000);
}

TEST(JsonOracle, FloatsOfEveryLengthAreCorrectlyRounded) {
  std::mt19937_64 random(3);
  JsonDecoder decoder(reading({"a", "b"}));
  std::vector<std::string> texts;
  for (int i = 0; i < 100'000; ++i) {
    std::string text(random() % 2, '-');
    for (int left = static_cast<int>(random() % 11); left >= 0; --left)
      text += static_cast<char>('0' + random() % 10);
    const std::size_t first = text.find_first_of("123456789");
    text = fmt::format("{}{}.", text[0] == '-' ? "-" : "",
                       first == std::string::npos ? "0" : text.substr(first));
    for (int left = static_cast<int>(random() % 20); left >= 0; --left)
      text += static_cast<char>('0' + random() % 10);
    if (random() % 8 == 0) text += fmt::format("e{}", static_cast<int>(random() % 640) - 330);
    texts.push_back(text);
  }
  std::vector<std::string> records;
  for (const std::string& text : texts) records.push_back(R"({"a":)" + text + R"(,"b":)" + text + "}");
  RowErrors errors;
  const Batch batch = decoder.decode(records_of(records), errors);
  ASSERT_TRUE(errors.empty());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const double expected = std::strtod(texts[i].c_str(), nullptr);
    if (std::isinf(expected)) {
      EXPECT_EQ(batch.columns[0].kind(i), Kind::invalid) << texts[i];
    } else {
      EXPECT_EQ(std::bit_cast<std::uint64_t>(expected), batch.columns[0].values()[i]) << texts[i];
    }
  }
}

}  // namespace
}  // namespace tiderace::json
