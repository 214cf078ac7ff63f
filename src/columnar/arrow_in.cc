#include "columnar/arrow_in.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "columnar/arrow_values.h"
#include "columnar/invalid.h"

namespace tiderace {
namespace {

/// Owns a structure of the C data interface: moved out of the producer's hands, released once.
template <class T>
class Owned {
 public:
  Owned() = default;
  explicit Owned(T* taken) : value_(std::exchange(*taken, T{})) {}
  Owned(Owned&& other) noexcept : value_(std::exchange(other.value_, T{})) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Owned() {
    if (value_.release != nullptr) value_.release(&value_);
  }
  [[nodiscard]] T* get() noexcept { return &value_; }
  [[nodiscard]] const T& operator*() const noexcept { return value_; }
  [[nodiscard]] const T* operator->() const noexcept { return &value_; }
  [[nodiscard]] bool released() const noexcept { return value_.release == nullptr; }

 private:
  T value_{};
};

/// Clears the kinds whose validity bit is 0. Bits are read from `begin` on, eight rows a step.
void apply_validity(const void* bitmap, std::int64_t begin, std::size_t size, Kind* kinds) {
  const auto* const bytes = static_cast<const std::uint8_t*>(bitmap) + begin / 8;
  const auto shift = static_cast<unsigned>(begin % 8);
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    unsigned bits = bytes[i / 8] >> shift;
    if (shift != 0) bits |= static_cast<unsigned>(bytes[i / 8 + 1]) << (8 - shift);
    if ((bits & 0xFF) == 0xFF) continue;
    // Bit k of `bits` spreads to all bits of byte k.
    const std::uint64_t chosen = ((bits & 0xFF) * 0x0101010101010101u) & 0x8040201008040201u;
    const std::uint64_t keep = (((chosen + 0x7F7F7F7F7F7F7F7Fu) | chosen) >> 7 & 0x0101010101010101u) * 0xFF;
    std::uint64_t eight;
    std::memcpy(&eight, kinds + i, 8);
    eight &= keep;
    std::memcpy(kinds + i, &eight, 8);
  }
  for (; i < size; ++i) {
    if (!bit_at(bitmap, begin + static_cast<std::int64_t>(i))) kinds[i] = Kind::null;
  }
}

/// Part of an array on its way into a column: `size` values from `begin` (counted with the array's offset) to
/// row `at` of `out`.
struct Part {
  const ArrowArray& array;
  std::int64_t begin;
  std::size_t size;
  ColumnBuilder& out;
  std::size_t at;

  [[nodiscard]] const void* values() const { return array.buffers[1]; }
  [[nodiscard]] std::int64_t source(std::size_t i) const { return begin + static_cast<std::int64_t>(i); }

