// Stored windows of arbitrary bytes: nothing but a clean refusal or rows that are sound and come out as they
// went in.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "state/window/window_codec.h"

namespace {

using namespace tiderace;

void check_rows(RowPage& page) {
  TIDERACE_CHECK(page.size > 0 && page.size <= RowPage::full);
  for (std::uint32_t i = 1; i < page.size; ++i) TIDERACE_CHECK(page.position(i - 1) <= page.position(i));
  for (std::uint32_t i = 0; i < page.size; ++i) {
    for (std::size_t c = 0; c < page.columns; ++c) {
      const WindowValue value = page.value(i, c);
      TIDERACE_CHECK(value.kind == Kind::null || is_number(value.kind));
      TIDERACE_CHECK(value.kind != Kind::float64 || value.float64() == value.float64());
    }
  }
}

void check_equal(RowPage& a, RowPage& b) {
  TIDERACE_CHECK(a.size == b.size);
  for (std::uint32_t i = 0; i < a.size; ++i) {
    TIDERACE_CHECK(a.position(i) == b.position(i));
    for (std::size_t c = 0; c < a.columns; ++c) {
      TIDERACE_CHECK(a.value(i, c).kind == b.value(i, c).kind &&
                     a.value(i, c).payload == b.value(i, c).payload);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t columns = 1 + data[0] % 3;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  RowPagePool pool(columns);
  RowPage& page = *pool.take(RowPage::full);
  RowPage& again = *pool.take(RowPage::full);
  StoredLinks links;
  StoredHead head;
  std::string encoded;
  if (decode_page(bytes, links, page) == nullptr) {
    check_rows(page);
    encode_page(page, encoded);
    TIDERACE_CHECK(decode_page(encoded, links, again) == nullptr);
    check_equal(page, again);
  }
  encoded.clear();
  if (decode_head(bytes, head, links, page) == nullptr) {
    check_rows(page);
    TIDERACE_CHECK(seen_of_head(bytes) == head.seen);
    encode_head(head, page, encoded);
    TIDERACE_CHECK(decode_head(encoded, head, links, again) == nullptr);
    check_equal(page, again);
  }
  return 0;
}
