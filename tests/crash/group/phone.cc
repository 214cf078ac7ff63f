// Sends rows of phones at a steady rate, one by one, each with the time at which it was handed to librdkafka:
//
//   kafka_phone BROKERS TOPIC ROWS_PER_SECOND SECONDS LINGER_MS

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>

namespace {

constexpr int riders = 200;

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void send(rd_kafka_t* client, const char* topic, std::uint64_t number) {
  const std::string key = fmt::format("rider-{}", number % riders);
  const auto force = [&](std::uint64_t salt) {
    return static_cast<double>((number * 2654435761 + salt * 40503) % 4000) / 1000 - 2;
  };
  const std::int64_t now = now_ns();
  const std::string row =
      fmt::format(R"({{"rider":"{}","t":{},"gForceX":{:.3f},"gForceY":{:.3f},"gForceZ":{:.3f},"sent":{}}})",
                  key, now / 1'000'000, force(1), force(2), force(3), now);
  // Where the queue is full or the broker away, the row is sent again: its time has begun.
  while (rd_kafka_producev(client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                           RD_KAFKA_V_KEY(key.data(), key.size()),
                           RD_KAFKA_V_VALUE(const_cast<char*>(row.data()), row.size()),
                           RD_KAFKA_V_END) != RD_KAFKA_RESP_ERR_NO_ERROR)
    rd_kafka_poll(client, 1);
}

}  // namespace

int main(int count, char** values) {
  if (count != 6) {
    fmt::print(stderr, "usage: kafka_phone BROKERS TOPIC ROWS_PER_SECOND SECONDS LINGER_MS\n");
    return 2;
  }
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char text[512];
  const std::map<std::string, std::string> settings = {{"bootstrap.servers", values[1]},
                                                       {"linger.ms", values[5]},
                                                       {"acks", "all"},
                                                       {"enable.idempotence", "true"},
                                                       {"partitioner", "murmur2_random"}};
  for (const auto& [name, value] : settings)
    rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text, sizeof text);
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
  if (client == nullptr) {
    fmt::print(stderr, "kafka_phone: {}\n", text);
    return 1;
  }
  const double rate = std::atof(values[3]);
  const auto rows = static_cast<std::uint64_t>(rate * std::atof(values[4]));
  const auto began = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < rows; ++i) {
    std::this_thread::sleep_until(
        began + std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(i) * 1e9 / rate)));
    send(client, values[2], i);
    rd_kafka_poll(client, 0);
  }
  const bool sent = rd_kafka_flush(client, 30'000) == RD_KAFKA_RESP_ERR_NO_ERROR;
  rd_kafka_destroy(client);
  return sent ? 0 : 1;
}
