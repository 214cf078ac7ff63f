#pragma once

#include <cstddef>
#include <functional>

namespace tiderace {

/// How many processors this process may use at a time: those it is bound to, and within what a container
/// leaves it (`cpu.max` of cgroups).
[[nodiscard]] std::size_t usable_processors();

/// Calls `work(i)` for every i below `count`, each on a thread of its own, `work(0)` and what there is no
/// thread for on this one. Returns when all are done; if some threw, throws what the first of them (by i)
/// did. `while_waiting` is called about ten times a second on this thread while it only waits, and must not
/// throw.
void in_parallel(std::size_t count, const std::function<void(std::size_t)>& work,
                 const std::function<void()>& while_waiting = {});

}  // namespace tiderace