  void copy_words(Kind kind) const {
    std::fill_n(out.kinds() + at, size, kind);
    if (size != 0)
      std::memcpy(out.values() + at, static_cast<const std::uint64_t*>(values()) + begin, size * 8);
  }
  void copy_booleans() const {
    for (std::size_t i = 0; i < size; ++i) out.set_boolean(at + i, bit_at(values(), source(i)));
  }
  void copy_integers(const ArrowType& type) const {
    if (type.width == 8) return copy_words(Kind::int64);
    for (std::size_t i = 0; i < size; ++i) out.set_int64(at + i, signed_at(values(), type.width, source(i)));
  }
  void copy_unsigned(const ArrowType& type) const {
    for (std::size_t i = 0; i < size; ++i) {
      const std::uint64_t value = unsigned_at(values(), type.width, source(i));
      if (value <= INT64_MAX)
        out.set_int64(at + i, static_cast<std::int64_t>(value));
      else if (is_valid(array, source(i)))
        set_invalid(out, at + i, BadRowKind::range, fmt::format("wanted an int64, found {}", value),
                    std::to_string(value));
      else
        out.set_null(at + i);
    }
  }
  void copy_floats(const ArrowType& type) const {
    if (type.width == 8) return copy_words(Kind::float64);
    for (std::size_t i = 0; i < size; ++i)
      out.set_float64(at + i, floating_at(values(), type.width, source(i)));
  }
  /// The characters of all rows stand one behind the other, and are copied as one; nulls are settled by
  /// whoever has the bitmap. False where the column's text would grow beyond what a column holds.
  template <class Offset>
  [[nodiscard]] bool copy_texts_whole(Kind kind) const {
    if (size == 0) return true;
    const char* const offsets =
        static_cast<const char*>(array.buffers[1]) + begin * std::int64_t{sizeof(Offset)};
    const auto offset = [&](std::size_t i) {
      Offset value;  // buffers need not be aligned
      std::memcpy(&value, offsets + i * sizeof(Offset), sizeof value);
      return static_cast<std::uint64_t>(value);
    };
    const std::uint64_t first = offset(0);
    const std::uint64_t bytes = offset(size) - first;
    const std::uint64_t base = out.text().size();
    if (bytes > UINT32_MAX - base) return false;
    if (bytes != 0) out.text().append(static_cast<const char*>(array.buffers[2]) + first, bytes);
    std::fill_n(out.kinds() + at, size, kind);
    std::uint64_t* const payloads = out.values() + at;
    for (std::size_t i = 0; i < size; ++i)
      payloads[i] = (base + offset(i) - first) << 32 | (offset(i + 1) - offset(i));
    return true;
  }
  /// One by one: for views, and bytes of one width.
  [[nodiscard]] bool copy_texts(const ArrowType& type) const {
    for (std::size_t i = 0; i < size; ++i) {
      if (!is_valid(array, source(i))) {
        out.set_null(at + i);
        continue;
      }
      const std::string_view text = text_at(array, type, source(i));
      if (out.text().size() + text.size() > UINT32_MAX) return false;
      out.set_text(at + i, type.kind, text);
    }
    return true;
  }
};

/// Where a column stands in a chunk: the arrays on the way down to it, outermost first, and its schema.
struct Place {
  std::vector<const ArrowArray*> arrays;
  const ArrowSchema* schema;
};

std::string path_text(std::span<const std::string> path) {
  std::string text;
  for (const std::string& name : path) text += fmt::format("[\"{}\"]", name);
  return text;
}

const ArrowSchema* child_named(const ArrowSchema& schema, const std::string& name, std::int64_t& index) {
  if (std::string_view(schema.format) != "+s") return nullptr;
  for (index = 0; index < schema.n_children; ++index) {
    if (schema.children[index]->name == name) return schema.children[index];
  }
  return nullptr;
}

}  // namespace

struct ArrowTable::Impl {
  Owned<ArrowSchema> schema;
  std::vector<Owned<ArrowArray>> chunks;
  std::vector<Field> fields;
  std::size_t rows = 0;

  void describe() {
    if (schema->format == nullptr || std::string_view(schema->format) != "+s") {
      throw_error(ErrorKind::plan,
                  "an Arrow table: wanted a struct of columns, found the type \"{}\"; hand over a table or a "
                  "record batch",
                  schema->format == nullptr ? "" : schema->format);
    }
    for (std::int64_t k = 0; k < schema->n_children; ++k) {
      const ArrowSchema& child = *schema->children[k];
      const ArrowSchema& values = child.dictionary != nullptr ? *child.dictionary : child;
      const auto same = [&](const Field& field) { return field.name == child.name; };
      if (std::any_of(fields.begin(), fields.end(), same)) {
        throw_error(ErrorKind::plan, "an Arrow table has two columns of the name \"{}\"; rename one",
                    child.name);
      }
      fields.push_back({child.name, values.format});
    }
    for (const auto& chunk : chunks) rows += static_cast<std::size_t>(chunk->length);
  }

  [[nodiscard]] const ArrowSchema* find(std::span<const std::string> path) const {
    const ArrowSchema* found = &*schema;
    std::int64_t index = 0;
    for (const std::string& name : path) {
      if (found != nullptr) found = child_named(*found, name, index);
    }
    return path.empty() ? nullptr : found;
  }

