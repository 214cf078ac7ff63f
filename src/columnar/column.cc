#include "columnar/column.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace tiderace {

const char* to_string(Kind kind) noexcept {
  switch (kind) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return "bool";
    case Kind::int64:
      return "int64";
    case Kind::float64:
      return "float64";
    case Kind::string:
      return "string";
    case Kind::bytes:
      return "bytes";
    case Kind::nested:
      return "nested";
    case Kind::invalid:
      return "invalid";
  }
  return "?";
}

void ColumnBuilder::set_text(std::size_t i, Kind kind, std::string_view value) {
  TIDERACE_CHECK(text_.size() + value.size() <= UINT32_MAX);
  set(i, kind, static_cast<std::uint64_t>(text_.size()) << 32 | value.size());
  text_.append(value);
}

void ColumnBuilder::copy(std::size_t i, const Column& other, std::size_t row) {
  if ((mask_of(other.kind(row)) & (text_mask | invalid_mask)) != 0)
    set_text(i, other.kind(row), other.text(row));
  else
    set(i, other.kind(row), other.values()[row]);
}

namespace {

struct KindsFound {
  KindMask mask = 0;
  bool has_null = false;
};

// The loops over a column's rows keep to one width of element where they can, so that they become vector
// instructions.

KindsFound kinds_in(const Kind* kinds, std::size_t size) {
  std::uint8_t mask = 0;
  std::uint8_t nulls = 0;
  for (std::size_t i = 0; i < size; ++i) {
    mask = static_cast<std::uint8_t>(mask | mask_of(kinds[i]));
    nulls = static_cast<std::uint8_t>(nulls | static_cast<std::uint8_t>(kinds[i] == Kind::null));
  }
  return {mask, nulls != 0};
}

/// Whether a payload, read as a double, is NaN: its bits without the sign are more than those of infinity.
bool any_nan_bits(const std::uint64_t* values, std::size_t size) {
  std::uint64_t signs = 0;
  for (std::size_t i = 0; i < size; ++i) signs |= 0x7FF0000000000000u - (values[i] & 0x7FFFFFFFFFFFFFFFu);
  return signs >> 63 != 0;
}

}  // namespace

std::shared_ptr<const Column::Data> Column::finished(Data&& data) {
  const KindsFound found = kinds_in(data.kinds.data(), data.kinds.size());
  data.mask = found.mask;
  data.has_null = found.has_null;
  return std::make_shared<const Data>(std::move(data));
}

Column::Column() {
  static const std::shared_ptr<const Data> empty = finished(Data{});
  data_ = empty;
}

Column::Column(ColumnBuilder&& builder) {
  Data data{std::move(builder.kinds_), std::move(builder.values_), nullptr, 0, false};
  if (!builder.text_.empty()) data.text = std::make_shared<const std::string>(std::move(builder.text_));
  // NaN is null wherever it comes from, and nulls have the payload 0; kernels write payloads without looking,
  // so it is settled here, once.
  const std::size_t size = data.kinds.size();
  Kind* const kinds = data.kinds.data();
  std::uint64_t* const values = data.values.data();
  KindsFound found = kinds_in(kinds, size);
  if ((found.mask & mask_of(Kind::float64)) != 0 && any_nan_bits(values, size)) {
    for (std::size_t i = 0; i < size; ++i) {
      const double value = std::bit_cast<double>(values[i]);
      if (kinds[i] == Kind::float64 && value != value) kinds[i] = Kind::null;
    }
    found = kinds_in(kinds, size);
  }
  if (found.has_null) {
    for (std::size_t i = 0; i < size; ++i) values[i] &= kinds[i] == Kind::null ? 0 : ~std::uint64_t{0};
  }
  data.mask = found.mask;
  data.has_null = found.has_null;
  data_ = std::make_shared<const Data>(std::move(data));
}

Column Column::nulls(std::size_t size) {
  ColumnBuilder builder(size);
  std::fill_n(builder.kinds(), size, Kind::null);
  std::fill_n(builder.values(), size, 0);
  return Column(std::move(builder));
}

Column Column::of_int64(std::span<const std::int64_t> values) {
  ColumnBuilder builder(values.size());
  std::fill_n(builder.kinds(), values.size(), Kind::int64);
  if (!values.empty()) std::memcpy(builder.values(), values.data(), values.size_bytes());
  return Column(std::move(builder));
}

Column Column::of_float64(std::span<const double> values) {
  ColumnBuilder builder(values.size());
  std::fill_n(builder.kinds(), values.size(), Kind::float64);
  if (!values.empty()) std::memcpy(builder.values(), values.data(), values.size_bytes());
  return Column(std::move(builder));
}

Column Column::of_strings(std::span<const std::string_view> values) {
  ColumnBuilder builder(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) builder.set_text(i, Kind::string, values[i]);
  return Column(std::move(builder));
}

Column Column::repeat(const Column& other, std::size_t i, std::size_t size) {
  const std::vector<std::uint32_t> rows(size, static_cast<std::uint32_t>(i));
  return other.take(rows);
}

Column Column::take(std::span<const std::uint32_t> rows) const {
  Data data{Buffer<Kind>(rows.size()), Buffer<std::uint64_t>(rows.size()), data_->text, 0, false};
  const Kind* kinds = data_->kinds.data();
  const std::uint64_t* values = data_->values.data();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    data.kinds[i] = kinds[rows[i]];
    data.values[i] = values[rows[i]];
  }
  return Column(finished(std::move(data)));
}

Column Column::slice(std::size_t begin, std::size_t size) const {
  Data data{Buffer<Kind>(size), Buffer<std::uint64_t>(size), data_->text, 0, false};
  std::copy_n(data_->kinds.data() + begin, size, data.kinds.data());
  std::copy_n(data_->values.data() + begin, size, data.values.data());
  return Column(finished(std::move(data)));
}

void ColumnAppender::append(const Column& column) {
  TIDERACE_CHECK(column.size() <= builder_.size() - size_);
  std::copy_n(column.kinds(), column.size(), builder_.kinds() + size_);
  std::copy_n(column.values(), column.size(), builder_.values() + size_);
  if ((column.mask() & ~number_mask) != 0) {
    for (std::size_t i = 0; i < column.size(); ++i) {
      if ((mask_of(column.kind(i)) & ~number_mask) != 0)
        builder_.set_text(size_ + i, column.kind(i), column.text(i));
    }
  }
  size_ += column.size();
}

Column ColumnAppender::finish() {
  builder_.kinds_.shorten(size_);
  builder_.values_.shorten(size_);
  return Column(std::move(builder_));
}

Column concatenate(std::span<const Column> columns) {
  if (columns.size() == 1) return columns[0];
  std::size_t size = 0;
  for (const Column& column : columns) size += column.size();
  ColumnAppender all(size);
  for (const Column& column : columns) all.append(column);
  return all.finish();
}

}  // namespace tiderace
