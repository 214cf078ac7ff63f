#include "state/window/window_codec.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <tiderace/error.h>

#include <random>

#include "rolling_fixture.h"
#include "state/state_key.h"

namespace tiderace {
namespace {

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

struct Page {
  explicit Page(std::size_t columns) : pool(columns), page(pool.take(RowPage::full)) {}
  void push(std::int64_t position, std::vector<WindowValue> values) { page->push(position, values.data()); }
  RowPagePool pool;
  RowPage* page;
};

TEST(WindowCodec, HasTheBytesThatTheHeaderSays) {
  Page two(2);
  two.push(-3, {value(1.5), value(-2)});
  two.push(-3, {value(7), {}});
  two.push(200, {value(0.0), {}});
  std::string page;
  encode_page(*two.page, page);
  EXPECT_EQ(hex(page),
            "01"
            "02"
            "00"  // version, columns, previous
            "03"
            "05"
            "00"
            "cb01"  // rows, first position, steps
            "ff"
            "040204"
            "ff"
            "020000"  // kinds
            "000000000000f83f"
            "0e"
            "0000000000000000"  // first column
            "03");              // second column
  std::string head;
  encode_head({.seen = 200, .next_number = 9, .full_pages = 3}, *two.page, head);
  EXPECT_EQ(hex(head.substr(0, 6)),
            "01"
            "02"
            "9003"
            "09"
            "03");
  EXPECT_EQ(hex(head.substr(6)), hex(page.substr(2)));
  EXPECT_EQ(seen_of_head(head), 200);
}

TEST(WindowCodec, ReadsWhatItWrites) {
  Page from(3);
  std::mt19937_64 random(1);
  for (std::int64_t i = 0; i < 32; ++i) {
    from.push(i < 2 ? INT64_MIN + i : static_cast<std::int64_t>(INT64_MAX - 31 + i),
              {value(static_cast<double>(random())), value(infinity),
               i % 3 == 0 ? WindowValue{} : value(INT32_MIN)});
  }
  std::string bytes;
  encode_page(*from.page, bytes);
  Page to(3);
  StoredLinks links;
  ASSERT_EQ(decode_page(bytes, links, *to.page), nullptr);
  ASSERT_EQ(to.page->size, 32);
  for (std::uint32_t i = 0; i < 32; ++i) {
    EXPECT_EQ(to.page->position(i), from.page->position(i));
    for (std::size_t c = 0; c < 3; ++c)
      EXPECT_EQ(to.page->value(i, c).payload, from.page->value(i, c).payload);
  }
}

TEST(WindowCodec, RefusesDamagedBytes) {
  Page from(1);
  for (int i = 0; i < 5; ++i) from.push(i, {value(i)});
  std::string bytes;
  encode_page(*from.page, bytes);
  Page to(1);
  StoredLinks links;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE(decode_page(bytes.substr(0, size), links, *to.page), nullptr);
  }
  EXPECT_STREQ(decode_page(bytes + "x", links, *to.page), "there are bytes behind it");
  std::string newer = bytes;
  newer[0] = 2;
  EXPECT_STREQ(decode_page(newer, links, *to.page), "it is of another version");
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string changed = bytes;
    changed[random() % bytes.size()] = static_cast<char>(random());
    (void)decode_page(changed, links, *to.page);
  }
}

TEST(WindowCodec, ADamagedWindowSaysWhatToDo) {
  for (const bool page : {false, true}) {
    Rolling rolling(all_of(1000));
    for (std::int64_t at = 0; at < 100; ++at)
      rolling.process(OracleRow{.key = "r1", .event_time = at, .values = {value(1)}});
    rolling.checkpoint();
    const std::string step = state_key::of_step("s");
    const std::string name = page ? state_key::numbered(step, "r1", 0) : state_key::head(step, "r1");
    ASSERT_TRUE(rolling.store().get(name));
    std::vector<Change> changes{{name, page ? std::nullopt : std::optional<std::string>("\1rubbish")}};
    rolling.store().apply(changes, {});
    rolling.start();
    try {
      rolling.process(OracleRow{.key = "r1", .event_time = 100, .values = {value(1)}});
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::state);
      EXPECT_NE(std::string(error.what()).find("key \"r1\" is damaged"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("restored from its changelog"), std::string::npos)
          << error.what();
    }
  }
}

TEST(StateKey, IsUnambiguousForAnyBytes) {
  const std::vector<std::string> parts = {
      "", "a", "ab", std::string("\0", 1), std::string("\1a", 2), "\xff", std::string(200, 'x')};
  std::vector<std::string> keys;
  for (const std::string& step : parts) {
    for (const std::string& key : parts) {
      const std::string of_step = state_key::of_step(step);
      keys.push_back(state_key::head(of_step, key));
      keys.push_back(state_key::numbered(of_step, key, 1));
      for (const std::string& name : parts) keys.push_back(state_key::named(of_step, key, name));
      std::string_view found;
      char what = 9;
      const std::string numbered = state_key::numbered(of_step, key, 77);
      ASSERT_TRUE(state_key::take_apart(numbered, of_step, found, what));
      EXPECT_EQ(found, key);
      EXPECT_EQ(what, state_key::numbered_record);
    }
  }
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(std::unique(keys.begin(), keys.end()), keys.end());
  EXPECT_EQ(state_key::number_of(state_key::numbered("s", "k", 0x0102030405060708)), 0x0102030405060708u);
}

}  // namespace
}  // namespace tiderace
