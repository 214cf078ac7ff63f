#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tiderace {

/// Bytes of padding that readers may touch (never use) behind the last value of a padded run of records.
constexpr std::size_t record_padding = 64;

/// One record of a partition. The pointers are into memory that the run's `owner` keeps alive.
struct Record {
  const char* value = nullptr;    ///< null: a tombstone
  const char* key = nullptr;      ///< null: no key
  const char* headers = nullptr;  ///< packed, see `HeadersView`; null: none
  std::uint32_t value_size = 0;
  std::uint32_t key_size = 0;
  std::uint32_t headers_size = 0;
  std::int64_t timestamp_ms = 0;
  std::int64_t offset = 0;

  [[nodiscard]] std::string_view value_view() const noexcept { return {value, value_size}; }
  [[nodiscard]] std::string_view key_view() const noexcept { return {key, key_size}; }
  [[nodiscard]] std::string_view headers_view() const noexcept { return {headers, headers_size}; }
};

/// A run of records of one partition in the order of their offsets (gaps are allowed), as a consumer hands it
/// out: whole, not copied, immutable.
struct Records {
  std::string topic;
  std::int32_t partition = 0;
  std::vector<Record> rows;
  std::int64_t next_offset =
      0;                ///< where to read on: past the last row, and past what the log left out behind it
  bool padded = false;  ///< whether `record_padding` bytes behind every value are readable
  std::shared_ptr<const void> owner;
};

/// The rows [begin, end) of `records`, as a run of their own.
[[nodiscard]] std::shared_ptr<const Records> part_of(const std::shared_ptr<const Records>& records,
                                                     std::size_t begin, std::size_t end);

/// Headers of a record, packed as: count (varint), then for each name length (varint), name, value length + 1
/// (varint; 0 is a null value), value. Order and duplicates are kept, as in Kafka.
using Header = std::pair<std::string, std::optional<std::string>>;

/// Appends the packed form of `headers`; nothing if there are none.
void pack_headers(const std::vector<Header>& headers, std::string& out);
/// The headers of a packed form. A malformed form throws Error{state}.
[[nodiscard]] std::vector<Header> unpack_headers(std::string_view packed);

/// Little-endian base-128 varints of unsigned numbers, as in protobuf.
void append_varint(std::string& out, std::uint64_t value);
/// Reads one and moves `in` past it; nullopt if `in` ends early or it has more than 10 bytes.
[[nodiscard]] std::optional<std::uint64_t> take_varint(std::string_view& in);
constexpr std::uint64_t zigzag(std::int64_t value) noexcept {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

}  // namespace tiderace
