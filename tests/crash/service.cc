// service DIRECTORY GUARANTEE [--until-end]: the pipeline over the embedded log in DIRECTORY, with its state
// in DIRECTORY/state. GUARANTEE: exactly-once or at-least-once.

#include <cstdio>
#include <string_view>

#include "pipeline.h"

int main(int argc, char** argv) try {
  if (argc < 3) return 2;
  const std::string directory = argv[1];
  tiderace::ApplicationOptions options;
  options.broker_address = "embedded:" + directory;
  options.consumer_group = "crash";
  if (std::string_view(argv[2]) == "exactly-once")
    options.processing_guarantee = tiderace::ProcessingGuarantee::exactly_once;
  options.commit_interval = std::chrono::milliseconds(5);
  options.state_dir = directory + "/state";
  options.on_error = tiderace::ErrorPolicy::dead_letter;
  options.workers = 2;
  tiderace::Application app(options);
  auto sdf = crash::pipeline(app);
  sdf.to_topic(app.topic("alerts", {.num_partitions = 3}));
  app.run({.until_end = argc > 3 && std::string_view(argv[3]) == "--until-end"});
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
