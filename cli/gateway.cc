#include "base/error.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "gateway/config.h"
#include "gateway/server.h"

namespace tiderace::cli {
namespace {

ExitStatus run(const Arguments& arguments) {
  const auto file = arguments.find("--config");
  if (!file)
    throw_error(ErrorKind::config, "tiderace gateway wants --config FILE, see docs/guide/gateway.md");
  const gateway::Config config = gateway::read_config(*file);
  gateway::Server server(config);
  LineOutput output;
  output.line() = fmt::format("listening on {}://{}:{}", config.tls ? "https" : "http", config.listen.address,
                              server.port());
  if (server.metrics_port() != 0) output.line() += fmt::format(", metrics on port {}", server.metrics_port());
  if (!config.has_tokens())
    output.line() +=
        "; there are no tokens, so it listens on this machine only, where everybody may write and read "
        "everything";
  output.end_line();
  output.flush();
  while (caught_signal() == 0) static_cast<void>(wait_readable(-1, std::chrono::hours(1)));
  server.drain();
  return success;
}

}  // namespace

Command gateway() {
  return {
      .name = "gateway",
      .summary = "Serves topics to phones and browsers by WebSocket and HTTP, until SIGTERM or Ctrl-C.",
      .positional = {},
      .options = {{"--config", "FILE", "what it serves to whom, in TOML (wanted)"}},
      .details =
          "It acknowledges what is written once the log has it, brings records to who reads, and serves the\n"
          "pages of the demo. SIGTERM and Ctrl-C: it takes no more, waits until the log has what there is, "
          "and\n"
          "says goodbye. The file is described in docs/guide/gateway.md; the least that it may have is\n"
          "\n"
          "  [topics]\n"
          "  phone-data = { partitions = 4 }\n"
          "\n"
          "Example:\n"
          "  tiderace gateway --config gateway.toml\n",
      .run = run};
}

}  // namespace tiderace::cli
