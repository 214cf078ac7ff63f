#pragma once

#include <tiderace/application.h>

#include <memory>
#include <mutex>
#include <vector>

#include "api/required.h"
#include "plan/frame.h"
#include "plan/pipeline.h"
#include "runtime/runner.h"
#include "runtime/stage.h"

namespace tiderace {

/// What an application is made of, for the front ends. The members before `mutex` belong to the thread that
/// builds and runs.
struct ApplicationState {
  explicit ApplicationState(ApplicationOptions given);

  /// The log, opened by the first that needs it and closed when the last run and producer let go of it.
  [[nodiscard]] std::shared_ptr<Log> log();
  [[nodiscard]] Summary run(const RunOptions& run_options);
  [[nodiscard]] std::string explain() const;
  void set_summary(const Summary& summary);
  /// All rows of `source`, by way of its topic.
  [[nodiscard]] plan::Frame dataframe(const std::shared_ptr<SourceConnector>& source,
                                      std::optional<double> replay_speed);

  ApplicationOptions options;
  std::shared_ptr<plan::Pipeline> pipeline;
  std::vector<Feed> feeds;  ///< of all sources that frames were made of
  std::function<void(std::string_view)>
      print;  ///< where `print()` writes; standard output unless a front end sets it

  mutable std::mutex mutex;
  std::weak_ptr<Log> opened_log;
  std::shared_ptr<std::vector<std::unique_ptr<Stage>>> stages;  ///< of the present or last run
  std::shared_ptr<RunState> run_state;                          ///< of the present run
  Summary last_summary;

 private:
  [[nodiscard]] std::shared_ptr<std::vector<std::unique_ptr<Stage>>> resolve() const;
  void warn_of_unused() const;
};

/// How the front ends reach what is behind an application.
struct ApplicationAccess {
  [[nodiscard]] static const std::shared_ptr<ApplicationState>& state(const Application& application) {
    return required(application.state_, "tr::Application");
  }
};

}  // namespace tiderace
