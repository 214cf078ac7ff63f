#include "gateway/net/metrics.h"

#include <fmt/format.h>

namespace tiderace::gateway {

namespace {

void append_histogram(std::string& out, const LatencyBuckets& buckets) {
  const char* const name = "tiderace_gateway_stored_seconds";
  fmt::format_to(std::back_inserter(out),
                 "# HELP {0} From the arrival of a message until the log has it.\n# TYPE {0} histogram\n",
                 name);
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < buckets.counts.size(); ++i) {
    count += buckets.counts[i];
    const bool last = i == buckets.bounds.size();
    fmt::format_to(std::back_inserter(out), "{}_bucket{{le=\"{}\"}} {}\n", name,
                   last ? "+Inf" : fmt::format("{}", buckets.bounds[i]), count);
  }
  fmt::format_to(std::back_inserter(out), "{0}_sum {1}\n{0}_count {2}\n", name, buckets.sum.load(), count);
}

}  // namespace

std::string metrics_text(const Services& services) {
  std::string out;
  const auto add = [&](const char* name, const char* type, const char* help, auto value) {
    fmt::format_to(std::back_inserter(out),
                   "# HELP tiderace_gateway_{0} {2}\n# TYPE tiderace_gateway_{0} {1}\n"
                   "tiderace_gateway_{0} {3}\n",
                   name, type, help, value);
  };
  const WriterCounters& in = services.writer.counters();
  append_histogram(out, in.stored_seconds);
  const FeedCounters& feed = services.feed.counters();
  add("connections", "gauge", "Connections that are open.", services.admission.connections());
  add("connections_refused_total", "counter", "Connections beyond the limits.", services.admission.refused());
  add("writers_total", "counter", "WebSockets opened to write.", services.sockets.opened(true));
  add("readers_total", "counter", "WebSockets opened to read.", services.sockets.opened(false));
  add("messages_total", "counter", "Messages stored.", in.messages.load());
  add("rows_total", "counter", "Rows stored.", in.rows.load());
  add("duplicates_total", "counter", "Messages that were stored already.", in.duplicates.load());
  add("messages_refused_total", "counter", "Messages that could not be taken.", in.refused.load());
  add("commits_total", "counter", "Transactions made.", in.commits.load());
  add("log_failures_total", "counter", "Times that the log took nothing.", in.failures.load());
  add("fenced_total", "counter", "Times that another gateway had the id meanwhile.", in.fenced.load());
  add("log_healthy", "gauge", "1 if the log took what there was last.", services.writer.healthy() ? 1 : 0);
  add("queued_bytes", "gauge", "Bytes of messages that the log has not taken yet.",
      services.writer.queued_bytes());
  add("held_bytes", "gauge", "Bytes of messages that wait at their sockets until the queue has room.",
      services.writer.held_bytes());
  add("position_bytes", "gauge", "Bytes of positions of sessions that the log has not taken yet.",
      services.writer.position_bytes());
  add("turned_away_total", "counter", "Messages and positions whose socket was closed as too much waited.",
      in.turned_away.load());
  add("sessions", "gauge", "Sessions that are known.", in.sessions.load());
  add("records_read_total", "counter", "Records read for those who are up to date.", feed.records.load());
  add("readers_behind", "gauge", "Readers that are brought up to date.", feed.catching_up.load());
  add("readers_too_slow_total", "counter", "Readers closed because too much waited for them.",
      services.requests.too_slow.load());
  add("records_conflated_total", "counter", "Records that slow readers were spared.",
      services.requests.conflated.load());
  add("requests_unauthorized_total", "counter", "Requests without a token that allows them.",
      services.requests.unauthorized.load());
  add("requests_wrong_total", "counter", "Requests that are none.", services.requests.wrong.load());
  return out;
}

}  // namespace tiderace::gateway
