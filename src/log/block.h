#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "columnar/records.h"

namespace tiderace {

/// Bytes that are not cleared when they are made or grown. Behind the last one, `record_padding` more are
/// readable (and zero after `pad`).
class ByteBuffer {
 public:
  ByteBuffer() = default;
  explicit ByteBuffer(std::size_t capacity) { reserve(capacity); }
  ByteBuffer(ByteBuffer&& other) noexcept
      : data_(std::move(other.data_)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  ByteBuffer& operator=(ByteBuffer&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  [[nodiscard]] char* data() noexcept { return data_.get(); }
  [[nodiscard]] const char* data() const noexcept { return data_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::string_view view() const noexcept { return {data_.get(), size_}; }
  /// Room for `capacity` bytes and the padding. Growth is at least by half.
  void reserve(std::size_t capacity);
  /// `size` is at most `capacity()`; new bytes are undefined.
  void resize(std::size_t size) noexcept { size_ = size; }
  /// Clears the padding, so that reading it is reading defined bytes.
  void pad() noexcept;

 private:
  struct Free {
    void operator()(char* bytes) const noexcept { std::free(bytes); }
  };
  std::unique_ptr<char[], Free> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// A block: some consecutive records of one partition, as they are stored. Version 1, all numbers
// little-endian:
//
//   at  size  what
//    0     4  magic: the characters TRLB
//    4     2  version: 1
//    6     2  flags: 0
//    8     8  base offset: that of the first record
//   16     8  base timestamp: that of the first record, milliseconds
//   24     4  number of records, at least 1
//   28     4  size of the body
//   32     4  CRC-32C of the body
//   36     4  CRC-32C of bytes 0 to 35
//   40     .  the body: the records, one behind the other, nothing between
//
// A record is, with varints as in protobuf:
//
//   varint         offset - offset of the record before - 1 (0 for the first): how many offsets are left out
//   before it zigzag varint  timestamp - timestamp of the record before (0 for the first), modulo 2^64 varint
//   size of the key + 1; 0: no key varint         size of the value + 1; 0: a tombstone varint         size
//   of the packed headers; 0: none bytes          key, headers, value
//
// The base offset is written last, when the log has assigned it: nothing else in a block depends on where it
// lands.
constexpr std::size_t block_header_bytes = 40;
/// A block that has grown to so many bytes is closed and the next one begun.
constexpr std::size_t block_target_bytes = 1u << 20;

/// Puts a block together. One thread.
class BlockBuilder {
 public:
  BlockBuilder();

  /// Appends a record; `skipped` offsets before it are left out. A record of the first `add` has the base
  /// offset whatever is skipped. Sizes are below 2^31; the whole block stays below 2^32.
  void add(std::optional<std::string_view> key, std::optional<std::string_view> value,
           std::string_view headers, std::int64_t timestamp_ms, std::uint64_t skipped = 0);
  /// Ends the body and computes its checksum. No `add` after it; again is nothing.
  void close() noexcept;
  /// Writes the base offset into the closed block and returns its bytes, which stay valid until the next
  /// call. May be repeated.
  std::string_view stamp(std::int64_t base_offset) noexcept;
  /// Hands the bytes of the stamped block over, padded. The builder is as new.
  [[nodiscard]] ByteBuffer take();
  /// Forgets the records, keeps the memory.
  void clear() noexcept;

  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  /// How far the last record is from the first, + 1.
  [[nodiscard]] std::int64_t offset_span() const noexcept { return offset_span_; }
  [[nodiscard]] std::int64_t max_timestamp_ms() const noexcept { return max_timestamp_ms_; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return bytes_.capacity(); }

 private:
  ByteBuffer bytes_;
  std::uint32_t count_ = 0;
  std::int64_t offset_span_ = 0;
  std::int64_t base_timestamp_ms_ = 0;
  std::int64_t last_timestamp_ms_ = 0;
  std::int64_t max_timestamp_ms_ = 0;
  bool closed_ = false;
};

/// Appends the records of `block` whose offset is at least `from` to `rows`, pointing into `block`. Returns
/// what is wrong with the block if something is (then nothing is appended): any bytes are safe to hand in. A
/// sound block must begin at `base_offset`.
[[nodiscard]] std::optional<std::string> decode_block(std::string_view block, std::int64_t base_offset,
                                                      std::int64_t from, std::vector<Record>& rows);

/// Throws Error{state} for a stored block of which `decode_block` said `fault`.
[[noreturn]] void throw_damaged_block(const std::string& topic, std::int32_t partition,
                                      std::int64_t base_offset, const std::string& fault);

}  // namespace tiderace
