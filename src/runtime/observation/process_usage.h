#pragma once

#include <cstdint>
#include <optional>

namespace tiderace {

/// What this process takes of the machine. Nullopt where the operating system does not say.
struct ProcessUsage {
  double cpu_seconds = 0;                    ///< user and system, of all threads
  std::optional<double> start_time_seconds;  ///< since 1970 (UTC)
  std::optional<std::uint64_t> resident_memory_bytes;
  std::optional<std::uint64_t> virtual_memory_bytes;
  std::optional<std::uint64_t> open_files;
};

[[nodiscard]] ProcessUsage process_usage();

}  // namespace tiderace
