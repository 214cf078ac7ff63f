#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/json/decoder.h"
#include "json_records.h"

namespace tiderace::json {
namespace {

// Everything here is run with both instruction sets, over padded and over unpadded memory, one record at a
// time and after others that teach the decoder another shape: the results must be the same.
template <class Instructions>
std::string one_way(const JsonDecoderOptions& options, const std::string& record, bool padded) {
  BatchDecoder<Instructions> fresh(options);
  const std::string alone = decoded(fresh, records_of({record}, padded))[0];
  BatchDecoder<Instructions> taught(options);
  const std::vector<std::string> among =
      decoded(taught, records_of({record, record, R"({"a":1,"b":2.5,"c":"x"})",
                                  R"({"b":2,"a":"y" , "gps":{"lat":1}})", record},
                                 padded));
  for (const std::size_t i : {0, 1, 4}) EXPECT_EQ(among[i], alone) << record;
  return alone;
}

std::string decode(const JsonDecoderOptions& options, const std::string& record) {
  const std::string shown = one_way<Native>(options, record, true);
  EXPECT_EQ(one_way<Native>(options, record, false), shown) << record;
  EXPECT_EQ(one_way<Portable>(options, record, true), shown) << record;
  EXPECT_EQ(one_way<Portable>(options, record, false), shown) << record;
  return shown;
}

std::string decode_a(const std::string& record) {
  return decode(reading({"a"}), record);
}

JsonDecoderOptions declared(Kind kind) {
  JsonDecoderOptions options = reading({"a"});
  options.fields[0].declared = kind;
  return options;
}

TEST(JsonDecoder, ReadsEveryKind) {
  EXPECT_EQ(decode_a(R"({"a":17})"), "int64 17");
  EXPECT_EQ(decode_a(R"({"a":-0.5})"), "float64 -0.5");
  EXPECT_EQ(decode_a(R"({"a":true})"), "bool true");
  EXPECT_EQ(decode_a(R"({"a":false})"), "bool false");
  EXPECT_EQ(decode_a(R"({"a":null})"), "null");
  EXPECT_EQ(decode_a(R"({"b":1})"), "null");
  EXPECT_EQ(decode_a("{}"), "null");
  EXPECT_EQ(decode_a(R"({"a":"x"})"), "string x");
  EXPECT_EQ(decode_a(R"({"a":""})"), "string ");
  EXPECT_EQ(decode_a(R"({"a": [1, {"b": "]"}] })"), R"(nested [1, {"b": "]"}])");
  EXPECT_EQ(decode_a(" {\n\"a\"\t:\r { } } \n"), "nested { }");
}

TEST(JsonDecoder, NumbersAreExact) {
  EXPECT_EQ(decode_a(R"({"a":9223372036854775807})"), "int64 9223372036854775807");
  EXPECT_EQ(decode_a(R"({"a":-9223372036854775808})"), "int64 -9223372036854775808");
  EXPECT_EQ(decode_a(R"({"a":-12345678901})"), "int64 -12345678901");
  EXPECT_EQ(decode_a(R"({"a":-0})"), "float64 -0");
  EXPECT_EQ(decode_a(R"({"a":0})"), "int64 0");
  EXPECT_EQ(decode_a(R"({"a":-0.0})"), "float64 -0");
  EXPECT_EQ(decode_a(R"({"a":1.0})"), "float64 1");
  EXPECT_EQ(decode_a(R"({"a":1E2})"), "float64 100");
  EXPECT_EQ(decode_a(R"({"a":0.95000000000000000000})"), "float64 0.95");
  EXPECT_EQ(decode_a(R"({"a":0.1234567890123456789})"), "float64 0.12345678901234568");
  EXPECT_EQ(decode_a(R"({"a":90071992.54740993})"), "float64 90071992.54740994");
  EXPECT_EQ(decode_a(R"({"a":5e-324})"), "float64 5e-324");
  EXPECT_EQ(decode_a(R"({"a":1e-400})"), "float64 0");
  EXPECT_EQ(decode_a(R"({"a":-1e-400})"), "float64 -0");
  EXPECT_EQ(decode_a(R"({"a":1.7976931348623157e308})"), "float64 1.7976931348623157e+308");
}

