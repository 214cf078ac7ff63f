#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "state/window/row_page.h"

namespace tiderace {

/// The stored form of the rows of one key. Varints are little-endian base 128, zigzag where signed.
///
///     head record
///       version          1 byte, 1
///       columns          varint
///       seen             signed varint: the largest event time of the key, nanoseconds
///       next number      varint: of the next new page
///       full pages       varint: how many numbered records belong to the key
///       previous         varint: number of the page before the last one, + 1; 0: none
///       rows             of the last page
///     numbered record (a full page)
///       version          1 byte, 1
///       columns          varint
///       previous         varint: as above
///       rows
///
///     rows
///       count            varint, 1 to 32
///       first position   signed varint
///       steps            count - 1 varints: position minus the position before
///       per column: kinds, a byte each if they differ, after a byte 255; else the one kind of all (1 byte)
///       per column and row that is not null: bool 1 byte, int64 signed varint, float64 8 bytes little-endian
struct StoredHead {
  std::int64_t seen = 0;
  std::uint64_t next_number = 0;
  std::uint64_t full_pages = 0;
};

void encode_head(const StoredHead& head, RowPage& last, std::string& out);
void encode_page(RowPage& page, std::string& out);

/// Number of the page before, + 1; 0: none.
struct StoredLinks {
  std::uint64_t previous = 0;
};

/// Fill `page`, which has `full` rows of room and the expected number of columns. Return what is wrong with
/// the bytes, or null.
[[nodiscard]] const char* decode_head(std::string_view bytes, StoredHead& head, StoredLinks& links,
                                      RowPage& page);
[[nodiscard]] const char* decode_page(std::string_view bytes, StoredLinks& links, RowPage& page);
/// The `seen` of a head record, without the rest.
[[nodiscard]] std::optional<std::int64_t> seen_of_head(std::string_view bytes);

}  // namespace tiderace