  [[nodiscard]] Place place(const ArrowArray& chunk, std::span<const std::string> path) const {
    Place place{{&chunk}, &*schema};
    for (const std::string& name : path) {
      std::int64_t index = 0;
      place.schema = child_named(*place.schema, name, index);
      place.arrays.push_back(place.arrays.back()->children[index]);
    }
    return place;
  }
};

namespace {

[[noreturn]] void refuse_type(const Place& place, std::span<const std::string> path) {
  throw_error(ErrorKind::plan,
              "the column {} is of the Arrow type {}, which cannot be read; cast it to another type first",
              path_text(path), arrow_type_name(place.schema->format));
}

[[noreturn]] void refuse_size(std::span<const std::string> path) {
  throw_error(ErrorKind::plan,
              "the column {} holds more than 4 GiB of text in one piece; hand over fewer rows at once",
              path_text(path));
}

void copy_json(const Part& part, const Place& place, std::span<const std::string> path) {
  std::string json;
  for (std::size_t i = 0; i < part.size; ++i) {
    if (!is_valid(part.array, part.source(i))) {
      part.out.set_null(part.at + i);
      continue;
    }
    json.clear();
    if (!append_arrow_json(json, *place.schema, part.array, part.source(i))) refuse_type(place, path);
    if (part.out.text().size() + json.size() > UINT32_MAX) refuse_size(path);
    part.out.set_text(part.at + i, Kind::nested, json);
  }
}

void copy_values(const Part& part, const ArrowType& type, const Place& place,
                 std::span<const std::string> path) {
  switch (type.layout) {
    case ArrowLayout::none:
      refuse_type(place, path);
    case ArrowLayout::null:
      for (std::size_t i = 0; i < part.size; ++i) part.out.set_null(part.at + i);
      return;
    case ArrowLayout::boolean:
      part.copy_booleans();
      break;
    case ArrowLayout::signed_integer:
      part.copy_integers(type);
      break;
    case ArrowLayout::unsigned_integer:
      part.copy_unsigned(type);
      break;
    case ArrowLayout::floating:
      part.copy_floats(type);
      break;
    case ArrowLayout::text:
      if (!part.copy_texts_whole<std::int32_t>(type.kind)) refuse_size(path);
      break;
    case ArrowLayout::large_text:
      if (!part.copy_texts_whole<std::int64_t>(type.kind)) refuse_size(path);
      break;
    case ArrowLayout::text_view:
    case ArrowLayout::fixed_bytes:
      if (!part.copy_texts(type)) refuse_size(path);
      break;
    case ArrowLayout::structure:
    case ArrowLayout::list:
    case ArrowLayout::large_list:
    case ArrowLayout::fixed_list:
      copy_json(part, place, path);
      break;
  }
  const bool has_bitmap =
      part.array.n_buffers > 0 && part.array.buffers[0] != nullptr && part.array.null_count != 0;
  if (has_bitmap) apply_validity(part.array.buffers[0], part.begin, part.size, part.out.kinds() + part.at);
}

/// Row by row, so that the cost does not depend on the size of the dictionary.
void copy_dictionary(const Part& part, const ArrowType& indexes, const Place& place,
                     std::span<const std::string> path) {
  const ArrowArray& dictionary = *part.array.dictionary;
  const ArrowType type = arrow_type(place.schema->dictionary->format);
  const Place inside{{}, place.schema->dictionary};
  for (std::size_t i = 0; i < part.size; ++i) {
    const std::int64_t from = part.source(i);
    if (!is_valid(part.array, from)) {
      part.out.set_null(part.at + i);
      continue;
    }
    const std::int64_t index =
        indexes.layout == ArrowLayout::signed_integer
            ? signed_at(part.values(), indexes.width, from)
            : static_cast<std::int64_t>(unsigned_at(part.values(), indexes.width, from));
    if (index < 0 || index >= dictionary.length) {
      throw_error(ErrorKind::plan, "the column {} names value {} of a dictionary of {}", path_text(path),
                  index, dictionary.length);
    }
    copy_values({dictionary, dictionary.offset + index, 1, part.out, part.at + i}, type, inside, path);
  }
}

/// Rows [begin, begin + size) of a chunk to row `at` of `out`.
void copy_rows(const Place& place, std::span<const std::string> path, std::int64_t begin, std::size_t size,
               ColumnBuilder& out, std::size_t at) {
  // A child's values are counted from its parent's offset on, and from its own.
  std::int64_t first = begin;
  for (const ArrowArray* array : place.arrays) first += array->offset;
  const Part part{*place.arrays.back(), first, size, out, at};
  const ArrowType type = arrow_type(place.schema->format);
  if (place.schema->dictionary != nullptr)
    copy_dictionary(part, type, place, path);
  else
    copy_values(part, type, place, path);
  std::int64_t inner = begin;
  for (const ArrowArray* array : place.arrays) {
    inner += array->offset;
    const bool nulls = array != place.arrays.back() && array->n_buffers > 0 && array->buffers[0] != nullptr &&
                       array->null_count != 0;
    if (nulls) apply_validity(array->buffers[0], inner, size, out.kinds() + at);
  }
}

}  // namespace

