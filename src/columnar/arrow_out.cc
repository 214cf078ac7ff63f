#include "columnar/arrow_out.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "columnar/arrow_values.h"
#include "columnar/invalid.h"

namespace tiderace {
namespace {

/// One array and what its buffers point to.
struct ExportedArray {
  Column column;
  std::vector<std::uint8_t> validity;
  std::vector<char> values;
  std::string text;
  std::vector<const void*> buffers;
  std::vector<ArrowArray*> child_pointers;
  std::vector<ArrowArray> child_arrays;
};

struct ExportedSchema {
  std::string format;
  std::string name;
  std::vector<ArrowSchema> child_schemas;
  std::vector<ArrowSchema*> child_pointers;
};

void release_array(ArrowArray* array) {
  for (std::int64_t k = 0; k < array->n_children; ++k) {
    if (array->children[k]->release != nullptr) array->children[k]->release(array->children[k]);
  }
  delete static_cast<ExportedArray*>(array->private_data);
  array->release = nullptr;
}

void release_schema(ArrowSchema* schema) {
  for (std::int64_t k = 0; k < schema->n_children; ++k) {
    if (schema->children[k]->release != nullptr) schema->children[k]->release(schema->children[k]);
  }
  delete static_cast<ExportedSchema*>(schema->private_data);
  schema->release = nullptr;
}

ArrowSchema make_schema(std::unique_ptr<ExportedSchema> owned) {
  ExportedSchema& exported = *owned;
  for (ArrowSchema& child : exported.child_schemas) exported.child_pointers.push_back(&child);
  ArrowSchema schema{};
  schema.format = exported.format.c_str();
  schema.name = exported.name.c_str();
  schema.flags = ARROW_FLAG_NULLABLE;
  schema.n_children = static_cast<std::int64_t>(exported.child_pointers.size());
  schema.children = exported.child_pointers.data();
  schema.release = release_schema;
  schema.private_data = owned.release();
  return schema;
}

ArrowArray make_array(std::unique_ptr<ExportedArray> owned, std::size_t rows, std::int64_t null_count) {
  ExportedArray& exported = *owned;
  for (ArrowArray& child : exported.child_arrays) exported.child_pointers.push_back(&child);
  ArrowArray array{};
  array.length = static_cast<std::int64_t>(rows);
  array.null_count = null_count;
  array.n_buffers = static_cast<std::int64_t>(exported.buffers.size());
  array.buffers = exported.buffers.data();
  array.n_children = static_cast<std::int64_t>(exported.child_pointers.size());
  array.children = exported.child_pointers.data();
  array.release = release_array;
  array.private_data = owned.release();
  return array;
}

// ---- the type of a column ----

std::size_t first_of(const Column& column, KindMask kinds) {
  std::size_t i = 0;
  while (!in(column.kind(i), kinds)) ++i;
  return i;
}

[[noreturn]] void refuse_mixture(const ArrowColumn& source) {
  const Column& column = source.column;
  const std::size_t first = first_of(column, any_mask);
  const KindMask numbers = mask_of(Kind::int64) | mask_of(Kind::float64);
  const KindMask like = in(column.kind(first), numbers) ? numbers : mask_of(column.kind(first));
  const std::size_t other = first_of(column, static_cast<KindMask>(any_mask & ~like));
  throw_error(ErrorKind::plan,
              "the column \"{}\" has {} in row {} and {} in row {}, and an Arrow column has one type; "
              "convert it with "
              ".astype(\"string\") or another type",
              source.name, to_string(column.kind(first)), first, to_string(column.kind(other)), other);
}

std::size_t text_size(const Column& column) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < column.size(); ++i) size += column.text(i).size();
  return size;
}

std::string widest(const ArrowColumn& source) {
  const Column& column = source.column;
  const KindMask mask = column.mask();
  if ((mask & invalid_mask) != 0) {
    const std::size_t i = first_of(column, invalid_mask);
    throw_error(ErrorKind::plan, "the column \"{}\" has no usable value in row {}: {}", source.name, i,
                invalid_view(column, i).message);
  }
  if (mask == 0) return "n";
  if (mask == mask_of(Kind::boolean)) return "b";
  if (mask == mask_of(Kind::int64)) return "l";
  if ((mask & ~(mask_of(Kind::int64) | mask_of(Kind::float64))) == 0) return "g";
  const bool bytes = mask == mask_of(Kind::bytes);
  if (!bytes && mask != mask_of(Kind::string) && mask != mask_of(Kind::nested)) refuse_mixture(source);
  const bool large = text_size(column) > INT32_MAX;
  return bytes ? (large ? "Z" : "z") : (large ? "U" : "u");
}

