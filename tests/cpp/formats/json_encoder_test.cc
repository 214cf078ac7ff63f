#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "formats/json/decoder.h"
#include "formats/json/encoder.h"
#include "json_records.h"

namespace tiderace::json {
namespace {

constexpr std::size_t no_span = RowLayout::no_span;

// Decodes `record` with the places of `spans`, sets slot i to column i of `columns` and encodes. An error is
// shown after `bad`.
std::string encode(const std::string& record, const std::vector<std::string>& spans, const RowLayout& layout,
                   const std::vector<Column>& columns = {}, NotFinite not_finite = NotFinite::as_null) {
  JsonDecoder decoder(reading({}, spans));
  RowErrors errors;
  Batch batch = decoder.decode(records_of({record}), errors);
  EXPECT_TRUE(errors.empty());
  batch.columns = columns;
  EncodedRows out;
  JsonEncoder(layout, not_finite).encode(batch, out, errors);
  if (!errors.empty()) {
    const RowErrors::Entry entry = errors.take()[0];
    return fmt::format("bad {}: {}", to_string(entry.kind), entry.message);
  }
  return std::string(out.row(0));
}

Column number(double value) {
  return Column::of_float64(std::vector<double>{value});
}
Column integer(std::int64_t value) {
  return Column::of_int64(std::vector<std::int64_t>{value});
}
Column string(std::string_view value) {
  return Column::of_strings(std::vector<std::string_view>{value});
}
Column text(Kind kind, std::string_view value) {
  ColumnBuilder builder(1);
  builder.set_text(0, kind, value);
  return Column(std::move(builder));
}

std::string shown(double value) {
  std::string out;
  append_json_double(out, value);
  return out;
}

TEST(JsonEncoder, FloatsAreShortestAndLookLikeFloats) {
  EXPECT_EQ(shown(2), "2.0");
  EXPECT_EQ(shown(-0.0), "-0.0");
  EXPECT_EQ(shown(0.1), "0.1");
  EXPECT_EQ(shown(1e300), "1e+300");
  EXPECT_EQ(shown(5e-324), "5e-324");
  EXPECT_EQ(shown(123456789012.0), "123456789012.0");
  EXPECT_EQ(shown(-1.7976931348623157e308), "-1.7976931348623157e+308");
}

TEST(JsonEncoder, StringsHaveTheEscapesThatJsonRequires) {
  std::string out;
  append_json_string(out, std::string_view("a\"\\/\b\f\n\r\t\0\x1f\x7f é 😀", 20));
  EXPECT_EQ(out, "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f é 😀\"");
}

TEST(JsonEncoder, AppendsBeforeTheClosingBrace) {
  const RowLayout layout{.fields = {{"x", 0, no_span}, {"y\"", 1, no_span}}};
  const std::vector<Column> columns = {number(2), string("s")};
  EXPECT_EQ(encode(R"({"a":1})", {}, layout, columns), R"({"a":1,"x":2.0,"y\"":"s"})");
  EXPECT_EQ(encode("{}", {}, layout, columns), R"({"x":2.0,"y\"":"s"})");
  EXPECT_EQ(encode(" { \n } \t", {}, layout, columns), " { \n \"x\":2.0,\"y\\\"\":\"s\"} \t");
  EXPECT_EQ(encode("{ \"a\" : [ ] } ", {}, layout, columns), "{ \"a\" : [ ] ,\"x\":2.0,\"y\\\"\":\"s\"} ");
  EXPECT_EQ(encode("{\"a\":1}\n", {}, {}, {}), "{\"a\":1}\n");
}