ArrowTable::ArrowTable(ArrowArrayStream* stream) : impl_(std::make_unique<Impl>()) {
  Owned<ArrowArrayStream> owned(stream);
  if (owned.released())
    throw Error(ErrorKind::plan,
                "an Arrow stream was handed over that is already used up; hand over a new one");
  const auto check = [&](int status) {
    if (status == 0) return;
    const char* const reason = owned->get_last_error(owned.get());
    throw_error(ErrorKind::plan, "an Arrow stream failed: {}",
                reason != nullptr ? reason : std::strerror(status));
  };
  check(owned->get_schema(owned.get(), impl_->schema.get()));
  for (;;) {
    Owned<ArrowArray> chunk;
    check(owned->get_next(owned.get(), chunk.get()));
    if (chunk.released()) break;
    impl_->chunks.push_back(std::move(chunk));
  }
  impl_->describe();
}

ArrowTable::ArrowTable(ArrowSchema* schema, ArrowArray* array) : impl_(std::make_unique<Impl>()) {
  impl_->schema = Owned<ArrowSchema>(schema);
  impl_->chunks.emplace_back(array);
  impl_->describe();
}

ArrowTable::~ArrowTable() = default;
ArrowTable::ArrowTable(ArrowTable&&) noexcept = default;

std::size_t ArrowTable::num_rows() const noexcept {
  return impl_->rows;
}
const std::vector<ArrowTable::Field>& ArrowTable::fields() const noexcept {
  return impl_->fields;
}
bool ArrowTable::has(std::span<const std::string> path) const {
  return impl_->find(path) != nullptr;
}

Column ArrowTable::column(std::span<const std::string> path, std::size_t begin, std::size_t size) const {
  if (!has(path)) {
    std::string names;
    for (const Field& field : impl_->fields) names += (names.empty() ? "" : ", ") + field.name;
    throw_error(ErrorKind::plan, "there is no column {} in the table; it has {}", path_text(path), names);
  }
  TIDERACE_CHECK(begin + size <= num_rows());
  ColumnBuilder out(size);
  std::size_t done = 0;
  for (const auto& chunk : impl_->chunks) {
    const auto length = static_cast<std::size_t>(chunk->length);
    if (begin < length && done < size) {
      const std::size_t part = std::min(length - begin, size - done);
      copy_rows(impl_->place(*chunk, path), path, static_cast<std::int64_t>(begin), part, out, done);
      done += part;
      begin = 0;
    } else {
      begin -= std::min(begin, length);
    }
  }
  return Column(std::move(out));
}

std::optional<std::int64_t> arrow_unit_ns(std::string_view format) noexcept {
  if (format == "tdD") return std::int64_t{86'400'000'000'000};
  if (format == "tdm" || format.starts_with("tsm")) return 1'000'000;
  if (format.starts_with("tss")) return 1'000'000'000;
  if (format.starts_with("tsu")) return 1'000;
  if (format.starts_with("tsn")) return 1;
  return std::nullopt;
}

}  // namespace tiderace
