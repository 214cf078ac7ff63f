#include <gtest/gtest.h>
#include <tiderace/error.h>
#include <tiderace/table.h>

#include <filesystem>
#include <fstream>

#include "api/table_internal.h"
#include "columnar/arrow_abi.h"
#include "columnar/describe.h"
#include "columnar/invalid.h"

namespace tiderace {
namespace {

/// A file of its own for a test, removed at its end.
class File {
 public:
  explicit File(const std::string& text) {
    const auto* const test = ::testing::UnitTest::GetInstance()->current_test_info();
    path_ = (std::filesystem::temp_directory_path() / (std::string("tiderace_") + test->name())).string();
    std::ofstream(path_, std::ios::binary) << text;
  }
  ~File() { std::filesystem::remove(path_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string refusal(auto&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

template <class T>
using Optionals = std::vector<std::optional<T>>;

TEST(Table, IsMadeOfColumns) {
  const Table table({{"x", std::vector<double>{1, 2.5}},
                     {"n", Optionals<std::int64_t>{7, std::nullopt}},
                     {"s", std::vector<std::string>{"a", "b"}},
                     {"b", Optionals<bool>{true, std::nullopt}}});
  EXPECT_EQ(table.num_rows(), 2u);
  EXPECT_EQ(table.column_names(), (std::vector<std::string>{"x", "n", "s", "b"}));
  EXPECT_EQ(table.column<double>("x"), (Optionals<double>{1.0, 2.5}));
  EXPECT_EQ(table.column<double>("n"), (Optionals<double>{7.0, std::nullopt}));
  EXPECT_EQ(table.column<std::int64_t>("n"), (Optionals<std::int64_t>{7, std::nullopt}));
  EXPECT_EQ(table.column<std::string>("s"), (Optionals<std::string>{"a", "b"}));
  EXPECT_EQ(table.column<bool>("b"), (Optionals<bool>{true, std::nullopt}));
  EXPECT_EQ(Table().num_rows(), 0u);
}

TEST(Table, SaysWhatItDoesNotHave) {
  const Table table({{"x", std::vector<double>{1}}, {"s", std::vector<std::string>{"a"}}});
  EXPECT_EQ(refusal([&] { static_cast<void>(table.column<double>("y")); }),
            "there is no column \"y\" in the table; it has x, s");
  EXPECT_EQ(refusal([&] { static_cast<void>(table.column<double>("s")); }),
            "column<double>(\"s\"): row 0 holds a value of kind string");
  EXPECT_EQ(refusal([] {
              Table({{"x", std::vector<double>{1}}, {"y", std::vector<double>{}}});
            }),
            "the columns of a table must be of one length: wanted 1 rows, \"y\" has 0");
  EXPECT_EQ(refusal([] {
              Table({{"x", std::vector<double>{1}}, {"x", std::vector<double>{1}}});
            }),
            "a table has two columns of the name \"x\"; rename one");
  EXPECT_EQ(refusal([] { static_cast<void>(Table::read_csv("/nowhere/at/all.csv")); }),
            "cannot read /nowhere/at/all.csv: No such file or directory");
}

TEST(Table, GoesThroughArrow) {
  const Table table({{"x", Optionals<double>{1, std::nullopt}}, {"s", std::vector<std::string>{"a", ""}}});
  ArrowArrayStream stream;
  table.to_arrow(&stream);
  const Table back = Table::from_arrow(&stream);
  EXPECT_EQ(back.column_names(), table.column_names());
  EXPECT_EQ(back.column<double>("x"), table.column<double>("x"));
  EXPECT_EQ(back.column<std::string>("s"), table.column<std::string>("s"));
}

TEST(Table, ReadsNdjson) {
  const File file(
      "{\"a\": 1, \"g\": {\"lat\": 1.5}}\n\n{\"b\": \"x\", \"a\": 2.5}\r\n{\"a\": null, \"g\": 3}");
  const Table table = Table::read_ndjson(file.path());
  EXPECT_EQ(table.column_names(), (std::vector<std::string>{"a", "g", "b"}));
  EXPECT_EQ(table.column<double>("a"), (Optionals<double>{1.0, 2.5, std::nullopt}));
  EXPECT_EQ(table.column<std::string>("b"), (Optionals<std::string>{std::nullopt, "x", std::nullopt}));
  const std::vector<std::string> path{"g", "lat"};
  const Column inside = TableAccess::data(table).column(path, 0, 3);
  EXPECT_EQ(inside.float64(0), 1.5);
  EXPECT_TRUE(inside.is_null(1));
  ASSERT_EQ(inside.kind(2), Kind::invalid);
  EXPECT_EQ(invalid_view(inside, 2).kind, BadRowKind::type);
}

TEST(Table, APathThatLeadsThroughNoObjectNamesWhatIsThere) {
  const File file(
      R"({"gps": 42}
{"gps": "52.1"}
{"gps": [1]}
{"gps": {"fix": true}}
{"gps": {"fix": {"age": 1e999}}}
{"gps": {"fix": {"age": 2.5}}}
{"gps": null}
)");
  const Table table = Table::read_ndjson(file.path());
  const std::vector<std::string> path{"gps", "fix", "age"};
  const Column inside = TableAccess::data(table).column(path, 0, 7);
  const std::string field = R"(field "gps"."fix"."age": )";
  const std::string wanted = R"(field "gps"."fix": wanted an object in "gps", found )";
  EXPECT_EQ(describe(inside, 0), wanted + "the number 42");
  EXPECT_EQ(describe(inside, 1), wanted + R"(the string "52.1")");
  EXPECT_EQ(describe(inside, 2), wanted + "an array");
  EXPECT_EQ(describe(inside, 3), field + R"(wanted an object in "gps"."fix", found true)");
  EXPECT_EQ(describe(inside, 4), field + "found the number 1e999, which is beyond float64");
  EXPECT_EQ(inside.float64(5), 2.5);
  EXPECT_TRUE(inside.is_null(6));
}

TEST(Table, ABadNdjsonLineIsNamed) {
  const File file("{\"a\": 1}\n\n{\"a\": }\n");
  try {
    static_cast<void>(Table::read_ndjson(file.path()));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_row);
    EXPECT_EQ(error.bad_row()->step, file.path() + " line 3");
    EXPECT_EQ(error.bad_row()->offset, 1);
  }
}

TEST(Table, BadNdjsonLinesCanBeReported) {
  RowErrors errors;
  const NdjsonRows read = read_ndjson_rows("{\"a\": 1}\nno\n[1]\n{\"b\": 2}\n", errors);
  EXPECT_EQ(read.rows, (std::vector<std::uint32_t>{0, 3}));
  ASSERT_EQ(read.columns.size(), 2u);
  EXPECT_EQ(read.columns[1].column.int64(1), 2);
  const auto entries = errors.take();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].row, 1u);
  EXPECT_EQ(entries[1].row, 2u);
  EXPECT_EQ(read.lines[3], 4u);
}

TEST(Table, ReadsCsvAsPandasDoes) {
  const File file(
      "\xEF\xBB\xBFtime,speed,moving,note,empty,mixed\r\n"
      "1,2,True,\"a, \"\"quoted\"\" line\nbreak\",,1\r\n"
      "\r\n"
      "2,NA,false,,,x\r\n"
      "3,+1.5e3,TRUE,\"plain\",NaN\r\n");
  const Table table = Table::read_csv(file.path());
  EXPECT_EQ(table.column<std::int64_t>("time"), (Optionals<std::int64_t>{1, 2, 3}));
  EXPECT_EQ(table.column<double>("speed"), (Optionals<double>{2.0, std::nullopt, 1500.0}));
  EXPECT_EQ(table.column<bool>("moving"), (Optionals<bool>{true, false, true}));
  EXPECT_EQ(table.column<std::string>("note"),
            (Optionals<std::string>{"a, \"quoted\" line\nbreak", std::nullopt, "plain"}));
  EXPECT_EQ(table.column<std::int64_t>("empty"), (Optionals<std::int64_t>(3)));
  EXPECT_EQ(table.column<std::string>("mixed"), (Optionals<std::string>{"1", "x", std::nullopt}));
}

TEST(Table, AnIntegerInCsvThatNoInt64IsStaysWhatItIs) {
  const File file(
      "id,x,y\n12345678901234567890,9223372036854775807,1e300\n1,-9223372036854775808,"
      "100000000000000000000\n");
  const Table table = Table::read_csv(file.path());
  EXPECT_EQ(table.column<std::string>("id"), (Optionals<std::string>{"12345678901234567890", "1"}));
  EXPECT_EQ(table.column<std::int64_t>("x"), (Optionals<std::int64_t>{INT64_MAX, INT64_MIN}));
  EXPECT_EQ(table.column<double>("y"), (Optionals<double>{1e300, 1e20}));
}

TEST(Table, ACsvColumnThatFewValuesMakeTextIsTold) {
  std::string text = "speed,name,late\n";
  for (int i = 0; i < 200; ++i) text += "5,b,True\n";
  const File file(text + "abc,7,x\n");
  testing::internal::CaptureStderr();
  const Table table = Table::read_csv(file.path());
  const std::string said = testing::internal::GetCapturedStderr();
  for (const char* name : {"speed", "name", "late"})
    EXPECT_EQ(table.column<std::string>(name).size(), 201u) << name;
  EXPECT_NE(
      said.find("column \"speed\": it is text since line 202 has \"abc\"; 200 of its 201 values are numbers"),
      std::string::npos)
      << said;
  EXPECT_EQ(said.find("column \"name\""), std::string::npos) << said;
  EXPECT_EQ(said.find("column \"late\""), std::string::npos) << said;
}

TEST(Table, ABadCsvFileIsRefused) {
  const auto read = [](const std::string& text) {
    const File file(text);
    const std::string message = refusal([&] { static_cast<void>(Table::read_csv(file.path())); });
    return message.substr(message.find(": ") + 2);
  };
  EXPECT_EQ(read("a,b\n1,2\n1,2,3\n"), "CSV line 3: wanted 2 fields, found 3");
  EXPECT_EQ(read("a,b\n1,\"2\n"), "CSV line 2: a quote is opened and never closed");
  EXPECT_EQ(read("a,a\n1,2\n"), "CSV line 1: two columns have the name \"a\"; rename one");
  EXPECT_EQ(read(""), "wanted a CSV file whose first line has the names of the columns, found nothing");
}

TEST(Table, ACsvFileWithAHeaderAloneHasNoRows) {
  const File file("a,b\n");
  EXPECT_EQ(Table::read_csv(file.path()).num_rows(), 0u);
  EXPECT_EQ(Table::read_csv(file.path()).column_names(), (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace tiderace
