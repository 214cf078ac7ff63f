#include <gtest/gtest.h>
#include <tiderace/error.h>

#include <cstring>
#include <limits>

#include "columnar/arrow_in.h"
#include "columnar/arrow_out.h"
#include "columnar/event_time.h"
#include "columnar/invalid.h"

namespace tiderace {
namespace {

Column mixed(std::size_t rows) {
  ColumnBuilder out(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    if (i % 3 == 1)
      out.set_null(i);
    else
      out.set_float64(i, static_cast<double>(i) / 2);
  }
  return Column(std::move(out));
}

ArrowTable table_of(std::vector<ArrowColumn> columns) {
  const std::size_t rows = columns.front().column.size();
  ArrowArrayStream stream;
  export_arrow(std::move(columns), rows, &stream);
  ArrowTable table(&stream);
  EXPECT_EQ(stream.release, nullptr) << "the stream was taken over";
  return table;
}

/// Kinds, numbers and texts.
void expect_equal(const Column& a, const Column& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a.kind(i), b.kind(i)) << "row " << i;
    if (is_text(a.kind(i)))
      EXPECT_EQ(a.text(i), b.text(i)) << "row " << i;
    else
      EXPECT_EQ(a.values()[i], b.values()[i]) << "row " << i;
  }
}

std::string refusal(auto&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.kind() == ErrorKind::plan ? error.what() : "another kind of error";
  }
  return "none";
}

TEST(Arrow, ColumnsComeBackAsTheyWent) {
  const std::vector<std::string_view> texts{"a", "", "ü", "long enough to leave the short form of a view"};
  ColumnBuilder booleans(4);
  for (std::size_t i = 0; i < 4; ++i) booleans.set_boolean(i, i % 2 == 0);
  booleans.set_null(3);
  const std::vector<ArrowColumn> columns{
      {"f", mixed(4)},
      {"i", Column::of_int64(std::vector<std::int64_t>{1, -2, std::numeric_limits<std::int64_t>::min(), 4})},
      {"s", Column::of_strings(texts)},
      {"b", Column(std::move(booleans))},
      {"n", Column::nulls(4)},
  };
  const ArrowTable table = table_of(columns);
  ASSERT_EQ(table.num_rows(), 4u);
  const std::vector<const char*> formats{"g", "l", "u", "b", "n"};
  for (std::size_t k = 0; k < columns.size(); ++k) {
    EXPECT_EQ(table.fields()[k].format, formats[k]);
    expect_equal(table.column(columns[k].name), columns[k].column);
  }
}

TEST(Arrow, AnyRangeOfRowsCanBeTaken) {
  const Column column = mixed(67);
  const ArrowTable table = table_of({{"f", column}});
  const std::vector<std::string> path{"f"};
  for (std::size_t begin = 0; begin <= 67; ++begin) {
    for (const std::size_t size : {0u, 1u, 8u, 17u}) {
      const std::size_t taken = std::min<std::size_t>(size, 67 - begin);
      expect_equal(table.column(path, begin, taken), column.slice(begin, taken));
    }
  }
}

TEST(Arrow, AnyRangeOfTextsCanBeTaken) {
  ColumnBuilder out(67);
  for (std::size_t i = 0; i < 67; ++i) {
    if (i % 5 == 3)
      out.set_null(i);
    else
      out.set_text(i, Kind::string, std::string(i % 7, static_cast<char>('a' + i % 26)));
  }
  const Column column(std::move(out));
  const std::vector<std::string> path{"s"};
  for (const std::string format : {"u", "U"}) {
    const ArrowTable table = table_of({{"s", column, format}});
    ASSERT_EQ(table.fields()[0].format, format);
    for (std::size_t begin = 0; begin <= 67; ++begin) {
      for (const std::size_t size : {0u, 1u, 8u, 17u}) {
        const std::size_t taken = std::min<std::size_t>(size, 67 - begin);
        expect_equal(table.column(path, begin, taken), column.slice(begin, taken));
      }
    }
  }
}

