// The job as an expert writes it by hand for this one purpose: the limit that Tiderace is held against.
//
//   peers_handwritten stateless|mean BROKERS IN OUT GROUP [consumer.NAME=VALUE | producer.NAME=VALUE]...
//
// librdkafka and simdjson. A row without gForceX is left out; to the others `gForceTotal` is appended, and
// with `mean` the mean of the key's last 10 s. The window is in memory and dies with the process; offsets are
// committed by librdkafka now and then: what was read but not yet written when it dies is lost or comes
// twice.

#include <librdkafka/rdkafka.h>
#include <simdjson.h>

#include <array>
#include <charconv>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t batch_rows = 1000;
constexpr std::size_t largest_row = 1 << 20;
constexpr std::int64_t window_ms = 10'000;
volatile std::sig_atomic_t stopped = 0;

using Settings = std::map<std::string, std::string>;

[[noreturn]] void fail(const char* text) {
  std::fprintf(stderr, "peers_handwritten: %s\n", text);
  std::exit(1);
}

rd_kafka_t* client(rd_kafka_type_t type, const Settings& settings) {
  rd_kafka_conf_t* const conf = rd_kafka_conf_new();
  char text[512];
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text, sizeof text) != RD_KAFKA_CONF_OK)
      fail(text);
  }
  rd_kafka_t* const made = rd_kafka_new(type, conf, text, sizeof text);
  if (made == nullptr) fail(text);
  return made;
}

struct Window {
  std::deque<std::pair<std::int64_t, double>> rows;
  double sum = 0;
};

struct KeyHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
};

class Job {
 public:
  Job(bool mean, rd_kafka_t* producer, const char* out)
      : mean_(mean), producer_(producer), out_(rd_kafka_topic_new(producer, out, nullptr)) {}
  ~Job() { rd_kafka_topic_destroy(out_); }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  void process(const rd_kafka_message_t& row) {
    const std::string_view made = derive({static_cast<const char*>(row.payload), row.len},
                                         {static_cast<const char*>(row.key), row.key_len});
    if (made.empty()) return;
    while (rd_kafka_produce(out_, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, const_cast<char*>(made.data()),
                            made.size(), row.key, row.key_len, nullptr) != 0) {
      if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
        fail(rd_kafka_err2str(rd_kafka_last_error()));
      rd_kafka_poll(producer_, 5);
    }
  }

 private:
  /// The row with what is appended to it; empty: it is left out.
  std::string_view derive(std::string_view json, std::string_view key) {
    if (json.size() > largest_row) fail("a row of more than 1 MiB");
    std::memcpy(padded_.data(), json.data(), json.size());
    simdjson::ondemand::document document;
    simdjson::ondemand::object object;
    if (parser_.iterate(padded_.data(), json.size(), padded_.size()).get(document) != simdjson::SUCCESS ||
        document.get_object().get(object) != simdjson::SUCCESS)
      fail("a row that is no object");
    std::int64_t time = 0;
    double x = 0, y = 0, z = 0;
    if (mean_ && object["timestamp"].get_int64().get(time) != simdjson::SUCCESS) fail("a row without time");
    if (object["gForceX"].get_double().get(x) != simdjson::SUCCESS ||
        object["gForceY"].get_double().get(y) != simdjson::SUCCESS ||
        object["gForceZ"].get_double().get(z) != simdjson::SUCCESS)
      return {};
    const double total = std::fabs(x) + std::fabs(y) + std::fabs(z);
    std::memcpy(made_.data(), json.data(), json.size() - 1);
    end_ = made_.data() + json.size() - 1;
    append(",\"gForceTotal\":", total);
    if (mean_) append(",\"gForceTotal-10s\":", mean_of(key, time, total));
    *end_++ = '}';
    return {made_.data(), static_cast<std::size_t>(end_ - made_.data())};
  }

  void append(std::string_view name, double value) {
    std::memcpy(end_, name.data(), name.size());
    end_ = std::to_chars(end_ + name.size(), made_.data() + made_.size(), value).ptr;
  }

