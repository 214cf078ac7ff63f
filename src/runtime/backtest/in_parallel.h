#pragma once

#include <cstddef>
#include <functional>

namespace tiderace {

/// How many processors this process may use.
[[nodiscard]] std::size_t usable_processors() noexcept;

/// Calls `work(i)` for every i below `threads`, each on a thread of its own, `work(0)` on this one. Returns
/// when all are done; if some threw, throws what the first of them (by i) did.
void in_parallel(std::size_t threads, const std::function<void(std::size_t)>& work);

}  // namespace tiderace
