#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <vector>

/// Phones and readers of a gateway: `load PORT PHONES PER_SECOND READERS SECONDS`. Each phone has a session
/// and sends a row PER_SECOND times a second; each reader reads ten phones. Prints, as JSON, how long it took
/// from sending a row until it was acknowledged, over SECONDS after all are connected, and what readers got.
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using Clock = std::chrono::steady_clock;
using Executor = asio::io_context::executor_type;
using Stream = beast::basic_stream<asio::ip::tcp, Executor>;
using Timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;
using Failure = boost::system::error_code;

struct Totals {
  bool measuring = false;
  std::vector<double> seconds;  ///< from sending to being acknowledged
  std::uint64_t sent = 0;
  std::uint64_t late = 0;  ///< rows that were not sent in time, since this program had no time
  std::uint64_t frames = 0;
  std::uint64_t read_bytes = 0;
  int open = 0;
  int failed = 0;
};

/// One WebSocket of a client.
class Client : public std::enable_shared_from_this<Client> {
 public:
  Client(asio::io_context& context, Totals& totals, std::string target)
      : stream_(context), totals_(totals), target_(std::move(target)) {}
  virtual ~Client() = default;

  void connect(const asio::ip::tcp::endpoint& to) {
    beast::get_lowest_layer(stream_).async_connect(to, [self = shared_from_this()](Failure failure) {
      if (failure) return self->fail(failure);
      Failure ignored;
      beast::get_lowest_layer(self->stream_).socket().set_option(asio::ip::tcp::no_delay(true), ignored);
      self->stream_.async_handshake("localhost", self->target_, [self](Failure refused) {
        if (refused) return self->fail(refused);
        self->read();
      });
    });
  }

 protected:
  virtual void received(std::string_view message) = 0;

  void fail(Failure failure) {
    if (totals_.failed++ == 0) fmt::print(stderr, "{}: {}\n", target_, failure.message());
  }
  void read() {
    stream_.async_read(buffer_, [self = shared_from_this()](Failure failure, std::size_t) {
      if (failure) return self->fail(failure);
      const auto bytes = self->buffer_.cdata();
      self->received({static_cast<const char*>(bytes.data()), bytes.size()});
      self->buffer_.consume(self->buffer_.size());
      self->read();
    });
  }

  beast::websocket::stream<Stream> stream_;
  Totals& totals_;

 private:
  std::string target_;
  beast::flat_buffer buffer_;
};

class Phone final : public Client {
 public:
  Phone(asio::io_context& context, Totals& totals, int number, double per_second)
      : Client(context, totals,
               fmt::format("/v1/topics/phone-data?key=rider-{0}&session=phone-{0}&timestamp_field=timestamp",
                           number)),
        period_(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / per_second))),
        timer_(context),
        number_(number) {}

  /// Begins to send, at a time of its own in the first period.
  void start(Clock::time_point now) {
    next_ = now + period_ * (number_ % 1000) / 1000;
    wait();
  }

 private:
  void received(std::string_view message) override {
    const auto now = Clock::now();
    if (message.starts_with("{\"hello\"")) {
      ++totals_.open;
      return;
    }
    if (sent_.empty()) return;
    if (totals_.measuring)
      totals_.seconds.push_back(std::chrono::duration<double>(now - sent_.front()).count());
    sent_.pop_front();
  }

  void wait() {
    timer_.expires_at(next_);
    timer_.async_wait([self = std::static_pointer_cast<Phone>(shared_from_this())](Failure failure) {
      if (!failure) self->send();
    });
  }

  void send() {
    next_ += period_;
    wait();
    if (writing_) {
      ++totals_.late;
      return;
    }
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                        std::chrono::system_clock::now().time_since_epoch())
                        .count();
    row_ = fmt::format(
        R"({{"timestamp":{},"rider":"rider-{}","gForceX":0.12,"gForceY":-0.98,"gForceZ":0.07,"latitude":47.3769,"longitude":8.5417,"altitude":408.2,"speed":6.9}})",
        ms, number_);
    writing_ = true;
    ++totals_.sent;
    sent_.push_back(Clock::now());
    stream_.async_write(asio::buffer(row_), [self = std::static_pointer_cast<Phone>(shared_from_this())](
                                                Failure failure, std::size_t) {
      self->writing_ = false;
      if (failure) self->fail(failure);
    });
  }

  const Clock::duration period_;
  Timer timer_;
  const int number_;
  Clock::time_point next_;
  std::deque<Clock::time_point> sent_;
  std::string row_;
  bool writing_ = false;
};

