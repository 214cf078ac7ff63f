#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "columnar/records.h"

namespace tiderace {

/// Keys of the store, for any bytes in `step` and `key`, such that no two of them are equal or one a prefix
/// of the other by chance:
///
///     length of step (varint) · step · length of key (varint) · key · what (1 byte) [· number (8 bytes,
///     big-endian) | · name]
///
/// `what`: 0 the head record of the key, 1 a numbered record, 2 a named record.
namespace state_key {

constexpr char head_record = 0;
constexpr char numbered_record = 1;
constexpr char named_record = 2;

/// All records of a step begin with this.
inline std::string of_step(std::string_view step) {
  std::string bytes;
  append_varint(bytes, step.size());
  bytes.append(step);
  return bytes;
}

/// All records of a key, where `step` is what `of_step` gave.
inline std::string of_key(std::string_view step, std::string_view key) {
  std::string bytes;
  bytes.reserve(step.size() + key.size() + 16);
  bytes.append(step);
  append_varint(bytes, key.size());
  bytes.append(key);
  return bytes;
}

inline std::string head(std::string_view step, std::string_view key) {
  return of_key(step, key) + head_record;
}

inline std::string all_numbered(std::string_view step, std::string_view key) {
  return of_key(step, key) + numbered_record;
}

inline std::string numbered(std::string_view step, std::string_view key, std::uint64_t number) {
  std::string bytes = all_numbered(step, key);
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift & 0xff);
  return bytes;
}

inline std::string named(std::string_view step, std::string_view key, std::string_view name) {
  return (of_key(step, key) + named_record).append(name);
}

/// The number at the end of a numbered record's key.
inline std::uint64_t number_of(std::string_view bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = bytes.size() < 8 ? 0 : bytes.size() - 8; i < bytes.size(); ++i) {
    number = number << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return number;
}

/// What stands behind the prefix of the step, taken apart; `key` is a view of `bytes`. False if it is
/// malformed.
inline bool take_apart(std::string_view bytes, std::string_view step, std::string_view& key, char& what) {
  if (!bytes.starts_with(step)) return false;
  bytes.remove_prefix(step.size());
  const auto size = take_varint(bytes);
  if (!size || *size >= bytes.size()) return false;
  key = bytes.substr(0, *size);
  what = bytes[*size];
  return true;
}

}  // namespace state_key
}  // namespace tiderace