TEST(JsonEncoder, WritesEveryKind) {
  ColumnBuilder invalid(1);
  set_invalid(invalid, 0, BadRowKind::range, "too big");
  ColumnBuilder boolean(1);
  boolean.set_boolean(0, false);
  const RowLayout layout{.fields = {{"x", 0, no_span}}};
  const auto written = [&layout](Column column) { return encode("{}", {}, layout, {std::move(column)}); };
  EXPECT_EQ(written(integer(std::numeric_limits<std::int64_t>::min())), R"({"x":-9223372036854775808})");
  EXPECT_EQ(written(Column::nulls(1)), R"({"x":null})");
  EXPECT_EQ(written(Column(std::move(boolean))), R"({"x":false})");
  EXPECT_EQ(written(text(Kind::nested, "[1, 2]")), R"({"x":[1, 2]})");
  EXPECT_EQ(written(text(Kind::bytes, "")), R"({"x":""})");
  EXPECT_EQ(written(text(Kind::bytes, "a")), R"({"x":"YQ=="})");
  EXPECT_EQ(written(text(Kind::bytes, "ab")), R"({"x":"YWI="})");
  EXPECT_EQ(written(text(Kind::bytes, "\xff\xfe\xfd")), R"({"x":"//79"})");
  EXPECT_EQ(written(Column(std::move(invalid))), "bad range: too big");
}

TEST(JsonEncoder, InfinitiesAreNullAndCounted) {
  const double infinity = std::numeric_limits<double>::infinity();
  const RowLayout layout{.fields = {{"x", 0, no_span}, {"y", 1, no_span}}};
  const std::vector<Column> columns = {number(-infinity), number(1)};
  EXPECT_EQ(encode("{}", {}, layout, columns), R"({"x":null,"y":1.0})");
  EXPECT_EQ(encode("{}", {}, layout, columns, NotFinite::as_word), R"({"x":-Infinity,"y":1.0})");
  Batch batch;
  batch.rows = {0, 1};
  batch.columns = {Column::of_float64(std::vector<double>{infinity, 1})};
  EncodedRows out;
  RowErrors errors;
  JsonEncoder({.projected = true, .fields = {{"x", 0, no_span}}}).encode(batch, out, errors);
  EXPECT_EQ(out.bytes, R"({"x":null}{"x":1.0})");
  EXPECT_EQ(out.row(1), R"({"x":1.0})");
  EXPECT_EQ(out.not_finite, 1u);
}

TEST(JsonEncoder, ReplacesInPlaceAndAppendsWhatIsAbsent) {
  const RowLayout layout{.fields = {{"b", 0, 0}, {"a", 1, 1}}};
  const std::vector<Column> columns = {number(2), string("s")};
  EXPECT_EQ(encode(R"({"a": [1] , "\u0062":  null, "c":1})", {"b", "a"}, layout, columns),
            R"({"a": "s" , "\u0062":  2.0, "c":1})");
  EXPECT_EQ(encode(R"({"a":1})", {"b", "a"}, layout, columns), R"({"a":"s","b":2.0})");
  EXPECT_EQ(encode("{}", {"b", "a"}, layout, columns), R"({"b":2.0,"a":"s"})");
}

TEST(JsonEncoder, RenamesInPlace) {
  RowLayout layout{.renamed = {{0, "new\n"}}};
  EXPECT_EQ(encode(R"({"a" : 1, "b\"\\":2})", {"b\"\\"}, layout), R"({"a" : 1, "new\n":2})");
  EXPECT_EQ(encode(R"({"a":1})", {"b"}, layout), R"({"a":1})");
  layout.fields = {{"new\n", 0, 0}};
  EXPECT_EQ(encode(R"({"b" : 1})", {"b"}, layout, {integer(5)}), R"({"new\n" : 5})");
  EXPECT_EQ(encode(R"({"a":1})", {"b"}, layout, {integer(5)}), R"({"a":1,"new\n":5})");
}

