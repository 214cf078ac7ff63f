#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "state/store.h"

namespace tiderace {

/// The event time that a step has come to, and which keys it has forgotten by then. It is stored with the
/// step's state, so that what is forgotten does not depend on restarts.
class StreamTime {
 public:
  /// `step`: as `state_key::of_step` gives it, also the key of the time's own record. `ttl` 0: nothing is
  /// ever forgotten or stored.
  StreamTime(StateStore& store, std::string step, std::int64_t ttl);

  [[nodiscard]] bool forgets() const noexcept { return ttl_ > 0; }
  void advance(std::int64_t event_time) noexcept {
    if (event_time <= now_) return;
    now_ = event_time;
    changed_ = true;
  }
  /// Whether a key whose newest row was at `seen` is forgotten.
  [[nodiscard]] bool forgotten(std::int64_t seen) const noexcept {
    return ttl_ > 0 && seen<now_&& static_cast<std::uint64_t>(now_) -
                            static_cast<std::uint64_t>(seen)> static_cast<std::uint64_t>(ttl_);
  }
  void flush(std::vector<Change>& changes);

  /// Appends deletes of all records in the store of the forgotten keys that `is_hot` does not claim.
  /// `seen_of` reads a head record. O(state).
  void expire_cold(const std::function<std::optional<std::int64_t>(std::string_view head)>& seen_of,
                   const std::function<bool(std::string_view key)>& is_hot, std::vector<Change>& changes);

 private:
  StateStore& store_;
  std::string step_;
  std::int64_t ttl_;
  std::int64_t now_ = INT64_MIN;
  bool changed_ = false;
};

}  // namespace tiderace
