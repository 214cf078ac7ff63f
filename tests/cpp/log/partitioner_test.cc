#include <gtest/gtest.h>

#include "log/log.h"

namespace tiderace {
namespace {

/// toPositive as Kafka's Java client has it, of a hash from the client's own test of murmur2.
std::int32_t positive(std::int32_t hash) {
  return hash & 0x7fffffff;
}

TEST(Partitioner, HashesAsKafkasJavaClient) {
  const std::pair<const char*, std::int32_t> vectors[] = {
      {"21", -973932308},
      {"foobar", -790332482},
      {"a-little-bit-long-string", -985981536},
      {"a-little-bit-longer-string", -1486304829},
      {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
      {"abc", 479470107},
  };
  for (const auto& [key, hash] : vectors) {
    // Remainders by coprime numbers whose product is over 2^31 pin the whole hash down.
    for (const std::int32_t n : {1, 2, 3, 7, 1000, 65521, 99991})
      EXPECT_EQ(partition_of(key, n), positive(hash) % n) << key;
  }
}

TEST(Partitioner, EveryLengthOfTailLandsInRange) {
  std::string key;
  for (int i = 0; i < 64; ++i) {
    const std::int32_t partition = partition_of(key, 5);
    EXPECT_GE(partition, 0);
    EXPECT_LT(partition, 5);
    key.push_back(static_cast<char>(0x80 + i));
  }
}

}  // namespace
}  // namespace tiderace