class Reader final : public Client {
 public:
  Reader(asio::io_context& context, Totals& totals, int number, int phones)
      : Client(context, totals, "/v1/topics/phone-data?from=latest&key=" + keys(number, phones)) {}

 private:
  static std::string keys(int number, int phones) {
    std::string keys;
    for (int i = 0; i < 10; ++i)
      keys += fmt::format("{}rider-{}", i == 0 ? "" : ",", (number * 10 + i) % phones);
    return keys;
  }
  void received(std::string_view message) override {
    if (message.starts_with("{\"hello\"")) {
      ++totals_.open;
    } else if (totals_.measuring) {
      ++totals_.frames;
      totals_.read_bytes += message.size();
    }
  }
};

double quantile(const std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 6) {
    fmt::print(stderr, "wanted: load PORT PHONES PER_SECOND READERS SECONDS\n");
    return 2;
  }
  const int phones = std::atoi(arguments[2]);
  const double per_second = std::atof(arguments[3]);
  const int readers = std::atoi(arguments[4]);
  const std::chrono::seconds seconds(std::atoi(arguments[5]));
  const asio::ip::tcp::endpoint gateway(asio::ip::make_address("127.0.0.1"),
                                        static_cast<std::uint16_t>(std::atoi(arguments[1])));
  asio::io_context context(1);
  Totals totals;
  totals.seconds.reserve(static_cast<std::size_t>(phones * per_second) *
                         static_cast<std::size_t>(seconds.count() + 1));
  std::vector<std::shared_ptr<Phone>> senders;
  std::vector<std::shared_ptr<Reader>> receivers;
  const auto connect = [&](Client& client, int number) {
    client.connect(gateway);
    // A few at a time: the handshakes of all of them at once are another measurement.
    while (totals.open + totals.failed + 50 < number) context.run_one();
  };
  for (int i = 0; i < phones; ++i)
    connect(*senders.emplace_back(std::make_shared<Phone>(context, totals, i, per_second)), i);
  for (int i = 0; i < readers; ++i)
    connect(*receivers.emplace_back(std::make_shared<Reader>(context, totals, i, phones)), phones + i);
  while (totals.open + totals.failed < phones + readers) context.run_one();
  fmt::print(stderr, "{} are connected, {} failed\n", totals.open, totals.failed);
  for (const auto& phone : senders) phone->start(Clock::now());
  context.run_for(std::chrono::seconds(5));
  totals.measuring = true;
  const std::uint64_t before = totals.sent;
  const auto begin = Clock::now();
  context.run_for(seconds);
  const double took = std::chrono::duration<double>(Clock::now() - begin).count();
  std::vector<double>& all = totals.seconds;
  std::sort(all.begin(), all.end());
  fmt::print(
      R"({{"phones":{},"readers":{},"failed":{},"rows_a_second":{:.0f},"acknowledged_a_second":{:.0f},"late":{},"p50_ms":{:.2f},"p99_ms":{:.2f},"max_ms":{:.1f},"frames_a_second":{:.0f},"read_mb_a_second":{:.2f}}})"
      "\n",
      phones, readers, totals.failed, static_cast<double>(totals.sent - before) / took,
      static_cast<double>(all.size()) / took, totals.late, quantile(all, 0.5) * 1e3,
      quantile(all, 0.99) * 1e3, all.empty() ? 0 : all.back() * 1e3,
      static_cast<double>(totals.frames) / took, static_cast<double>(totals.read_bytes) / took / 1e6);
}