bool fits_integers(const Column& column, const ArrowType& type) {
  if (type.width == 8 && type.layout == ArrowLayout::signed_integer) return true;
  const unsigned bits = static_cast<unsigned>(type.width) * 8;
  const bool is_signed = type.layout == ArrowLayout::signed_integer;
  const std::int64_t highest = is_signed    ? (std::int64_t{1} << (bits - 1)) - 1
                               : bits == 64 ? INT64_MAX
                                            : (std::int64_t{1} << bits) - 1;
  const std::int64_t lowest = is_signed ? -highest - 1 : 0;
  const auto fits = [&](std::size_t i) { return column.int64(i) >= lowest && column.int64(i) <= highest; };
  for (std::size_t i = 0; i < column.size(); ++i) {
    if (!column.is_null(i) && !fits(i)) return false;
  }
  return true;
}

/// Whether `column` comes back unchanged from the type that it had.
bool fits(const Column& column, const std::string& format) {
  const ArrowType type = arrow_type(format);
  if (type.layout == ArrowLayout::none || (column.mask() & ~mask_of(type.kind)) != 0) return false;
  switch (type.layout) {
    case ArrowLayout::signed_integer:
    case ArrowLayout::unsigned_integer:
      return fits_integers(column, type);
    case ArrowLayout::floating:
      if (type.width == 8) return true;
      for (std::size_t i = 0; type.width == 4 && i < column.size(); ++i) {
        const double value = column.float64(i);
        if (!column.is_null(i) && static_cast<double>(static_cast<float>(value)) != value) return false;
      }
      return type.width == 4;
    case ArrowLayout::text:
      return text_size(column) <= INT32_MAX;
    case ArrowLayout::boolean:
    case ArrowLayout::large_text:
      return true;
    default:
      return false;
  }
}

// ---- the buffers of a column ----

template <class T, class F>
void fill(ExportedArray& array, std::size_t size, F&& value_of) {
  array.values.resize(size * sizeof(T));
  for (std::size_t i = 0; i < size; ++i) {
    const T value = value_of(i);
    std::memcpy(array.values.data() + i * sizeof(T), &value, sizeof(T));
  }
}

void fill_bits(std::vector<std::uint8_t>& bits, std::size_t size, auto&& bit_of) {
  bits.assign((size + 7) / 8, 0);
  for (std::size_t i = 0; i < size; ++i)
    bits[i / 8] = static_cast<std::uint8_t>(bits[i / 8] | unsigned{bit_of(i)} << (i % 8));
}

template <class Offset>
void fill_text(ExportedArray& array) {
  const Column& column = array.column;
  array.text.reserve(text_size(column));
  fill<Offset>(array, column.size() + 1, [&](std::size_t i) {
    const Offset begin = static_cast<Offset>(array.text.size());
    if (i < column.size()) array.text.append(column.text(i));
    return begin;
  });
}

/// The narrow forms of an integer; two's complement, so signed and unsigned ones are the same bits.
void fill_integers(ExportedArray& array, std::size_t width) {
  const Column& column = array.column;
  const auto value = [&](std::size_t i) { return column.int64(i); };
  switch (width) {
    case 1:
      return fill<std::int8_t>(array, column.size(),
                               [&](std::size_t i) { return static_cast<std::int8_t>(value(i)); });
    case 2:
      return fill<std::int16_t>(array, column.size(),
                                [&](std::size_t i) { return static_cast<std::int16_t>(value(i)); });
    default:
      return fill<std::int32_t>(array, column.size(),
                                [&](std::size_t i) { return static_cast<std::int32_t>(value(i)); });
  }
}

