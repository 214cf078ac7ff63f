#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "columnar/function.h"
#include "state/expiry.h"
#include "state/key_table.h"
#include "state/store.h"

namespace tiderace {

struct FunctionStateOptions {
  std::string step;      ///< the name of the step's state: two steps of a store have different ones
  std::int64_t ttl = 0;  ///< nanoseconds of event time without a row after which a key is forgotten; 0: never
};

/// The state of one stateful function: JSON text per key and name, read from the store when first asked for.
/// One thread. Every call may throw Error{state}; the object is then good for nothing but its destruction.
///
/// Stored form: a named record per value, a version byte (1) and the text; where keys are forgotten, also a
/// head record per key, a version byte and the largest event time (signed varint).
class FunctionStateStore final : public FunctionState, public KeyedContainer {
 public:
  /// `store` has the committed state, `keys` the names of keys; both must outlive the object.
  FunctionStateStore(FunctionStateOptions options, StateStore& store, KeyTable& keys);
  FunctionStateStore(const FunctionStateStore&) = delete;
  FunctionStateStore& operator=(const FunctionStateStore&) = delete;
  ~FunctionStateStore() override;

  /// Before rows are handed to the function: their event times, for the calls of `begin` that follow, one a
  /// row. Needed only where there is a `ttl`.
  void begin_batch(std::span<const std::int64_t> event_times);

  void begin(KeyId key) override;
  void undo() override;
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) override;
  void set(std::string_view name, std::string_view json) override;
  void erase(std::string_view name) override;

  /// Appends what changed since the last flush, for changelog and store. The cost follows what changed.
  void flush(std::vector<Change>& changes);
  /// Right after a flush: appends the deletes of all keys that `ttl` has forgotten. O(state).
  void expire(std::vector<Change>& changes);

  void remap(std::span<const KeyId> kept) override;
  [[nodiscard]] std::size_t bytes() const noexcept override;

 private:
  struct Entry {
    std::uint32_t name;
    bool dirty = false;
    std::optional<std::string> json;
  };
  struct Values {
    std::vector<Entry> entries;
    std::int64_t seen = INT64_MIN;
    bool loaded = false;  ///< whether `seen` has been read
    bool seen_dirty = false;
  };
  struct Undo {
    std::uint32_t name;
    std::optional<std::string> json;
  };

  [[nodiscard]] std::uint32_t name_id(std::string_view name);
  [[nodiscard]] Entry& entry(std::string_view name);
  void change(std::string_view name, std::optional<std::string> json);
  void put(KeyId key, Entry& entry, std::optional<std::string> json);
  void meet(KeyId key, std::int64_t event_time);
  void forget(KeyId key);
  [[noreturn]] void damaged(KeyId key) const;

  StateStore& store_;
  KeyTable& keys_;
  std::string step_;
  StreamTime time_;
  std::vector<Values> values_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::uint32_t> name_ids_;
  KeyId key_ = no_key;
  std::vector<Undo> undo_;
  std::vector<std::int64_t> event_times_;
  std::size_t next_event_time_ = 0;
  std::vector<std::pair<KeyId, std::uint32_t>> dirty_;  ///< key, name
  std::vector<KeyId> seen_dirty_;
  std::size_t entry_bytes_ = 0;
};

}  // namespace tiderace
