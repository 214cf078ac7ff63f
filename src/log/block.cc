#include "log/block.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "base/error.h"
#include "log/crc32c.h"

namespace tiderace {
namespace {

static_assert(std::endian::native == std::endian::little, "blocks are written as little-endian words");

constexpr char magic[4] = {'T', 'R', 'L', 'B'};
constexpr std::uint16_t block_version = 1;
/// The most that the five varints before a record's bytes can take.
constexpr std::size_t max_varints_bytes = 10 + 10 + 5 + 5 + 5;

template <class T>
void put(char* at, T value) noexcept {
  std::memcpy(at, &value, sizeof value);
}

template <class T>
T get(const char* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

char* put_varint(char* at, std::uint64_t value) noexcept {
  while (value >= 0x80) {
    *at++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *at++ = static_cast<char>(value);
  return at;
}

char* put_bytes(char* at, std::string_view bytes) noexcept {
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  return at + bytes.size();
}

/// Reads varints and byte strings from a body; `failed` once the body did not hold what was asked for.
class BodyReader {
 public:
  explicit BodyReader(std::string_view body) noexcept : at_(body.data()), end_(body.data() + body.size()) {}

  std::uint64_t varint() noexcept {
    if (at_ < end_ && static_cast<std::uint8_t>(*at_) < 0x80) [[likely]]
      return static_cast<std::uint8_t>(*at_++);
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && at_ < end_; shift += 7) {
      const auto byte = static_cast<std::uint8_t>(*at_++);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    failed_ = true;
    return 0;
  }
  const char* bytes(std::uint64_t size) noexcept {
    if (size > static_cast<std::uint64_t>(end_ - at_)) {
      failed_ = true;
      return at_;
    }
    const char* found = at_;
    at_ += size;
    return found;
  }
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] bool at_end() const noexcept { return at_ == end_; }

 private:
  const char* at_;
  const char* end_;
  bool failed_ = false;
};

std::optional<std::string> fault_of_header(std::string_view block, std::int64_t base_offset) {
  if (block.size() < block_header_bytes) {
    return fmt::format("wanted a header of {} bytes, found {} bytes", block_header_bytes, block.size());
  }
  const char* bytes = block.data();
  if (std::memcmp(bytes, magic, sizeof magic) != 0) return "it does not begin with TRLB";
  if (get<std::uint32_t>(bytes + 36) != crc32c(block.substr(0, 36)))
    return "the checksum of its header does not match";
  if (get<std::uint16_t>(bytes + 4) != block_version || get<std::uint16_t>(bytes + 6) != 0) {
    return fmt::format(
        "wanted block version {} with flags 0, found version {} with flags {}; a newer Tiderace may have "
        "written it",
        block_version, get<std::uint16_t>(bytes + 4), get<std::uint16_t>(bytes + 6));
  }
  if (get<std::int64_t>(bytes + 8) != base_offset) {
    return fmt::format("wanted base offset {}, found {}", base_offset, get<std::int64_t>(bytes + 8));
  }
  if (get<std::uint32_t>(bytes + 28) != block.size() - block_header_bytes) {
    return fmt::format("wanted a body of {} bytes, found {}", get<std::uint32_t>(bytes + 28),
                       block.size() - block_header_bytes);
  }
  if (get<std::uint32_t>(bytes + 32) != crc32c(block.substr(block_header_bytes)))
    return "the checksum of its body does not match";
  return std::nullopt;
}

}  // namespace

void ByteBuffer::reserve(std::size_t capacity) {
  if (capacity <= capacity_ && data_ != nullptr) return;
  capacity = std::max(capacity, capacity_ + capacity_ / 2);
  auto* grown = static_cast<char*>(std::realloc(data_.get(), capacity + record_padding));
  if (grown == nullptr) throw std::bad_alloc();
  static_cast<void>(data_.release());
  data_.reset(grown);
  capacity_ = capacity;
}

void ByteBuffer::pad() noexcept {
  std::memset(data_.get() + size_, 0, record_padding);
}

BlockBuilder::BlockBuilder() {
  clear();
}

void BlockBuilder::clear() noexcept {
  bytes_.resize(0);
  count_ = 0;
  offset_span_ = 0;
  closed_ = false;
}

void BlockBuilder::add(std::optional<std::string_view> key, std::optional<std::string_view> value,
                       std::string_view headers, std::int64_t timestamp_ms, std::uint64_t skipped) {
  TIDERACE_CHECK(!closed_);
  if (count_ == 0) {
    bytes_.reserve(block_header_bytes);
    bytes_.resize(block_header_bytes);
    base_timestamp_ms_ = last_timestamp_ms_ = max_timestamp_ms_ = timestamp_ms;
    skipped = 0;
  }
  const std::size_t key_size = key ? key->size() : 0;
  const std::size_t value_size = value ? value->size() : 0;
  const std::size_t wanted = bytes_.size() + max_varints_bytes + key_size + value_size + headers.size();
  if (wanted > bytes_.capacity()) bytes_.reserve(wanted);
  char* at = bytes_.data() + bytes_.size();
  at = put_varint(at, skipped);
  at = put_varint(at, zigzag(static_cast<std::int64_t>(static_cast<std::uint64_t>(timestamp_ms) -
                                                       static_cast<std::uint64_t>(last_timestamp_ms_))));
  at = put_varint(at, key ? key_size + 1 : 0);
  at = put_varint(at, value ? value_size + 1 : 0);
  at = put_varint(at, headers.size());
  if (key) at = put_bytes(at, *key);
  at = put_bytes(at, headers);
  if (value) at = put_bytes(at, *value);
  bytes_.resize(static_cast<std::size_t>(at - bytes_.data()));
  last_timestamp_ms_ = timestamp_ms;
  max_timestamp_ms_ = std::max(max_timestamp_ms_, timestamp_ms);
  offset_span_ += static_cast<std::int64_t>(skipped) + 1;
  ++count_;
}

void BlockBuilder::close() noexcept {
  if (closed_) return;
  TIDERACE_CHECK(count_ > 0);
  char* bytes = bytes_.data();
  std::memcpy(bytes, magic, sizeof magic);
  put(bytes + 4, block_version);
  put(bytes + 6, std::uint16_t{0});
  put(bytes + 16, base_timestamp_ms_);
  put(bytes + 24, count_);
  put(bytes + 28, static_cast<std::uint32_t>(bytes_.size() - block_header_bytes));
  put(bytes + 32, crc32c(bytes_.view().substr(block_header_bytes)));
  closed_ = true;
}

std::string_view BlockBuilder::stamp(std::int64_t base_offset) noexcept {
  TIDERACE_CHECK(closed_);
  put(bytes_.data() + 8, base_offset);
  put(bytes_.data() + 36, crc32c(bytes_.view().substr(0, 36)));
  return bytes_.view();
}

ByteBuffer BlockBuilder::take() {
  bytes_.pad();
  ByteBuffer taken = std::move(bytes_);
  clear();
  return taken;
}

std::optional<std::string> decode_block(std::string_view block, std::int64_t base_offset, std::int64_t from,
                                        std::vector<Record>& rows) {
  if (auto fault = fault_of_header(block, base_offset)) return fault;
  const auto count = get<std::uint32_t>(block.data() + 24);
  // Five bytes are the least that a record takes: a count beyond that cannot be true, and must not size an
  // allocation.
  if (count == 0 || count > (block.size() - block_header_bytes) / 5)
    return fmt::format("its count of records, {}, cannot be", count);
  const std::size_t before = rows.size();
  // At least doubled, so that a run of many blocks is not moved once a block.
  if (before + count > rows.capacity()) rows.reserve(std::max(before + count, 2 * rows.capacity()));
  BodyReader in(block.substr(block_header_bytes));
  auto offset = static_cast<std::uint64_t>(base_offset) - 1;
  auto timestamp = get<std::uint64_t>(block.data() + 16);
  for (std::uint32_t i = 0; i < count; ++i) {
    offset += in.varint() + 1;
    timestamp += static_cast<std::uint64_t>(unzigzag(in.varint()));
    const std::uint64_t key_size = in.varint();
    const std::uint64_t value_size = in.varint();
    const std::uint64_t headers_size = in.varint();
    Record record;
    const char* key = in.bytes(key_size == 0 ? 0 : key_size - 1);
    const char* headers = in.bytes(headers_size);
    const char* value = in.bytes(value_size == 0 ? 0 : value_size - 1);
    if (in.failed() || static_cast<std::int64_t>(offset) < base_offset) {
      rows.resize(before);
      return fmt::format("its record number {} is malformed", i);
    }
    if (static_cast<std::int64_t>(offset) < from) continue;
    if (key_size > 0) record.key = key, record.key_size = static_cast<std::uint32_t>(key_size - 1);
    if (value_size > 0) record.value = value, record.value_size = static_cast<std::uint32_t>(value_size - 1);
    if (headers_size > 0)
      record.headers = headers, record.headers_size = static_cast<std::uint32_t>(headers_size);
    record.timestamp_ms = static_cast<std::int64_t>(timestamp);
    record.offset = static_cast<std::int64_t>(offset);
    rows.push_back(record);
  }
  if (!in.at_end()) {
    rows.resize(before);
    return "bytes are left over behind its last record";
  }
  return std::nullopt;
}

void throw_damaged_block(const std::string& topic, std::int32_t partition, std::int64_t base_offset,
                         const std::string& fault) {
  throw_error(
      ErrorKind::state,
      "topic {} partition {}: the stored block at offset {} is damaged: {}; start behind it, or restore the "
      "log's directory from a copy",
      topic, partition, base_offset, fault);
}

}  // namespace tiderace
