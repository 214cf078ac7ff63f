#include <fmt/format.h>
#include <gtest/gtest.h>

#include "formats/json/encoder.h"
#include "formats/json/reader.h"

namespace tiderace {
namespace {

// Writes the events down, and ends the walk after `most` of them.
class Recorder : public JsonEvents {
 public:
  explicit Recorder(int most = 1'000'000'000) : left_(most) {}
  bool null() override { return add("null"); }
  bool boolean(bool value) override { return add(value ? "true" : "false"); }
  bool int64(std::int64_t value) override { return add(fmt::format("i{}", value)); }
  bool float64(double value) override { return add(fmt::format("f{}", value)); }
  bool string(std::string_view value) override { return add(fmt::format("s<{}>", value)); }
  bool begin_object() override { return add("{"); }
  bool name(std::string_view name) override { return add(fmt::format("n<{}>", name)); }
  bool end_object() override { return add("}"); }
  bool begin_array() override { return add("["); }
  bool end_array() override { return add("]"); }
  std::string text;

 private:
  bool add(const std::string& event) {
    text += (text.empty() ? "" : " ") + event;
    return --left_ > 0;
  }
  int left_;
};

std::string walked(std::string_view text, int most = 1'000'000'000) {
  Recorder recorder(most);
  const std::string fault = walk_json(text, recorder);
  return fault.empty() ? recorder.text : recorder.text + " ! " + fault;
}

TEST(JsonReader, SendsWhatTheTextHolds) {
  EXPECT_EQ(walked(R"( {"a" : [1, 2.0, {}, []], "\u0062": {"c":null}, "d":"x\n"} )"),
            "{ n<a> [ i1 f2 { } [ ] ] n<b> { n<c> null } n<d> s<x\n> }");
  EXPECT_EQ(walked("true"), "true");
  EXPECT_EQ(walked(" \"\" "), "s<>");
  EXPECT_EQ(walked("[false,-0,9223372036854775808,1e999]"), "[ false f-0 f9.223372036854776e+18 finf ]");
  EXPECT_EQ(walked("[Infinity,-Infinity]"), "[ finf f-inf ]");
}

TEST(JsonReader, SaysWhatIsWrongAfterWhatWasSent) {
  EXPECT_EQ(walked(""), " ! wanted a JSON value, found an empty value");
  EXPECT_EQ(walked("[1,"), "[ i1 ! wanted a value, but the text ends inside the array that begins at byte 0");
  EXPECT_EQ(walked("tru"), " ! wanted `true` at byte 0, but the text ends at byte 3");
  EXPECT_EQ(walked("[1] 2"), "[ i1 ] ! wanted nothing but white space behind the array, found `2` at byte 4");
  EXPECT_EQ(walked("NaN"), " ! wanted a value, found `N` at byte 0");
  EXPECT_EQ(walked("-Infinit"), " ! wanted `-Infinity` at byte 0, but the text ends at byte 8");
}

std::string converted(std::string_view text) {
  Recorder recorder(1'000'000'000);
  const auto fault = read_json(text, recorder);
  return fault ? recorder.text + " ! " + to_string(fault->kind) + " " + fault->message : recorder.text;
}

TEST(JsonReader, RefusesWhatNobodyCouldUse) {
  EXPECT_EQ(converted(R"(["\ud800"])"),
            "[ ! parse found half a surrogate pair, which is no character, in the string at byte 1");
  EXPECT_EQ(converted(R"({"\udc00":1})"),
            "{ ! parse found half a surrogate pair, which is no character, in the string at byte 1");
  EXPECT_EQ(converted("[9223372036854775807,9223372036854775808]"),
            "[ i9223372036854775807 ! range wanted a number that an int64 holds, found 9223372036854775808 "
            "at byte 21");
  EXPECT_EQ(converted("-1e999"), " ! range wanted a number that a float64 holds, found -1e999 at byte 0");
  EXPECT_EQ(converted("[-Infinity]"), "[ f-inf ]");
  EXPECT_EQ(converted("["),
            "[ ! parse wanted a value, but the text ends inside the array that begins at byte 0");
}

TEST(JsonReader, ShowsWhatNobodyCouldUse) {
  EXPECT_EQ(walked(R"(["a\ud800b\udc00\ud83d\ude00"])"),
            "[ s<a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD\xF0\x9F\x98\x80> ]");
}

TEST(JsonReader, AnEventMayEndTheWalk) {
  EXPECT_EQ(walked("[1,2,x", 2), "[ i1");
}

TEST(JsonReader, DepthIsLimitedNotTheStack) {
  Recorder recorder;
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  EXPECT_EQ(walk_json(deep, recorder), "found nesting deeper than max_depth=1000 at byte 1000");
  Recorder patient;
  EXPECT_EQ(walk_json(deep, patient, 1'000'000), "");
}

TEST(JsonReader, ReadsWhatIsWrittenForFunctions) {
  std::string out = "[";
  const Column column = Column::of_float64(std::vector<double>{0.1, 1.0 / 0.0, -1.0 / 0.0});
  for (std::size_t i = 0; i < 3; ++i) {
    append_json_value(out, column, i, NotFinite::as_word);
    out += i < 2 ? ',' : ']';
  }
  EXPECT_EQ(walked(out), "[ f0.1 finf f-inf ]");
}

}  // namespace
}  // namespace tiderace
