#pragma once

#include <cstdint>
#include <string>

namespace crash {

/// Row `number` of the test's phones: the same whoever asks. Some have no gForce, some cannot be processed,
/// some come out of order, some of those too late.
struct PhoneRow {
  std::string rider;
  std::string text;
  bool alert;  ///< whether it reaches the end of the pipeline
};

inline std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

inline PhoneRow phone_row(std::uint64_t number) {
  const std::uint64_t random = mixed(number + 1);
  PhoneRow row;
  row.rider = "rider-" + std::to_string(random % 13);
  std::int64_t timestamp = 1'700'000'000'000 + static_cast<std::int64_t>(number) * 50;
  if (random / 13 % 11 == 0) timestamp -= static_cast<std::int64_t>(random / 143 % 25'000);
  row.text = "{\"rider\":\"" + row.rider + "\",\"n\":" + std::to_string(number) +
             ",\"timestamp\":" + std::to_string(timestamp);
  const std::uint64_t kind = random / 4096 % 20;
  row.alert = kind > 2;
  if (kind == 0) row.text += ",\"gForceX\":\"high\",\"gForceY\":0}";
  if (kind == 1 || kind == 2) row.text += ",\"speed\":7.5}";
  if (row.alert) {
    const auto part = [&](int shift) {
      return std::to_string(static_cast<int>(random >> shift & 0xffff) - 32768);
    };
    row.text += ",\"gForceX\":" + part(20) + "e-3,\"gForceY\":" + part(28) + "e-3}";
  }
  return row;
}

}  // namespace crash
