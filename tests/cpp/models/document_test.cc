#include "models/document.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <tiderace/error.h>

#include <fstream>
#include <iterator>
#include <random>
#include <string>

namespace tiderace {
namespace {

using namespace std::literals;

/// Writes down what it is told, a line a call.
class Recorder : public DocumentVisitor {
 public:
  void text(std::string_view path, std::string_view value) override {
    seen += fmt::format("{}={};", path, value);
  }
  void number(std::string_view path, double value) override { seen += fmt::format("{}:{};", path, value); }
  void array(std::string_view path, std::size_t size) override { seen += fmt::format("{}#{};", path, size); }
  void object(std::string_view path) override {
    if (!path.empty()) seen += fmt::format("{}!;", path);
  }
  std::string seen;
};

std::string walked(std::string_view bytes) {
  Recorder recorder;
  try {
    walk_document(bytes, recorder);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::config);
    return error.what();
  }
  return recorder.seen;
}

std::string model_bytes(const std::string& name) {
  std::ifstream file(TIDERACE_SOURCE_DIR "/tests/cpp/models/data/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(JsonDocument, ReportsScalarsUnderTheirPaths) {
  EXPECT_EQ(
      walked(R"( { "a" : {"b":"x","c":[1,-2.5e1,"y",[true]]}, "d":null,"e":[],"f":NaN,"g":-Infinity} )"),
      "a.b=x;a.c:1;a.c:-25;a.c=y;a.c#1;a.c#4;a!;e#0;");
  EXPECT_EQ(walked(R"({"\u0061\n":"gr\u00f6\u20ac\ud83d\ude00\/"})"),
            "a\n=gr\xc3\xb6\xe2\x82\xac\xf0\x9f\x98\x80/;");
}

TEST(JsonDocument, SaysWhereItIsBroken) {
  EXPECT_EQ(walked(""),
            "byte 0: wanted the opening brace of a JSON or UBJSON object, found the end of the file");
  EXPECT_EQ(walked("binf"), "byte 0: wanted the opening brace of a JSON or UBJSON object, found 'b'");
  EXPECT_EQ(walked(R"({"a":1)"), "byte 6: wanted a comma or the closing brace, found the end of the file");
  EXPECT_EQ(walked(R"({"a":inf})"), "byte 5: wanted a value, found 'i'");
  EXPECT_EQ(walked(R"({"a":"\x"})"), "byte 7: wanted an escaped character, found 'x'");
  EXPECT_EQ(walked(R"({"a":"\u12)"), "byte 10: wanted four hexadecimal digits, found the end of the file");
  EXPECT_EQ(walked("{} {"), "byte 3: wanted nothing behind the closing brace, found '{'");
}

TEST(UbjsonDocument, ReportsScalarsUnderTheirPaths) {
  EXPECT_EQ(walked("{U\1a{i\1bSi\1xi\1c[U\xff"
                   "i\xff"
                   "I\1\0]}i\1dZi\1eC!}"sv),
            "a.b=x;a.c:255;a.c:-1;a.c:256;a.c#3;a!;e=!;");
}

TEST(UbjsonDocument, ReadsTypedAndCountedContainers) {
  EXPECT_EQ(walked("{i\1a[$l#i\2\0\0\0\1\xff\xff\xff\xffi\1b[#i\1Ti\1c[$d#i\1\0\0\0\0i\1d{$i#i\1i\1e\7}"sv),
            "a:1;a:-1;a#2;b#1;c#1;d.e:7;d!;");
  EXPECT_EQ(walked("{i\1dd\x3f\x80\0\0i\1DD\x40\0\0\0\0\0\0\0i\1LL\0\0\0\1\0\0\0\0}"sv),
            "d:1;D:2;L:4294967296;");
}

TEST(UbjsonDocument, RefusesSizesThatTheFileCannotHold) {
  EXPECT_EQ(walked("{i\1a[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff}"sv),
            "byte 17: wanted at most as many elements as bytes are left, found '}'");
  EXPECT_EQ(walked("{i\xff"
                   "a}"sv),
            "byte 3: wanted a length that is not negative before this, found 'a'");
  EXPECT_EQ(walked("{i\1a[$d]}"sv), "byte 7: wanted the size of a container that has a type, found ']'");
  EXPECT_EQ(walked("{i\1aSi\5xy}"sv),
            "byte 10: wanted as many bytes as the length of the string says, found the end of the file");
  EXPECT_EQ(walked("{i\1ax}"sv), "byte 4: wanted the marker of a value, found 'x'");
}

TEST(Document, LimitsTheDepth) {
  std::string json = R"({"a":)" + std::string(100'000, '[');
  EXPECT_NE(walked(json).find("wanted at most 64 levels of nesting"), std::string::npos);
  std::string ubjson = "{i\1a" + std::string(100'000, '[');
  EXPECT_NE(walked(ubjson).find("wanted at most 64 levels of nesting"), std::string::npos);
}

TEST(Document, EveryTruncationOfAModelIsAFault) {
  for (const char* name : {"logistic.ubj", "named.json"}) {
    const std::string bytes = model_bytes(name);
    ASSERT_FALSE(walked(bytes).starts_with("byte "));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      // A copy of its own on the heap, so that a sanitizer sees a read past its end.
      const std::string cut = bytes.substr(0, size);
      ASSERT_TRUE(walked(cut).starts_with("byte ")) << name << " cut to " << size;
    }
  }
}

TEST(Document, AnyChangeOfBytesIsSafe) {
  std::mt19937 random(7);
  for (const char* name : {"logistic.ubj", "named.json"}) {
    const std::string bytes = model_bytes(name);
    for (int i = 0; i < 3000; ++i) {
      std::string changed = bytes;
      for (int j = 0; j < 4; ++j) changed[random() % changed.size()] = static_cast<char>(random());
      (void)walked(changed);
    }
  }
}

}  // namespace
}  // namespace tiderace
