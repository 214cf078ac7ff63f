// Rows of phones, of nine fields and about 160 bytes; of history, one in ten has no g-forces.
//
//   kafka_phone history BROKERS TOPIC ROWS RIDERS [COLUMNS BYTES]
//     As many rows at once, of riders in turn, whose event time goes on by 250 ms a round; with so many
//     numbers more, `c0`, `c1` and so on, and a text, `note`, that fills them up to so many bytes.
//   kafka_phone live BROKERS TOPIC ROWS_PER_SECOND SECONDS LINGER_MS
//     At a steady rate, one by one, each with the time at which it was handed to librdkafka as a tenth,
//     `sent`.

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::uint64_t live_riders = 200;
constexpr std::int64_t begin_ms = 1'700'000'000'000;
constexpr std::int64_t round_ms = 250;
constexpr int flush_ms = 60'000;

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// Values that follow from the number of the row: Weyl's sequence through the finaliser of SplitMix64
/// (G. L. Steele Jr., D. Lea, C. H. Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).
class Values {
 public:
  explicit Values(std::uint64_t row) : state_(row * 0x9E3779B97F4A7C15ull) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  double between(double least, double most) {
    return least + (most - least) * static_cast<double>(next() >> 11) * 0x1p-53;
  }

 private:
  std::uint64_t state_;
};

/// Into `row`, without its end. `whole`: never without g-forces.
void begin_row(std::string& row, std::uint64_t number, std::int64_t time_ms, bool whole) {
  Values values(number);
  row.clear();
  const auto out = std::back_inserter(row);
  fmt::format_to(out, R"({{"timestamp":{},)", time_ms);
  const std::uint64_t forces = values.next() % 20;  // absent, null, or there
  if (!whole && forces == 1) {
    row += R"("gForceX":null,"gForceY":null,"gForceZ":null,)";
  } else if (whole || forces > 1) {
    fmt::format_to(out, R"("gForceX":{:.4f},"gForceY":{:.4f},"gForceZ":{:.4f},)", values.between(-2, 2),
                   values.between(-2, 2), values.between(-2, 2));
  }
  fmt::format_to(out, R"("speed":{:.2f},"altitude":{:.1f},"heartRate":{},"lat":{:.6f},"lon":{:.6f})",
                 values.between(0, 30), values.between(0, 400), 60 + values.next() % 90,
                 values.between(51, 52), values.between(-1, 1));
}

void send(rd_kafka_t* client, const std::string& topic, std::uint64_t rider, const std::string& row,
          std::int64_t time_ms) {
  const std::string key = fmt::format("rider-{:04}", rider);
  // Where the queue is full or the broker away, the row is sent again: its time has begun.
  while (rd_kafka_producev(client, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                           RD_KAFKA_V_KEY(key.data(), key.size()),
                           RD_KAFKA_V_VALUE(const_cast<char*>(row.data()), row.size()),
                           RD_KAFKA_V_TIMESTAMP(time_ms), RD_KAFKA_V_END) != RD_KAFKA_RESP_ERR_NO_ERROR)
    rd_kafka_poll(client, 1);
}

/// Fields beside the nine.
struct Width {
  std::size_t columns = 0;
  std::size_t bytes = 0;  ///< of the row, at least
};

void widen(std::string& row, std::uint64_t number, const Width& width) {
  Values values(~number);
  for (std::size_t i = 0; i < width.columns; ++i)
    fmt::format_to(std::back_inserter(row), R"(,"c{}":{:.3f})", i, values.between(-10, 10));
  if (row.size() >= width.bytes) return;
  row += R"(,"note":")";
  while (row.size() + 1 < width.bytes) row += static_cast<char>('a' + values.next() % 26);
  row += '"';
}

void send_history(rd_kafka_t* client, const std::string& topic, std::uint64_t rows, std::uint64_t riders,
                  const Width& width) {
  std::string row;
  for (std::uint64_t i = 0; i < rows; ++i) {
    const std::int64_t time_ms = begin_ms + static_cast<std::int64_t>(i / riders) * round_ms;
    begin_row(row, i, time_ms, false);
    widen(row, i, width);
    row += '}';
    send(client, topic, i % riders, row, time_ms);
    if (i % 1000 == 0) rd_kafka_poll(client, 0);
  }
}

void send_live(rd_kafka_t* client, const std::string& topic, double rate, double seconds) {
  const auto rows = static_cast<std::uint64_t>(rate * seconds);
  const auto began = std::chrono::steady_clock::now();
  std::string row;
  for (std::uint64_t i = 0; i < rows; ++i) {
    std::this_thread::sleep_until(
        began + std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(i) * 1e9 / rate)));
    const std::int64_t now = now_ns();
    begin_row(row, i, now / 1'000'000, true);
    fmt::format_to(std::back_inserter(row), R"(,"sent":{}}})", now);
    send(client, topic, i % live_riders, row, now / 1'000'000);
    rd_kafka_poll(client, 0);
  }
}

rd_kafka_t* producer(const std::string& brokers, const std::string& linger_ms) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char text[512];
  const std::map<std::string, std::string> settings = {{"bootstrap.servers", brokers},
                                                       {"linger.ms", linger_ms},
                                                       {"acks", "all"},
                                                       {"enable.idempotence", "true"},
                                                       {"partitioner", "murmur2_random"},
                                                       {"queue.buffering.max.messages", "1000000"}};
  for (const auto& [name, value] : settings)
    rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text, sizeof text);
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
  if (client != nullptr) return client;
  fmt::print(stderr, "kafka_phone: {}\n", text);
  std::exit(1);
}

}  // namespace

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + 1, values + count);
  const bool wide = arguments.size() == 7;
  const bool history = (wide || arguments.size() == 5) && arguments[0] == "history";
  const bool live = arguments.size() == 6 && arguments[0] == "live";
  if (!history && !live) {
    fmt::print(stderr,
               "usage: kafka_phone history BROKERS TOPIC ROWS RIDERS [COLUMNS BYTES] | live BROKERS TOPIC "
               "ROWS_PER_SECOND SECONDS LINGER_MS\n");
    return 2;
  }
  rd_kafka_t* client = producer(arguments[1], live ? arguments[5] : "50");
  const Width width = wide ? Width{std::stoull(arguments[5]), std::stoull(arguments[6])} : Width();
  if (history)
    send_history(client, arguments[2], std::stoull(arguments[3]), std::stoull(arguments[4]), width);
  else
    send_live(client, arguments[2], std::stod(arguments[3]), std::stod(arguments[4]));
  const bool sent = rd_kafka_flush(client, flush_ms) == RD_KAFKA_RESP_ERR_NO_ERROR;
  rd_kafka_destroy(client);
  return sent ? 0 : 1;
}
