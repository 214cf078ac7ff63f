#include "state/expiry.h"

#include "base/error.h"
#include "columnar/records.h"
#include "state/state_key.h"

namespace tiderace {

StreamTime::StreamTime(StateStore& store, std::string step, std::int64_t ttl)
    : store_(store), step_(std::move(step)), ttl_(ttl) {
  if (ttl_ == 0) return;
  const auto bytes = store_.get(step_);
  if (!bytes) return;
  std::string_view in = *bytes;
  const auto time = take_varint(in);
  if (!time || !in.empty()) {
    throw_error(ErrorKind::state,
                "the stored event time of a step is damaged; remove the directory of the state, and it is "
                "restored from "
                "its changelog");
  }
  now_ = unzigzag(*time);
}

void StreamTime::flush(std::vector<Change>& changes) {
  if (!changed_ || ttl_ == 0) return;
  changed_ = false;
  Change change{step_, std::string()};
  append_varint(*change.value, zigzag(now_));
  changes.push_back(std::move(change));
}

void StreamTime::expire_cold(const std::function<std::optional<std::int64_t>(std::string_view)>& seen_of,
                             const std::function<bool(std::string_view)>& is_hot,
                             std::vector<Change>& changes) {
  bool expired = false;
  std::string current;
  store_.scan(step_, [&](std::string_view name, std::string_view value) {
    std::string_view key;
    char what = 0;
    if (!state_key::take_apart(name, step_, key, what) || is_hot(key)) return true;
    // The head stands before the other records of its key.
    if (what == state_key::head_record) {
      const auto seen = seen_of(value);
      expired = seen && forgotten(*seen);
      current.assign(key);
    }
    if (expired && key == current) changes.push_back({std::string(name), std::nullopt});
    return true;
  });
}

}  // namespace tiderace