TEST(Arrow, AColumnKeepsTheTypeItCameWith) {
  ColumnBuilder out(2);
  out.set_int64(0, 300);
  out.set_null(1);
  const Column column(std::move(out));
  for (const std::string format : {"s", "S", "i", "I", "l", "L", "tsu:UTC", "tdD", "tdm", "ttm"}) {
    const ArrowTable table = table_of({{"x", column, format}});
    EXPECT_EQ(table.fields()[0].format, format);
    expect_equal(table.column("x"), column);
  }
  EXPECT_EQ(table_of({{"x", column, "c"}}).fields()[0].format, "l") << "300 is no int8";
  EXPECT_EQ(table_of({{"x", mixed(3), "f"}}).fields()[0].format, "f");
  const Column tenth = Column::of_float64(std::vector<double>{0.1});
  EXPECT_EQ(table_of({{"x", tenth, "f"}}).fields()[0].format, "g") << "0.1 is no float";
}

TEST(Arrow, AMixtureHasTheWidestTypeOrIsRefused) {
  ColumnBuilder numbers(2);
  numbers.set_int64(0, 3);
  numbers.set_float64(1, 0.5);
  const ArrowTable table = table_of({{"x", Column(std::move(numbers))}});
  EXPECT_EQ(table.column("x").float64(0), 3.0);

  ColumnBuilder mixture(3);
  mixture.set_null(0);
  mixture.set_int64(1, 3);
  mixture.set_text(2, Kind::string, "a");
  const Column column(std::move(mixture));
  EXPECT_EQ(refusal([&] {
              table_of({{"x", column}});
            }),
            "the column \"x\" has int64 in row 1 and string in row 2, and an Arrow column has one type; "
            "convert it with "
            ".astype(\"string\") or another type");
  ColumnBuilder invalid(1);
  set_invalid(invalid, 0, BadRowKind::range, "too big");
  const Column unusable(std::move(invalid));
  EXPECT_EQ(refusal([&] {
              table_of({{"x", unusable}});
            }),
            "the column \"x\" has no usable value in row 0: too big");
}

/// An array by hand, whose release is counted.
struct HandMade {
  std::vector<const void*> buffers;
  std::vector<ArrowArray*> children;
  std::vector<ArrowSchema*> child_schemas;
  ArrowArray array{};
  ArrowSchema schema{};
  int released = 0;

  HandMade(const char* format, const char* name, std::int64_t length, std::int64_t offset,
           std::vector<const void*> data)
      : buffers(std::move(data)) {
    array.length = length;
    array.null_count = -1;
    array.offset = offset;
    array.n_buffers = static_cast<std::int64_t>(buffers.size());
    array.buffers = buffers.data();
    array.private_data = this;
    array.release = [](ArrowArray* self) {
      ++static_cast<HandMade*>(self->private_data)->released;
      self->release = nullptr;
    };
    schema.format = format;
    schema.name = name;
    schema.private_data = this;
    schema.release = [](ArrowSchema* self) {
      ++static_cast<HandMade*>(self->private_data)->released;
      self->release = nullptr;
    };
  }
  void add(HandMade& child) {
    children.push_back(&child.array);
    child_schemas.push_back(&child.schema);
    array.n_children = schema.n_children = static_cast<std::int64_t>(children.size());
    array.children = children.data();
    schema.children = child_schemas.data();
  }
};

TEST(Arrow, OffsetsAndValidityOfStructsReachTheirChildren) {
  const std::vector<double> latitudes{9, 9, 1, 2, 3, 4, 5};
  const std::uint8_t inner_valid = 0b1101111;  // of latitudes; index 4 is null
  const std::uint8_t outer_valid = 0b11101;    // of the structs; index 1 is null
  HandMade latitude("g", "lat", 7, 1, {&inner_valid, latitudes.data()});
  HandMade gps("+s", "gps", 5, 1, {&outer_valid});
  gps.add(latitude);
  HandMade table("+s", "", 3, 0, {nullptr});
  table.add(gps);
  {
    const ArrowTable imported(&table.schema, &table.array);
    const std::vector<std::string> path{"gps", "lat"};
    ASSERT_TRUE(imported.has(path));
    const Column column = imported.column(path, 0, 3);
    EXPECT_TRUE(column.is_null(0)) << "the struct is null";
    EXPECT_EQ(column.float64(1), 2.0);
    EXPECT_TRUE(column.is_null(2)) << "the value is null";
    EXPECT_EQ(imported.column("gps").text(1), R"({"lat":2.0})");
    EXPECT_TRUE(imported.column("gps").is_null(0));
  }
  EXPECT_EQ(table.released, 2) << "one array, one schema";
}

