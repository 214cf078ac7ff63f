#include <tiderace/error.h>
#include <tiderace/json_rows.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

/// Any text is rows or an Error of kind config; a row that was taken is taken alone, too, and as it is.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tiderace;
  static JsonRows rows({.key = "key", .timestamp = "at"});
  static JsonRows plain;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (JsonRows* const reader : {&rows, &plain}) {
    try {
      for (const JsonRow& row : reader->read(text)) {
        const auto alone = reader->read(row.value);
        if (alone.size() != 1 || alone[0].value != row.value || alone[0].key != row.key) std::abort();
      }
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::config) std::abort();
    }
  }
  return 0;
}