TEST(JsonEncoder, DroppingTakesOneCommaAlong) {
  const std::string row = R"({ "a": 1 , "b": [2] , "c": "3" })";
  const auto drop = [&row](std::vector<std::size_t> dropped) {
    return encode(row, {"a", "b", "c"}, {.dropped = std::move(dropped)});
  };
  EXPECT_EQ(drop({0}), R"({ "b": [2] , "c": "3" })");
  EXPECT_EQ(drop({1}), R"({ "a": 1  , "c": "3" })");
  EXPECT_EQ(drop({2}), R"({ "a": 1 , "b": [2]  })");
  EXPECT_EQ(drop({1, 0}), R"({ "c": "3" })");
  EXPECT_EQ(drop({0, 2}), R"({ "b": [2]  })");
  EXPECT_EQ(drop({2, 1}), R"({ "a": 1   })");
  EXPECT_EQ(drop({0, 1, 2}), "{  }");
  EXPECT_EQ(encode(R"({"a":1})", {"a"}, {.dropped = {0}}), "{}");
  EXPECT_EQ(encode(R"({"b":1})", {"a"}, {.dropped = {0}}), R"({"b":1})");
}

TEST(JsonEncoder, DropsRenamesReplacesAndAppendsAtOnce) {
  const RowLayout layout{
      .fields = {{"x", 0, no_span}, {"b", 1, 1}, {"a", 2, 0}}, .dropped = {0}, .renamed = {{2, "z"}}};
  const std::vector<Column> columns = {number(0.5), integer(7), Column::nulls(1)};
  const std::vector<std::string> spans = {"a", "b", "c"};
  EXPECT_EQ(encode(R"({"a":1,"b":2,"c":3})", spans, layout, columns), R"({"b":7,"z":3,"x":0.5,"a":null})");
  EXPECT_EQ(encode(R"({"c":3,"b":2,"a":1})", spans, layout, columns), R"({"z":3,"b":7,"x":0.5,"a":null})");
  EXPECT_EQ(encode(R"({"a":1})", spans, layout, columns), R"({"x":0.5,"b":7,"a":null})");
}

TEST(JsonEncoder, AFieldThatStandsTwiceCannotBeChanged) {
  const std::string row = R"({"q":0,"a":1,"\u0061":2})";
  const std::string message =
      R"(bad parse: field "a" at byte 7 stands more than once, and the plan changes it)";
  EXPECT_EQ(encode(row, {"a"}, {.fields = {{"a", 0, 0}}}, {integer(1)}), message);
  EXPECT_EQ(encode(row, {"a"}, {.dropped = {0}}), message);
  EXPECT_EQ(encode(row, {"a"}, {.renamed = {{0, "b"}}}), message);
  EXPECT_EQ(encode(row, {"a"}, {}), row);
}

TEST(JsonEncoder, AProjectionIsWrittenAnew) {
  const RowLayout layout{.projected = true, .fields = {{"b", 1, no_span}, {"a", 0, no_span}}};
  EXPECT_EQ(encode(R"({"a":1})", {}, layout, {string("é\n"), number(1)}), R"({"b":1.0,"a":"é\n"})");
  EXPECT_EQ(encode(R"({"a":1})", {}, {.projected = true}), "{}");
}

TEST(JsonEncoder, RowsOfAFilteredBatchKeepTheirOwnBytes) {
  JsonDecoder decoder(reading({"a"}, {"b"}));
  RowErrors errors;
  Batch batch = decoder.decode(
      records_of({R"({"a":1})", "bad", R"({"b":2,"a":2})", R"({"a":3})", R"({"a":4,"b":0})"}), errors);
  EXPECT_EQ(errors.take().size(), 1u);
  batch.keep(std::vector<std::uint32_t>{1, 3}, std::vector<Slot>{0});
  EncodedRows out;
  JsonEncoder({.fields = {{"b", 0, 0}}}).encode(batch, out, errors);
  EXPECT_EQ(out.row(0), R"({"b":2,"a":2})");
  EXPECT_EQ(out.row(1), R"({"a":4,"b":4})");
}

}  // namespace
}  // namespace tiderace::json
