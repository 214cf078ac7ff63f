#pragma once

#include <cstdint>
#include <string_view>

namespace tiderace {

/// CRC-32C (Castagnoli, as in iSCSI and Kafka's record batches) of `bytes`. By the processor's instruction
/// where there is one.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes) noexcept;

/// The same by tables, on any processor: what `crc32c` falls back to.
[[nodiscard]] std::uint32_t crc32c_portable(std::string_view bytes) noexcept;

}  // namespace tiderace
