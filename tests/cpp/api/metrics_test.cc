// A run as its user has it from C++, seen over HTTP.

#include <gtest/gtest.h>
#include <tiderace/tiderace.h>

#include <thread>

#include "http/http_server.h"
#include "http/raw_client.h"
#include "temporary_directory.h"

namespace tiderace {
namespace {

std::uint16_t free_port() {
  const HttpServer server({}, [](const std::string&) { return HttpResponse(); });
  return server.port();
}

std::string get(std::uint16_t port, const std::string& path) {
  const RawClient client(port);
  client.send("GET " + path + " HTTP/1.0\r\n\r\n");
  return client.rest();
}

TEST(MetricsPort, ShowsARunWhileItWorks) {
  const TemporaryDirectory directory;
  const std::uint16_t port = free_port();
  Application app({.broker_address = "embedded:" + directory.path(),
                   .consumer_group = "g",
                   .workers = 2,
                   .metrics_port = port,
                   .metrics_address = "127.0.0.1"});
  auto sdf = app.dataframe(app.topic("in"));
  sdf["y"] = sdf["x"].abs();
  sdf.to_topic(app.topic("out"));
  {
    auto producer = app.get_producer();
    for (int i = 0; i < 10; ++i) producer.produce({.topic = "in", .key = "k", .value = R"({"x":-1})"});
  }
  std::thread watcher([&] {
    // Until the run has begun nobody listens.
    while (get(port, "/metrics").find("\ntiderace_rows_out_total 10\n") == std::string::npos) {
    }
    EXPECT_TRUE(get(port, "/healthz").starts_with("HTTP/1.0 200 OK\r\n"));
    EXPECT_TRUE(get(port, "/readyz").ends_with("\r\n\r\nready: 1 partitions\n"));
    app.stop();
  });
  EXPECT_EQ(app.run().rows_out, 10u);
  watcher.join();
}

}  // namespace
}  // namespace tiderace