/// Sets the values (and characters) of `array` as `type`; what has the bits of a column already is not
/// copied.
void fill_values(ExportedArray& array, const ArrowType& type) {
  const Column& column = array.column;
  const void* values = column.values();
  const bool converted = type.layout == ArrowLayout::floating && column.mask() != mask_of(Kind::float64);
  if (type.layout == ArrowLayout::boolean) {
    std::vector<std::uint8_t> bits;
    fill_bits(bits, column.size(), [&](std::size_t i) { return column.boolean(i); });
    array.values.assign(bits.begin(), bits.end());
    values = array.values.data();
  } else if (type.layout == ArrowLayout::text || type.layout == ArrowLayout::large_text) {
    if (type.width == 4)
      fill_text<std::int32_t>(array);
    else
      fill_text<std::int64_t>(array);
    array.buffers = {nullptr, array.values.data(), array.text.data()};
    return;
  } else if (type.width != 8 && type.layout != ArrowLayout::floating) {
    fill_integers(array, type.width);
    values = array.values.data();
  } else if (type.width == 4) {
    fill<float>(array, column.size(), [&](std::size_t i) { return static_cast<float>(column.float64(i)); });
    values = array.values.data();
  } else if (converted) {
    fill<double>(array, column.size(),
                 [&](std::size_t i) { return column.is_null(i) ? 0.0 : column.as_double(i); });
    values = array.values.data();
  }
  array.buffers = {nullptr, values};
}

ArrowArray export_column(const Column& column, const std::string& format) {
  auto array = std::make_unique<ExportedArray>();
  array->column = column;
  const std::size_t size = column.size();
  if (format == "n") return make_array(std::move(array), size, static_cast<std::int64_t>(size));
  fill_values(*array, arrow_type(format));
  std::int64_t null_count = 0;
  if (column.has_null()) {
    fill_bits(array->validity, size, [&](std::size_t i) { return !column.is_null(i); });
    array->buffers[0] = array->validity.data();
    null_count = std::count(column.kinds(), column.kinds() + size, Kind::null);
  }
  return make_array(std::move(array), size, null_count);
}

// ---- the stream ----

struct ExportedStream {
  std::vector<ArrowColumn> columns;
  std::vector<std::string> formats;
  std::size_t rows = 0;
  bool done = false;
};

ArrowSchema table_schema(const ExportedStream& stream) {
  auto table = std::make_unique<ExportedSchema>();
  table->format = "+s";
  for (std::size_t k = 0; k < stream.columns.size(); ++k) {
    auto child = std::make_unique<ExportedSchema>();
    child->format = stream.formats[k];
    child->name = stream.columns[k].name;
    table->child_schemas.push_back(make_schema(std::move(child)));
  }
  return make_schema(std::move(table));
}

ArrowArray table_array(const ExportedStream& stream) {
  auto table = std::make_unique<ExportedArray>();
  table->buffers = {nullptr};
  for (std::size_t k = 0; k < stream.columns.size(); ++k) {
    table->child_arrays.push_back(export_column(stream.columns[k].column, stream.formats[k]));
  }
  return make_array(std::move(table), stream.rows, 0);
}

/// No exception may cross the interface: what goes wrong becomes an error code and a text.
template <class F>
int guarded(ArrowArrayStream* stream, F&& f) noexcept {
  auto& exported = *static_cast<ExportedStream*>(stream->private_data);
  try {
    f(exported);
    return 0;
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  }
}

int get_schema(ArrowArrayStream* stream, ArrowSchema* out) {
  return guarded(stream, [&](ExportedStream& exported) { *out = table_schema(exported); });
}

int get_next(ArrowArrayStream* stream, ArrowArray* out) {
  return guarded(stream, [&](ExportedStream& exported) {
    *out = exported.done ? ArrowArray{} : table_array(exported);
    exported.done = true;
  });
}

const char* get_last_error(ArrowArrayStream*) {
  return "out of memory";
}

void release_stream(ArrowArrayStream* stream) {
  delete static_cast<ExportedStream*>(stream->private_data);
  stream->release = nullptr;
}

}  // namespace

void export_arrow(std::vector<ArrowColumn> columns, std::size_t rows, ArrowArrayStream* out) {
  auto stream = std::make_unique<ExportedStream>();
  for (const ArrowColumn& source : columns) {
    TIDERACE_CHECK(source.column.size() == rows);
    const bool keeps = !source.format.empty() && fits(source.column, source.format);
    stream->formats.push_back(keeps ? source.format : widest(source));
  }
  stream->columns = std::move(columns);
  stream->rows = rows;
  *out = {get_schema, get_next, get_last_error, release_stream, stream.release()};
}

}  // namespace tiderace
