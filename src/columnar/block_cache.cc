#include "columnar/block_cache.h"

#include <array>
#include <bit>
#include <new>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(block, bytes) static_cast<void>(block)
#define ASAN_UNPOISON_MEMORY_REGION(block, bytes) static_cast<void>(block)
#endif

namespace tiderace {
namespace {

// Blocks of one power of two each; what is smaller or larger is left to the allocator.
constexpr std::size_t least_log2 = 12;
constexpr std::size_t most_log2 = 20;
constexpr std::size_t most_kept_bytes = 8 << 20;

class Cache {
 public:
  Cache() = default;
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;
  ~Cache();

  /// Null if it has none.
  void* take(std::size_t log2) noexcept {
    std::vector<void*>& blocks = free_[log2 - least_log2];
    if (blocks.empty()) return nullptr;
    void* const block = blocks.back();
    blocks.pop_back();
    kept_bytes_ -= std::size_t{1} << log2;
    ASAN_UNPOISON_MEMORY_REGION(block, std::size_t{1} << log2);
    return block;
  }

  /// False if it has enough.
  bool keep(void* block, std::size_t log2) noexcept try {
    const std::size_t bytes = std::size_t{1} << log2;
    if (kept_bytes_ + bytes > most_kept_bytes) return false;
    free_[log2 - least_log2].push_back(block);
    kept_bytes_ += bytes;
    ASAN_POISON_MEMORY_REGION(block, bytes);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }

 private:
  std::array<std::vector<void*>, most_log2 - least_log2 + 1> free_;
  std::size_t kept_bytes_ = 0;
};

// Columns may outlive the cache of a thread that ends.
thread_local bool ended = false;

Cache::~Cache() {
  ended = true;
  for (std::size_t i = 0; i < free_.size(); ++i) {
    for (void* const block : free_[i]) {
      ASAN_UNPOISON_MEMORY_REGION(block, std::size_t{1} << (i + least_log2));
      ::operator delete(block);
    }
  }
}

Cache& cache() {
  thread_local Cache of_thread;
  return of_thread;
}

std::size_t log2_of(std::size_t bytes) noexcept {
  return static_cast<std::size_t>(std::bit_width(bytes - 1));
}

bool has_class(std::size_t log2) noexcept {
  return log2 >= least_log2 && log2 <= most_log2;
}

}  // namespace

void* take_block(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  const std::size_t log2 = log2_of(bytes);
  if (!has_class(log2)) return ::operator new(bytes);
  if (!ended) {
    if (void* const block = cache().take(log2)) return block;
  }
  return ::operator new (std::size_t{1} << log2);
}

void give_block(void* block, std::size_t bytes) noexcept {
  if (block == nullptr) return;
  const std::size_t log2 = log2_of(bytes);
  if (has_class(log2) && !ended && cache().keep(block, log2)) return;
  ::operator delete(block);
}

}  // namespace tiderace
