#pragma once

#include <cstddef>

namespace tiderace {

/// Memory for the buffers of columns, which come and go with every batch in much the same sizes. The
/// allocator of the C library gives the pages of a batch back to the system when it is over, and has them
/// mapped and cleared again for the next; here the thread that is done with a block keeps it for its next
/// one, up to some megabytes a thread. Any thread may give back a block, whichever took it.
///
/// `bytes` is what is asked for, and the same when it is given back; 0 is nullptr. Throws std::bad_alloc.
[[nodiscard]] void* take_block(std::size_t bytes);
void give_block(void* block, std::size_t bytes) noexcept;

}  // namespace tiderace
