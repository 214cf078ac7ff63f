#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "columnar/block_cache.h"
#include "columnar/kind.h"

namespace tiderace {

/// An array whose elements are not cleared when it is made: columns are filled right after.
template <class T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= alignof(std::max_align_t));

 public:
  Buffer() = default;
  explicit Buffer(std::size_t size)
      : data_(static_cast<T*>(take_block(size * sizeof(T)))), size_(size), bytes_(size * sizeof(T)) {}
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() { give_block(data_, bytes_); }

  [[nodiscard]] T* data() noexcept { return data_; }
  [[nodiscard]] const T* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] T& operator[](std::size_t i) noexcept { return data_[i]; }
  [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return data_[i]; }
  /// Leaves the first `size` elements.
  void shorten(std::size_t size) noexcept { size_ = size; }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(bytes_, other.bytes_);
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
};

/// A column under construction: one kind byte and one 64-bit payload a row. Payload by kind:
///   null 0 · boolean 0/1 · int64 its two's complement · float64 its bits · string, bytes, nested: offset <<
///   32 | length into `text`.
/// A NaN is stored as null (`set_float64` and `finish` see to it); payloads of nulls are 0.
class ColumnBuilder {
 public:
  /// `size` rows, contents undefined until set (every row must be set before `finish`).
  explicit ColumnBuilder(std::size_t size) : kinds_(size), values_(size) {}

  [[nodiscard]] std::size_t size() const noexcept { return kinds_.size(); }
  [[nodiscard]] Kind* kinds() noexcept { return kinds_.data(); }
  [[nodiscard]] std::uint64_t* values() noexcept { return values_.data(); }
  /// The characters of the text values; at most 4 GiB. Kernels that write payloads themselves append here.
  [[nodiscard]] std::string& text() noexcept { return text_; }

  void set_null(std::size_t i) noexcept { set(i, Kind::null, 0); }
  void set_boolean(std::size_t i, bool value) noexcept { set(i, Kind::boolean, value ? 1 : 0); }
  void set_int64(std::size_t i, std::int64_t value) noexcept {
    set(i, Kind::int64, static_cast<std::uint64_t>(value));
  }
  void set_float64(std::size_t i, double value) noexcept {
    if (value != value)
      set_null(i);
    else
      set(i, Kind::float64, std::bit_cast<std::uint64_t>(value));
  }
  /// `kind` is string, bytes, nested or invalid (see columnar/invalid.h). Copies `value`.
  void set_text(std::size_t i, Kind kind, std::string_view value);
  /// Row `row` of `other`, whatever its kind.
  void copy(std::size_t i, const class Column& other, std::size_t row);

 private:
  friend class Column;
  friend class ColumnAppender;
  void set(std::size_t i, Kind kind, std::uint64_t payload) noexcept {
    kinds_[i] = kind;
    values_[i] = payload;
  }

  Buffer<Kind> kinds_;
  Buffer<std::uint64_t> values_;
  std::string text_;
};

/// An immutable column of values, each with its own kind. Cheap to copy; shared between batches and threads.
class Column {
 public:
  /// No rows.
  Column();
  /// Takes the rows of `builder`. O(rows) to learn the mask of kinds; float64 NaNs become null.
  explicit Column(ColumnBuilder&& builder);

  [[nodiscard]] static Column nulls(std::size_t size);
  [[nodiscard]] static Column of_int64(std::span<const std::int64_t> values);
  [[nodiscard]] static Column of_float64(std::span<const double> values);
  [[nodiscard]] static Column of_strings(std::span<const std::string_view> values);
  /// `size` times row `i` of `other`.
  [[nodiscard]] static Column repeat(const Column& other, std::size_t i, std::size_t size);

  [[nodiscard]] std::size_t size() const noexcept { return data_->kinds.size(); }
  [[nodiscard]] const Kind* kinds() const noexcept { return data_->kinds.data(); }
  [[nodiscard]] const std::uint64_t* values() const noexcept { return data_->values.data(); }
  [[nodiscard]] KindMask mask() const noexcept { return data_->mask; }
  [[nodiscard]] bool has_null() const noexcept { return data_->has_null; }
  /// Whether every row is of `kind` (no nulls): the kernels' fast path.
  [[nodiscard]] bool all(Kind kind) const noexcept {
    return data_->mask == mask_of(kind) && !data_->has_null;
  }

  [[nodiscard]] Kind kind(std::size_t i) const noexcept { return data_->kinds[i]; }
  [[nodiscard]] bool is_null(std::size_t i) const noexcept { return kind(i) == Kind::null; }
  [[nodiscard]] bool boolean(std::size_t i) const noexcept { return data_->values[i] != 0; }
  [[nodiscard]] std::int64_t int64(std::size_t i) const noexcept {
    return static_cast<std::int64_t>(data_->values[i]);
  }
  [[nodiscard]] double float64(std::size_t i) const noexcept {
    return std::bit_cast<double>(data_->values[i]);
  }
  /// Valid as long as a copy of this column lives.
  [[nodiscard]] std::string_view text(std::size_t i) const noexcept {
    const std::uint64_t payload = data_->values[i];
    if (static_cast<std::uint32_t>(payload) == 0) return {};
    return {data_->text->data() + (payload >> 32), static_cast<std::uint32_t>(payload)};
  }
  /// A boolean, int64 or float64 row as a double (an int64 beyond 2^53 is rounded).
  [[nodiscard]] double as_double(std::size_t i) const noexcept {
    return kind(i) == Kind::float64 ? float64(i) : static_cast<double>(int64(i));
  }

  /// The given rows in the given order; characters are shared, not copied.
  [[nodiscard]] Column take(std::span<const std::uint32_t> rows) const;
  [[nodiscard]] Column slice(std::size_t begin, std::size_t size) const;

 private:
  struct Data {
    Buffer<Kind> kinds;
    Buffer<std::uint64_t> values;
    std::shared_ptr<const std::string> text;
    KindMask mask = 0;
    bool has_null = false;
  };
  explicit Column(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  [[nodiscard]] static std::shared_ptr<const Data> finished(Data&& data);

  std::shared_ptr<const Data> data_;
};

/// Makes one column of the rows of many.
class ColumnAppender {
 public:
  /// Room for `capacity` rows; what is not used of it is not touched.
  explicit ColumnAppender(std::size_t capacity) : builder_(capacity) {}

  /// No more rows than there is room for.
  void append(const Column& column);
  /// What was appended; the appender is good for nothing afterwards.
  [[nodiscard]] Column finish();

 private:
  ColumnBuilder builder_;
  std::size_t size_ = 0;
};

/// The rows of all `columns`, one after the other; of one column it is that column.
[[nodiscard]] Column concatenate(std::span<const Column> columns);

}  // namespace tiderace