TEST(JsonDecoder, WhatOnlyAnExpressionMayObjectToIsInvalid) {
  EXPECT_EQ(
      decode_a(R"({"a":9223372036854775808})"),
      R"(invalid range field "a": found the number 9223372036854775808 at byte 5, which is beyond int64)");
  EXPECT_EQ(decode_a(R"({"a":1e309})"),
            R"(invalid range field "a": found the number 1e309 at byte 5, which is beyond float64)");
  EXPECT_EQ(
      decode_a(R"({"a":"\ud800"})"),
      R"(invalid parse field "a": found the string "\ud800" at byte 5, with half a surrogate pair, which is no character)");
  EXPECT_EQ(decode_a(R"({"a":1,"b":2,"a":3})"),
            R"(invalid parse field "a" stands more than once, again at byte 17)");
  EXPECT_EQ(decode_a(R"({"a":1,"\u0061":3})"),
            R"(invalid parse field "a" stands more than once, again at byte 16)");
  EXPECT_EQ(decode_a(R"({"b":1e999,"c":"\udead","b":1})"), "null");
}

TEST(JsonDecoder, LongValuesAreCutInMessages) {
  EXPECT_EQ(decode_a(R"({"a":)" + std::string(100, '9') + "}"),
            "invalid range field \"a\": found the number " + std::string(40, '9') +
                "... at byte 5, which is beyond int64");
}

TEST(JsonDecoder, StringsAreUnescaped) {
  EXPECT_EQ(decode_a(R"({"a":"\"\\\/\b\f\n\r\t"})"), "string \"\\/\b\f\n\r\t");
  EXPECT_EQ(decode_a(R"({"a":"\u0041\u00e9\u20AC\ud83d\ude00 and more text behind it"})"),
            "string Aé€😀 and more text behind it");
  EXPECT_EQ(decode_a(R"({"a":"Grüße aus Zürich, Москва und 東京"})"),
            "string Grüße aus Zürich, Москва und 東京");
  EXPECT_EQ(decode_a(R"({"\u0061":1})"), "int64 1");
  EXPECT_EQ(decode(reading({"é\""}), R"({"\u00e9\"":1})"), "int64 1");
}

TEST(JsonDecoder, PathsGoIntoObjects) {
  const JsonDecoderOptions options = reading({"gps", "gps.lat", "gps.fix.at"});
  EXPECT_EQ(decode(options, R"({"gps":{"lat":1.5,"lon":2,"fix":{"at":7}}})"),
            R"(nested {"lat":1.5,"lon":2,"fix":{"at":7}}, float64 1.5, int64 7)");
  EXPECT_EQ(decode(options, R"({"gps":{ }})"), "nested { }, null, null");
  EXPECT_EQ(decode(options, R"({"gps":null})"), "null, null, null");
  EXPECT_EQ(decode(options, R"({"gps":{"fix":null,"lat":[]}})"),
            R"(nested {"fix":null,"lat":[]}, nested [], null)");
  EXPECT_EQ(decode(reading({"gps.lat"}), R"({"gps":5})"),
            R"(invalid type field "gps"."lat": wanted an object in "gps", found the number 5 at byte 7)");
  EXPECT_EQ(decode(reading({"gps.lat"}), R"({"gps":[{"lat":1}]})"),
            R"(invalid type field "gps"."lat": wanted an object in "gps", found an array at byte 7)");
  EXPECT_EQ(decode(reading({"gps.lat"}), R"({"gps":{"lat":1,"lat":2}})"),
            R"(invalid parse field "gps"."lat" stands more than once, again at byte 22)");
  EXPECT_EQ(decode(reading({"gps.lat"}), R"({"gps":{"lat":1},"gps":{"lat":2}})"),
            R"(invalid parse field "gps" stands more than once, again at byte 23)");
  EXPECT_EQ(decode(reading({"gps.lat"}), R"({"gps":{"lon":1,"lon":2,"l\u0061t":3}})"), "int64 3");
}

