#pragma once

#include <tiderace/dataframe.h>
#include <tiderace/source.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/required.h"
#include "plan/frame.h"

namespace tiderace {

/// A series of the plan; a column is looked up when it is first read, so that one that is to be set need not
/// be there.
struct SeriesState {
  mutable std::optional<plan::Series> series;
  std::optional<plan::Frame> frame = {};
  std::string column = {};

  [[nodiscard]] const plan::Series& get() const {
    if (!series) series = frame->column(column);
    return *series;
  }
};

/// A frame of the plan; a projection is made when it is first read.
struct FrameState {
  mutable std::optional<plan::Frame> frame;
  std::optional<plan::Frame> from = {};
  std::vector<std::string> columns = {};

  [[nodiscard]] const plan::Frame& get() const {
    if (!frame) frame = from->project(columns);
    return *frame;
  }
};

/// From the public classes to the plan and back.
struct FrameAccess {
  [[nodiscard]] static StreamingDataFrame make(plan::Frame frame);
  [[nodiscard]] static Series make(plan::Series series);
  [[nodiscard]] static Series make(std::shared_ptr<const SeriesState> state) {
    return Series(std::move(state));
  }
  [[nodiscard]] static const plan::Frame& of(const StreamingDataFrame& frame) {
    return required(frame.state_, "tr::StreamingDataFrame")->get();
  }
  [[nodiscard]] static const std::shared_ptr<SinkConnector>& of(const Sink& sink) {
    return required(sink.connector_, "tr::Sink");
  }
  [[nodiscard]] static const plan::Series& of(const Series& series) {
    return required(series.state_, "tr::Series")->get();
  }
};

/// From a history to what it is made of.
struct SourceAccess {
  [[nodiscard]] static const std::shared_ptr<SourceConnector>& of(const History& source) {
    return required(source.connector_, "tr::History");
  }
};

/// The plan's form of the options of `rolling`.
[[nodiscard]] plan::RollingOptions rolling_options(const RollingOptions& options);

}  // namespace tiderace
