#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace tiderace {

/// Thrown where somebody else has a store open: waiting may help.
class StoreBusy : public Error {
 public:
  explicit StoreBusy(const Error& error) : Error(error) {}
};

/// One change of a store: a put, or a delete where `value` is null. Also one record of the changelog.
struct Change {
  std::string key;
  std::optional<std::string> value;
};

/// The same, with bytes that somebody else holds.
struct ChangeView {
  std::string_view key;
  std::optional<std::string_view> value;
};

/// Sorts `changes` by the bytes of their keys, and keeps the last of each key.
void keep_latest(std::vector<ChangeView>& changes);

/// Where the contents of a store stand.
struct StorePosition {
  std::int64_t changelog_offset = 0;  ///< the next changelog record to apply
  std::int64_t input_offset = -1;     ///< the next input record to process; -1: not known
  std::int64_t as_of_ms = 0;          ///< by the wall clock: nothing came behind it in the changelog then
};

/// The committed state of one task: ordered bytes to bytes. Holds only what is committed. One thread.
/// Every call may throw Error{state}.
class StateStore {
 public:
  virtual ~StateStore() = default;
  [[nodiscard]] virtual std::optional<std::string> get(std::string_view key) = 0;
  /// Calls `visit` for every key that begins with `prefix`, in the order of the keys' bytes, until it returns
  /// false.
  virtual void scan(std::string_view prefix,
                    const std::function<bool(std::string_view key, std::string_view value)>& visit) = 0;
  /// Applies all of `changes` in order and sets the position, atomically with regard to crashes.
  void apply(std::span<const Change> changes, const StorePosition& position);
  void apply(std::vector<ChangeView> changes, const StorePosition& position);
  [[nodiscard]] virtual StorePosition position() = 0;
  /// Forgets everything, as if it had just been made; atomic with regard to crashes.
  virtual void clear() = 0;
  /// About how many bytes it takes where it is kept (disk, or memory). Cheap.
  [[nodiscard]] virtual std::uint64_t size_bytes() = 0;

 protected:
  /// `changes` in the order of the keys' bytes, one of each key.
  virtual void write(std::span<const ChangeView> changes, const StorePosition& position) = 0;
};

/// Opens the stores of tasks. Any thread.
class StateStores {
 public:
  virtual ~StateStores() = default;
  /// `name` is a path of plain components, for example `crash-detector/phone-data/0`. Throws StoreBusy.
  virtual std::unique_ptr<StateStore> open(const std::string& name) = 0;
};

/// Stores that live as long as the object: tests and backtests.
std::unique_ptr<StateStores> memory_state_stores();
/// RocksDB below `directory` (made if absent), one database a store.
std::unique_ptr<StateStores> rocksdb_state_stores(const std::string& directory);

}  // namespace tiderace
