#include "columnar/records.h"

#include "base/error.h"

namespace tiderace {

void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

std::optional<std::uint64_t> take_varint(std::string_view& in) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < 10 && i < in.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(in[i]);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      in.remove_prefix(i + 1);
      return value;
    }
  }
  return std::nullopt;
}

std::shared_ptr<const Records> part_of(const std::shared_ptr<const Records>& records, std::size_t begin,
                                       std::size_t end) {
  if (begin == 0 && end == records->rows.size()) return records;
  auto part = std::make_shared<Records>();
  part->topic = records->topic;
  part->partition = records->partition;
  const auto rows = records->rows.begin();
  part->rows.assign(rows + static_cast<std::ptrdiff_t>(begin), rows + static_cast<std::ptrdiff_t>(end));
  part->next_offset = end == records->rows.size() ? records->next_offset : records->rows[end].offset;
  part->padded = records->padded;
  part->owner = records;
  return part;
}

void pack_headers(const std::vector<Header>& headers, std::string& out) {
  if (headers.empty()) return;
  append_varint(out, headers.size());
  for (const auto& [name, value] : headers) {
    append_varint(out, name.size());
    out += name;
    append_varint(out, value ? value->size() + 1 : 0);
    if (value) out += *value;
  }
}

namespace {

std::string take_bytes(std::string_view& in, std::uint64_t size) {
  if (size > in.size())
    throw_error(ErrorKind::state, "packed headers end early: wanted {} bytes, found {}", size, in.size());
  std::string bytes(in.substr(0, size));
  in.remove_prefix(size);
  return bytes;
}

std::uint64_t take_size(std::string_view& in) {
  const auto size = take_varint(in);
  if (!size) throw Error(ErrorKind::state, "packed headers hold a malformed varint");
  return *size;
}

}  // namespace

std::vector<Header> unpack_headers(std::string_view packed) {
  std::vector<Header> headers;
  if (packed.empty()) return headers;
  for (std::uint64_t left = take_size(packed); left > 0; --left) {
    std::string name = take_bytes(packed, take_size(packed));
    const std::uint64_t size = take_size(packed);
    std::optional<std::string> value;
    if (size > 0) value = take_bytes(packed, size - 1);
    headers.emplace_back(std::move(name), std::move(value));
  }
  return headers;
}

}  // namespace tiderace
