#include "columnar/block_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "columnar/column.h"

namespace tiderace {
namespace {

TEST(BlockCache, GivesAThreadItsOwnBlocksAgain) {
  void* const first = take_block(40'000);
  std::memset(first, 1, 40'000);
  give_block(first, 40'000);
  void* const again = take_block(65'536);  // of the same power of two
  EXPECT_EQ(again, first);
  void* const other = take_block(65'536);
  EXPECT_NE(other, first);
  give_block(other, 65'536);
  give_block(again, 65'536);
  EXPECT_EQ(take_block(50'000), again);  // the last that came back, which is warm
  give_block(again, 50'000);
}

TEST(BlockCache, BlocksOfAllSizesAreAsLargeAsAskedFor) {
  for (const std::size_t bytes : {1u, 4095u, 4096u, 4097u, 1u << 20, (1u << 20) + 1, 5u << 20}) {
    for (int round = 0; round < 3; ++round) {
      void* const block = take_block(bytes);
      std::memset(block, round, bytes);
      give_block(block, bytes);
    }
  }
  EXPECT_EQ(take_block(0), nullptr);
  give_block(nullptr, 0);
}

TEST(BlockCache, BlocksGoFromThreadToThreadAndOutliveThem) {
  std::vector<Buffer<std::uint64_t>> made;
  std::thread([&] {
    for (std::size_t size = 100; size < 300'000; size *= 3) made.emplace_back(size);
  }).join();
  for (Buffer<std::uint64_t>& buffer : made) buffer[buffer.size() - 1] = buffer.size();
  std::thread([&] {
    for (const Buffer<std::uint64_t>& buffer : made) EXPECT_EQ(buffer[buffer.size() - 1], buffer.size());
    made.clear();
  }).join();
}

TEST(BlockCache, ABufferMayOutliveTheCacheOfItsThread) {
  std::thread([] {
    thread_local std::unique_ptr<Buffer<std::uint64_t>> last;  // made before the cache, so it goes after it
    last = nullptr;
    last = std::make_unique<Buffer<std::uint64_t>>(10'000);
    give_block(take_block(10'000), 10'000);
  }).join();
}

}  // namespace
}  // namespace tiderace
