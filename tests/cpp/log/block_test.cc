#include "log/block.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>

#include "log/crc32c.h"

namespace tiderace {
namespace {

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<std::uint8_t>(c));
  return text;
}

std::string small_block() {
  BlockBuilder builder;
  builder.add("k", "{}", "\x01", 1000);
  builder.add(std::nullopt, "", {}, 998, 3);
  builder.add("", std::nullopt, {}, 1300);
  builder.close();
  return std::string(builder.stamp(42));
}

TEST(Block, BytesAreTheDocumentedOnes) {
  EXPECT_EQ(hex(small_block()),
            "54524c42"
            "0100"
            "0000"
            "2a00000000000000"
            "e803000000000000"
            "03000000"
            "14000000"
            "2dedb84e"
            "1302c1bb"
            "0000020301"
            "6b"
            "01"
            "7b7d"
            "0303000100"
            "00dc04010000");
}

TEST(Block, RecordsComeBackWithGapsAndNulls) {
  const std::string block = small_block();
  std::vector<Record> rows;
  ASSERT_EQ(decode_block(block, 42, 0, rows), std::nullopt);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].offset, 42);
  EXPECT_EQ(rows[0].key_view(), "k");
  EXPECT_EQ(rows[0].value_view(), "{}");
  EXPECT_EQ(rows[0].headers_view(), "\x01");
  EXPECT_EQ(rows[1].offset, 46);
  EXPECT_EQ(rows[1].timestamp_ms, 998);
  EXPECT_EQ(rows[1].key, nullptr);
  EXPECT_NE(rows[1].value, nullptr);
  EXPECT_EQ(rows[1].headers, nullptr);
  EXPECT_EQ(rows[2].offset, 47);
  EXPECT_EQ(rows[2].timestamp_ms, 1300);
  EXPECT_NE(rows[2].key, nullptr);
  EXPECT_EQ(rows[2].key_size, 0u);
  EXPECT_EQ(rows[2].value, nullptr);
}

TEST(Block, ReadsFromAnOffsetInItsMiddleOrInAGap) {
  const std::string block = small_block();
  std::vector<Record> rows;
  ASSERT_EQ(decode_block(block, 42, 44, rows), std::nullopt);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].offset, 46);
  rows.clear();
  ASSERT_EQ(decode_block(block, 42, 48, rows), std::nullopt);
  EXPECT_TRUE(rows.empty());
}

TEST(Block, ExtremeTimestampsSurvive) {
  BlockBuilder builder;
  const std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  const std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t timestamp : {highest, lowest, std::int64_t{-1}, highest})
    builder.add("k", "v", {}, timestamp);
  builder.close();
  const std::string block(builder.stamp(0));
  std::vector<Record> rows;
  ASSERT_EQ(decode_block(block, 0, 0, rows), std::nullopt);
  EXPECT_EQ(rows[0].timestamp_ms, highest);
  EXPECT_EQ(rows[1].timestamp_ms, lowest);
  EXPECT_EQ(rows[2].timestamp_ms, -1);
  EXPECT_EQ(builder.max_timestamp_ms(), highest);
}

TEST(Block, EveryFlippedBitAndEveryCutIsFound) {
  const std::string block = small_block();
  std::vector<Record> rows;
  for (std::size_t bit = 0; bit < block.size() * 8; ++bit) {
    std::string damaged = block;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(decode_block(damaged, 42, 0, rows), std::nullopt) << "bit " << bit;
  }
  for (std::size_t size = 0; size < block.size(); ++size) {
    EXPECT_NE(decode_block(std::string_view(block).substr(0, size), 42, 0, rows), std::nullopt)
        << "cut to " << size;
  }
  EXPECT_NE(decode_block(block + "x", 42, 0, rows), std::nullopt);
  EXPECT_NE(decode_block(block, 41, 0, rows), std::nullopt) << "a block at an offset that is not its own";
  EXPECT_TRUE(rows.empty());
}

TEST(Block, BuilderIsAsNewAfterTakeAndClear) {
  BlockBuilder builder;
  for (int round = 0; round < 3; ++round) {
    builder.add("key", std::string(100'000, 'x'), {}, round, 7);
    EXPECT_EQ(builder.offset_span(), 1);
    builder.close();
    builder.stamp(round);
    std::vector<Record> rows;
    if (round == 1) {
      builder.clear();
      continue;
    }
    const ByteBuffer bytes = builder.take();
    ASSERT_EQ(decode_block(bytes.view(), round, 0, rows), std::nullopt);
    EXPECT_EQ(rows.at(0).value_size, 100'000u);
    EXPECT_EQ(std::string_view(bytes.data() + bytes.size(), record_padding),
              std::string(record_padding, '\0'));
  }
}

TEST(Crc32c, KnownValuesByInstructionAndByTable) {
  const std::string zeros(32, '\0');
  const std::string ones(32, '\xff');
  for (const auto crc : {crc32c, crc32c_portable}) {
    EXPECT_EQ(crc(""), 0u);
    EXPECT_EQ(crc("123456789"), 0xe3069283u);
    EXPECT_EQ(crc(zeros), 0x8a9136aau);  // RFC 3720, B.4
    EXPECT_EQ(crc(ones), 0x62a8ab43u);
  }
  std::string text;
  for (int i = 0; i < 100; ++i) {
    text.push_back(static_cast<char>(i * 37));
    EXPECT_EQ(crc32c(text), crc32c_portable(text));
  }
}

}  // namespace
}  // namespace tiderace
