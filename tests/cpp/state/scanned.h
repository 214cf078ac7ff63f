#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "state/store.h"

namespace tiderace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// What a scan visits, at most `limit` of it.
inline Pairs scanned(StateStore& store, std::string_view prefix, std::size_t limit = SIZE_MAX) {
  Pairs found;
  store.scan(prefix, [&](std::string_view key, std::string_view value) {
    found.emplace_back(key, value);
    return found.size() < limit;
  });
  return found;
}

}  // namespace tiderace
