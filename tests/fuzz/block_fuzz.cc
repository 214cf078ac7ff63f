#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "log/block.h"
#include "log/crc32c.h"

namespace {

/// Decodes `block` and touches every byte that the rows point to.
void decode(std::string_view block, std::int64_t base_offset) {
  std::vector<tiderace::Record> rows;
  if (tiderace::decode_block(block, base_offset, 0, rows).has_value() && !rows.empty()) std::abort();
  std::uint32_t sum = 0;
  for (const tiderace::Record& row : rows) {
    sum += tiderace::crc32c(row.key_view()) + tiderace::crc32c(row.value_view()) +
           tiderace::crc32c(row.headers_view());
  }
  volatile std::uint32_t kept = sum;
  static_cast<void>(kept);
}

void put(std::string& block, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) block[at + i] = static_cast<char>(value >> (8 * i));
}

}  // namespace

/// Any bytes as a block: as they are, and with the sizes and checksums made right, so that what is behind
/// them is reached too.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string block(reinterpret_cast<const char*>(data), size);
  decode(block, 0);
  if (size < tiderace::block_header_bytes) return 0;
  block.replace(0, 8, std::string("TRLB\x01\0\0\0", 8));
  block.replace(8, 8, std::string(8, '\0'));
  put(block, 28, static_cast<std::uint32_t>(size - tiderace::block_header_bytes));
  put(block, 32, tiderace::crc32c(std::string_view(block).substr(tiderace::block_header_bytes)));
  put(block, 36, tiderace::crc32c(std::string_view(block).substr(0, 36)));
  decode(block, 0);
  return 0;
}
