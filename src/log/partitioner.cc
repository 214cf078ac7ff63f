#include <cstddef>

#include "log/log.h"

namespace tiderace {
namespace {

constexpr std::uint32_t multiplier = 0x5bd1e995;
constexpr std::uint32_t seed = 0x9747b28c;

std::uint32_t byte_at(std::string_view bytes, std::size_t i) noexcept {
  return static_cast<std::uint8_t>(bytes[i]);
}

/// MurmurHash2 (Austin Appleby, public domain) with the seed of Kafka's Java client, little-endian words.
std::uint32_t murmur2(std::string_view bytes) noexcept {
  std::uint32_t hash = seed ^ static_cast<std::uint32_t>(bytes.size());
  const std::size_t words = bytes.size() / 4;
  for (std::size_t i = 0; i < words; ++i) {
    std::uint32_t word = byte_at(bytes, 4 * i) | byte_at(bytes, 4 * i + 1) << 8 |
                         byte_at(bytes, 4 * i + 2) << 16 | byte_at(bytes, 4 * i + 3) << 24;
    word *= multiplier;
    word ^= word >> 24;
    word *= multiplier;
    hash = (hash * multiplier) ^ word;
  }
  const std::size_t tail = bytes.size() % 4;
  if (tail > 0) {
    for (std::size_t i = tail; i-- > 0;) hash ^= byte_at(bytes, 4 * words + i) << (8 * i);
    hash *= multiplier;
  }
  hash ^= hash >> 13;
  hash *= multiplier;
  return hash ^ (hash >> 15);
}

}  // namespace

std::int32_t partition_of(std::string_view key, std::int32_t partitions) noexcept {
  // The client masks the sign bit away; it does not take the absolute value.
  return static_cast<std::int32_t>(murmur2(key) & 0x7fffffffu) % partitions;
}

}  // namespace tiderace