TEST(JsonDecoder, DeclaredKindsAreHeld) {
  EXPECT_EQ(decode(declared(Kind::int64), R"({"a":1})"), "int64 1");
  EXPECT_EQ(decode(declared(Kind::int64), R"({"a":null})"), "null");
  EXPECT_EQ(decode(declared(Kind::int64), R"({"a":"x"})"),
            R"(type: field "a": wanted int64, found the string "x" at byte 5)");
  EXPECT_EQ(decode(declared(Kind::int64), R"({"a":1.0})"),
            R"(type: field "a": wanted int64, found the number 1.0 at byte 5)");
  EXPECT_EQ(decode(declared(Kind::int64), R"({"a":1e999})"),
            R"(type: field "a": wanted int64, found the number 1e999 at byte 5)");
  EXPECT_EQ(decode(declared(Kind::int64), R"({"a":99999999999999999999})"),
            R"(range: field "a": found the number 99999999999999999999 at byte 5, which is beyond int64)");
  EXPECT_EQ(decode(declared(Kind::float64), R"({"a":1})"), "float64 1");
  EXPECT_EQ(decode(declared(Kind::float64), R"({"a":18446744073709551616})"),
            "float64 1.8446744073709552e+19");
  EXPECT_EQ(decode(declared(Kind::float64), R"({"a":1e999})"),
            R"(range: field "a": found the number 1e999 at byte 5, which is beyond float64)");
  EXPECT_EQ(decode(declared(Kind::float64), R"({"a":true})"),
            R"(type: field "a": wanted float64, found true at byte 5)");
  EXPECT_EQ(decode(declared(Kind::string), R"({"a":{}})"),
            R"(type: field "a": wanted string, found an object at byte 5)");
  EXPECT_EQ(
      decode(declared(Kind::string), R"({"a":"\udc00"})"),
      R"(invalid parse field "a": found the string "\udc00" at byte 5, with half a surrogate pair, which is no character)");
  EXPECT_EQ(decode(declared(Kind::boolean), R"({"a":[]})"),
            R"(type: field "a": wanted bool, found an array at byte 5)");
  EXPECT_EQ(decode(declared(Kind::boolean), R"({"a":99999999999999999999})"),
            R"(type: field "a": wanted bool, found the number 99999999999999999999 at byte 5)");
  // What makes it no JSON at all counts more.
  EXPECT_EQ(decode(declared(Kind::int64), R"({"a":"x"]})"), "parse: wanted `,` or `}`, found `]` at byte 8");
  JsonDecoderOptions deep = reading({"gps.lat"});
  deep.fields[0].declared = Kind::float64;
  EXPECT_EQ(decode(deep, R"({"gps":true})"),
            R"(type: field "gps"."lat": wanted an object in "gps", found true at byte 7)");
}

TEST(JsonDecoder, OneFieldInSeveralSlotsAndContradictions) {
  JsonDecoderOptions options = reading({"a", "a"});
  EXPECT_EQ(decode(options, R"({"a":1})"), "int64 1, int64 1");
  options.fields[1].declared = Kind::int64;
  EXPECT_THROW(JsonDecoder{options}, Error);
}

TEST(JsonDecoder, NotesPlaces) {
  EXPECT_EQ(decode(reading({"a"}, {"b", "a"}), R"({"a": 1, "b": [2] })"), "int64 1 @9-14-17 @1-6-7");
  EXPECT_EQ(decode(reading({}, {"b"}), R"({"b":1e999,"\u0062":null})"), " @twice");
  EXPECT_EQ(decode(reading({}, {"b"}), R"({"a":1})"), " @absent");
  RowErrors errors;
  JsonDecoder decoder(reading({"a"}));
  const Batch batch = decoder.decode(records_of({R"( {"a":1 } )", "x", "{}\n"}), errors);
  EXPECT_EQ(batch.raw->close, (std::vector<std::uint32_t>{8, 0, 1}));
  EXPECT_EQ(batch.rows, (std::vector<std::uint32_t>{0, 2}));
  EXPECT_EQ(batch.columns[0].size(), 2u);
}

TEST(JsonDecoder, BadRowsLeaveNothingBehind) {
  JsonDecoder decoder(reading({"a", "b"}));
  const auto rows = decoded(decoder, records_of({R"({"a":1,"b":"x"})", R"({"a":2,"b":"y")", R"({"b":3})"}));
  EXPECT_EQ(rows[0], "int64 1, string x");
  EXPECT_EQ(rows[2], "null, int64 3");
}