TEST(Arrow, ReadsUnsignedHalvesDictionariesAndViews) {
  const std::vector<std::uint64_t> numbers{7, std::numeric_limits<std::uint64_t>::max()};
  const std::vector<std::uint16_t> halves{0x3E00, 0x7E00};
  const std::vector<std::int8_t> indexes{1, 0};
  const std::vector<std::int32_t> offsets{0, 1, 3};
  std::vector<char> views(32);
  const std::string far = "characters that stand elsewhere";
  const std::int32_t near_length = 2;
  const std::int32_t far_length = static_cast<std::int32_t>(far.size());
  std::memcpy(views.data(), &near_length, 4);
  std::memcpy(views.data() + 4, "hi", 2);
  std::memcpy(views.data() + 16, &far_length, 4);
  HandMade unsigned_column("L", "L", 2, 0, {nullptr, numbers.data()});
  HandMade half_column("e", "e", 2, 0, {nullptr, halves.data()});
  HandMade words("u", "", 2, 0, {nullptr, offsets.data(), "abc"});
  HandMade dictionary_column("c", "d", 2, 0, {nullptr, indexes.data()});
  dictionary_column.array.dictionary = &words.array;
  dictionary_column.schema.dictionary = &words.schema;
  HandMade view_column("vu", "v", 2, 0, {nullptr, views.data(), far.data()});
  HandMade map_column("+m", "m", 2, 0, {nullptr});
  HandMade table("+s", "", 2, 0, {nullptr});
  for (HandMade* child : {&unsigned_column, &half_column, &dictionary_column, &view_column, &map_column})
    table.add(*child);
  const ArrowTable imported(&table.schema, &table.array);
  EXPECT_EQ(imported.column("L").int64(0), 7);
  EXPECT_EQ(invalid_view(imported.column("L"), 1).message, "wanted an int64, found 18446744073709551615");
  EXPECT_EQ(invalid_view(imported.column("L"), 1).raw, "18446744073709551615");
  EXPECT_EQ(imported.column("e").float64(0), 1.5);
  EXPECT_TRUE(imported.column("e").is_null(1)) << "NaN is null";
  EXPECT_EQ(imported.column("d").text(0), "bc");
  EXPECT_EQ(imported.column("d").text(1), "a");
  EXPECT_EQ(imported.column("v").text(0), "hi");
  EXPECT_EQ(imported.column("v").text(1), far);
  EXPECT_EQ(
      refusal([&] { static_cast<void>(imported.column("m")); }),
      "the column [\"m\"] is of the Arrow type map, which cannot be read; cast it to another type first");
  EXPECT_EQ(refusal([&] { static_cast<void>(imported.column("q")); }),
            "there is no column [\"q\"] in the table; it has L, e, d, v, m");
}

TEST(Arrow, AStreamThatIsUsedUpIsRefused) {
  ArrowArrayStream stream{};
  EXPECT_EQ(refusal([&] { const ArrowTable table(&stream); }),
            "an Arrow stream was handed over that is already used up; hand over a new one");
}

TEST(Arrow, UnitsOfAnArrowTypeAreCheckedRowByRow) {
  ColumnBuilder out(5);
  out.set_int64(0, 1'700'000'000'000);
  out.set_null(1);
  out.set_int64(2, -1);
  out.set_int64(3, std::numeric_limits<std::int64_t>::max());
  out.set_float64(4, 1.0);
  RowErrors errors;
  const auto times =
      scaled_event_times(Column(std::move(out)), arrow_unit_ns("tsm:UTC").value(), "when", errors);
  EXPECT_EQ(times, (std::vector<std::int64_t>{1'700'000'000'000'000'000, 0, 0, 0, 0}));
  const auto entries = errors.take();
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(entries[0].message, "wanted a time between 1970 and 2262 in the column \"when\", found null");
  EXPECT_EQ(entries[1].message,
            "wanted a time between 1970 and 2262 in the column \"when\", found the number -1");
  EXPECT_EQ(entries[0].kind, BadRowKind::timestamp);
  EXPECT_FALSE(arrow_unit_ns("l").has_value());
}

}  // namespace
}  // namespace tiderace