  double mean_of(std::string_view key, std::int64_t time, double value) {
    auto found = windows_.find(key);
    if (found == windows_.end()) found = windows_.emplace(key, Window()).first;
    Window& window = found->second;
    window.rows.emplace_back(time, value);
    window.sum += value;
    while (window.rows.front().first <= time - window_ms) {
      window.sum -= window.rows.front().second;
      window.rows.pop_front();
    }
    return window.sum / static_cast<double>(window.rows.size());
  }

  const bool mean_;
  rd_kafka_t* const producer_;
  rd_kafka_topic_t* const out_;
  simdjson::ondemand::parser parser_;
  std::vector<char> padded_ = std::vector<char>(largest_row + simdjson::SIMDJSON_PADDING);
  std::vector<char> made_ = std::vector<char>(largest_row + 256);
  char* end_ = nullptr;
  std::unordered_map<std::string, Window, KeyHash, std::equal_to<>> windows_;
};

void run(rd_kafka_t* consumer, rd_kafka_t* producer, Job& job) {
  rd_kafka_queue_t* const queue = rd_kafka_queue_get_consumer(consumer);
  std::array<rd_kafka_message_t*, batch_rows> batch{};
  while (stopped == 0) {
    // One is waited for; then what else is there: a batch would be waited for until it is full.
    ssize_t count = rd_kafka_consume_batch_queue(queue, 50, batch.data(), 1);
    if (count == 1) {
      const ssize_t more = rd_kafka_consume_batch_queue(queue, 0, batch.data() + 1, batch.size() - 1);
      count += more > 0 ? more : 0;
    }
    for (ssize_t i = 0; i < count; ++i) {
      rd_kafka_message_t* const row = batch[static_cast<std::size_t>(i)];
      if (row->err == RD_KAFKA_RESP_ERR_NO_ERROR) job.process(*row);
      rd_kafka_message_destroy(row);
    }
    rd_kafka_poll(producer, 0);
  }
  rd_kafka_queue_destroy(queue);
}

void subscribe(rd_kafka_t* consumer, const char* topic) {
  rd_kafka_poll_set_consumer(consumer);
  rd_kafka_topic_partition_list_t* const topics = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
  const auto code = rd_kafka_subscribe(consumer, topics);
  rd_kafka_topic_partition_list_destroy(topics);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) fail(rd_kafka_err2str(code));
}

}  // namespace

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + 1, values + count);
  if (arguments.size() < 5 || (arguments[0] != "stateless" && arguments[0] != "mean"))
    fail("usage: stateless|mean BROKERS IN OUT GROUP [consumer.NAME=VALUE | producer.NAME=VALUE]...");
  Settings of_consumer = {{"bootstrap.servers", arguments[1]},
                          {"group.id", arguments[4]},
                          {"auto.offset.reset", "earliest"},
                          {"queued.min.messages", "10000000"},
                          {"queued.max.messages.kbytes", "1000000"}};
  Settings of_producer = {{"bootstrap.servers", arguments[1]},
                          {"partitioner", "murmur2"},
                          {"queue.buffering.max.messages", "1000000"}};
  for (std::size_t i = 5; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const std::size_t dot = argument.find('.'), equals = argument.find('=');
    if (dot == std::string::npos || equals == std::string::npos) fail(argument.c_str());
    Settings& settings = argument.substr(0, dot) == "producer" ? of_producer : of_consumer;
    settings[argument.substr(dot + 1, equals - dot - 1)] = argument.substr(equals + 1);
  }
  std::signal(SIGTERM, [](int) { stopped = 1; });
  rd_kafka_t* const consumer = client(RD_KAFKA_CONSUMER, of_consumer);
  rd_kafka_t* const producer = client(RD_KAFKA_PRODUCER, of_producer);
  subscribe(consumer, arguments[2].c_str());
  {
    Job job(arguments[0] == "mean", producer, arguments[3].c_str());
    run(consumer, producer, job);
    rd_kafka_flush(producer, 10'000);
  }
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
  rd_kafka_destroy(producer);
  return 0;
}