TEST(JsonDecoder, SaysWhatIsWrongAndWhere) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "wanted a JSON object, found an empty value"},
      {" \n", "wanted a JSON object, found nothing but white space"},
      {"[1]", "wanted a JSON object, found the array at byte 0"},
      {" \"x\"", "wanted a JSON object, found the string at byte 1"},
      {"-1", "wanted a JSON object, found the number at byte 0"},
      {"null", "wanted a JSON object, found null at byte 0"},
      {"hello", "wanted a JSON object, found `h` at byte 0"},
      {"\xef\xbb\xbf{}", "wanted a JSON object, found a byte order mark at byte 0; leave it out"},
      {R"({"a":1)", "wanted `,` or `}`, but the record ends inside the object that begins at byte 0"},
      {R"({"a":[1)", "wanted `,` or `]`, but the record ends inside the array that begins at byte 5"},
      {R"({"a":1,"b": "x)", "the record ends inside a string that begins at byte 12"},
      {R"({"a":1,})", "wanted a field name in double quotes, found `}` at byte 7"},
      {R"({a:1})", "wanted a field name in double quotes, found `a` at byte 1"},
      {R"({"a" 1})", "wanted `:` behind a field name, found `1` at byte 5"},
      {R"({"a":})", "wanted a value, found `}` at byte 5"},
      {R"({"a":NaN})", "wanted a value, found `N` at byte 5"},
      {R"({"a":Infinity})", "wanted a value, found `I` at byte 5"},
      {R"({"a":nul})", "wanted `null` at byte 5, found `}` at byte 8"},
      {R"({"a":01})", "found a number at byte 5 that begins with 0, which JSON does not have"},
      {R"({"a":1.})", "wanted a digit, found `}` at byte 7"},
      {R"({"a":1e+})", "wanted a digit, found `}` at byte 8"},
      {R"({"a":-})", "wanted a digit, found `}` at byte 6"},
      {R"({"a":1.5.2})", "wanted `,` or `}`, found `.` at byte 8"},
      {"{\"a\":\"x\ny\"}",
       "found the control character 0x0a at byte 7, inside the string that begins at byte 5; it must be "
       "escaped"},
      {R"({"a":"\x"})", "found the escape `\\` and `x` at byte 6, which JSON does not have"},
      {R"({"a":"\u12g4"})", "wanted four hexadecimal digits behind `\\u` at byte 6, found `g` at byte 10"},
      {"{\"a\":\"\xc3\xa9\xff\"}", "found the byte 0xff at byte 8, which is not UTF-8 there"},
      {R"({"a":1} x)", "wanted nothing but white space behind the object, found `x` at byte 8"},
      {R"({"a":1}{"a":1})", "wanted nothing but white space behind the object, found `{` at byte 7"},
      {std::string("{\"a\":1}\0", 8),
       "wanted nothing but white space behind the object, found the byte 0x00 at byte 7"},
  };
  for (const auto& [record, message] : cases) {
    EXPECT_EQ(decode_a(record), "parse: " + message);
  }
  // A fault in a field that nobody reads is no better.
  EXPECT_EQ(decode(reading({}), R"({"a":1,"z":[tru]})"),
            "parse: wanted `true` at byte 12, found `]` at byte 15");
}

TEST(JsonDecoder, Tombstones) {
  auto records = std::make_shared<Records>();
  records->rows.emplace_back();
  JsonDecoder decoder(reading({"a"}));
  EXPECT_EQ(decoded(decoder, records)[0], "parse: wanted a JSON object, found no value (a tombstone)");
}

TEST(JsonDecoder, Limits) {
  JsonDecoderOptions options = reading({"a"});
  options.max_record_bytes = 10;
  EXPECT_EQ(decode(options, R"({"a":1234})"), "int64 1234");
  EXPECT_EQ(decode(options, R"({"a":12345})"),
            "too_large: the record has 11 bytes, more than max_record_bytes=10; raise it for the topic or "
            "send less");
  options = reading({"a"});
  options.max_depth = 2;
  EXPECT_EQ(decode(options, R"({"a":[1]})"), "nested [1]");
  EXPECT_EQ(decode(options, R"({"a":[[1]]})"), "too_large: found nesting deeper than max_depth=2 at byte 6");
  EXPECT_EQ(decode(options, R"({"b":{"a":{}}})"),
            "too_large: found nesting deeper than max_depth=2 at byte 10");
  options = reading({"gps.lat.x"});
  options.max_depth = 2;
  EXPECT_EQ(decode(options, R"({"gps":{"lat":{}}})"),
            "too_large: found nesting deeper than max_depth=2 at byte 14");
}

TEST(JsonDecoder, NestingOfAMillionIsRefusedOrTaken) {
  const std::size_t depth = 1'000'000;
  const std::string record = R"({"a":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
  EXPECT_EQ(decode_a(record), "too_large: found nesting deeper than max_depth=1000 at byte 1004");
  JsonDecoderOptions options = reading({"b"});
  options.max_depth = 2'000'000;
  EXPECT_EQ(decode(options, record), "null");
  EXPECT_EQ(decode(options, R"({"a":)" + std::string(depth, '[')).substr(0, 5), "parse");
}

TEST(JsonDecoder, LargeRecords) {
  const std::string text(5'000'000, 'x');
  EXPECT_EQ(decode_a(R"({"b":")" + text + R"(","a":")" + text + R"("})"), "string " + text);
}

}  // namespace
}  // namespace tiderace::json
