#include "state/window/window_codec.h"

#include <bit>

#include "columnar/records.h"

namespace tiderace {
namespace {

constexpr char version = 1;
constexpr auto mixed = static_cast<Kind>(255);

void append_value(std::string& out, WindowValue value) {
  switch (value.kind) {
    case Kind::boolean:
      out += static_cast<char>(value.payload & 1);
      return;
    case Kind::int64:
      append_varint(out, zigzag(value.int64()));
      return;
    case Kind::float64:
      for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(value.payload >> shift & 0xff);
      return;
    default:
      return;
  }
}

void append_rows(std::string& out, RowPage& page) {
  append_varint(out, page.size);
  append_varint(out, zigzag(page.first_position()));
  for (std::uint32_t i = 1; i < page.size; ++i) append_varint(out, *page.row(i) - *page.row(i - 1));
  for (std::size_t c = 0; c < page.columns; ++c) {
    const Kind first = page.kinds(0)[c];
    bool same = true;
    for (std::uint32_t i = 1; i < page.size; ++i) same = same && page.kinds(i)[c] == first;
    out += static_cast<char>(same ? first : mixed);
    for (std::uint32_t i = 0; !same && i < page.size; ++i) out += static_cast<char>(page.kinds(i)[c]);
  }
  for (std::size_t c = 0; c < page.columns; ++c) {
    for (std::uint32_t i = 0; i < page.size; ++i) append_value(out, page.value(i, c));
  }
}

/// Takes numbers from the front of `in`; after the first failure all are 0 and `failed`.
struct Reader {
  std::string_view in;
  bool failed = false;

  std::uint64_t varint() {
    const auto value = failed ? std::nullopt : take_varint(in);
    failed = !value;
    return value.value_or(0);
  }
  std::uint8_t byte() {
    failed = failed || in.empty();
    if (failed) return 0;
    const auto value = static_cast<std::uint8_t>(in.front());
    in.remove_prefix(1);
    return value;
  }
  std::uint64_t word() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 8) value |= static_cast<std::uint64_t>(byte()) << shift;
    return value;
  }
};

const char* take_value(Reader& reader, Kind kind, std::uint64_t& payload) {
  payload = 0;
  switch (kind) {
    case Kind::null:
      return nullptr;
    case Kind::boolean:
      payload = reader.byte();
      return payload > 1 ? "a bool is neither 0 nor 1" : nullptr;
    case Kind::int64:
      payload = static_cast<std::uint64_t>(unzigzag(reader.varint()));
      return nullptr;
    case Kind::float64: {
      payload = reader.word();
      const double number = std::bit_cast<double>(payload);
      return number != number ? "a float is NaN" : nullptr;
    }
    default:
      return "a value is of a kind that no window holds";
  }
}

const char* take_positions(Reader& reader, RowPage& page) {
  std::int64_t position = unzigzag(reader.varint());
  for (std::uint32_t i = 0; i < page.size; ++i) {
    if (i > 0) {
      const std::uint64_t step = reader.varint();
      const auto room = static_cast<std::uint64_t>(INT64_MAX) - static_cast<std::uint64_t>(position);
      if (step > room) return "a position is out of range";
      position = static_cast<std::int64_t>(static_cast<std::uint64_t>(position) + step);
    }
    *page.row(i) = static_cast<std::uint64_t>(position);
  }
  return nullptr;
}

const char* take_rows(Reader& reader, RowPage& page) {
  const std::uint64_t count = reader.varint();
  if (count > page.capacity) return "it has too many rows";
  page.size = static_cast<std::uint16_t>(count);
  if (count == 0) return reader.failed ? "it ends early" : "it has no rows";
  if (const char* wrong = take_positions(reader, page)) return wrong;
  for (std::size_t c = 0; c < page.columns; ++c) {
    const auto all = static_cast<Kind>(reader.byte());
    for (std::uint32_t i = 0; i < page.size; ++i) {
      page.kinds(i)[c] = all == mixed ? static_cast<Kind>(reader.byte()) : all;
    }
  }
  for (std::size_t c = 0; c < page.columns; ++c) {
    for (std::uint32_t i = 0; i < page.size; ++i) {
      if (const char* wrong = take_value(reader, page.kinds(i)[c], page.row(i)[c + 1])) return wrong;
    }
  }
  return nullptr;
}

const char* take_start(Reader& reader, const RowPage& page) {
  if (reader.byte() != version) return "it is of another version";
  if (reader.varint() != page.columns) return "it has another number of columns";
  return nullptr;
}

const char* finish(const Reader& reader) {
  if (reader.failed) return "it ends early";
  return reader.in.empty() ? nullptr : "there are bytes behind it";
}

}  // namespace

void encode_head(const StoredHead& head, RowPage& last, std::string& out) {
  out += version;
  append_varint(out, last.columns);
  append_varint(out, zigzag(head.seen));
  append_varint(out, head.next_number);
  append_varint(out, head.full_pages);
  append_varint(out, last.previous != nullptr ? last.previous->number + 1 : 0);
  append_rows(out, last);
}

void encode_page(RowPage& page, std::string& out) {
  out += version;
  append_varint(out, page.columns);
  append_varint(out, page.previous != nullptr ? page.previous->number + 1 : 0);
  append_rows(out, page);
}

const char* decode_head(std::string_view bytes, StoredHead& head, StoredLinks& links, RowPage& page) {
  Reader reader{bytes};
  if (const char* wrong = take_start(reader, page)) return wrong;
  head.seen = unzigzag(reader.varint());
  head.next_number = reader.varint();
  head.full_pages = reader.varint();
  links.previous = reader.varint();
  if (const char* wrong = take_rows(reader, page)) return wrong;
  return finish(reader);
}

const char* decode_page(std::string_view bytes, StoredLinks& links, RowPage& page) {
  Reader reader{bytes};
  if (const char* wrong = take_start(reader, page)) return wrong;
  links.previous = reader.varint();
  if (const char* wrong = take_rows(reader, page)) return wrong;
  return finish(reader);
}

std::optional<std::int64_t> seen_of_head(std::string_view bytes) {
  Reader reader{bytes};
  if (reader.byte() != version) return std::nullopt;
  reader.varint();
  const std::int64_t seen = unzigzag(reader.varint());
  return reader.failed ? std::nullopt : std::optional(seen);
}

}  // namespace tiderace
