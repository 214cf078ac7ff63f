#include <tiderace/dataframe.h>

#include "api/frame_access.h"
#include "api/row_function.h"

namespace tiderace {
namespace {

plan::RowFunctionOptions row_options(const FunctionOptions& options, bool stateful) {
  return {options.function_name, stateful, options.name};
}

std::shared_ptr<RowFunction> call(std::function<Value(const Row&)> function) {
  return make_row_function([function = std::move(function)](Row& row, State*) { return function(row); });
}
std::shared_ptr<RowFunction> call(std::function<Value(const Row&, State&)> function) {
  return make_row_function(
      [function = std::move(function)](Row& row, State* state) { return function(row, *state); });
}

}  // namespace

StreamingDataFrame FrameAccess::make(plan::Frame frame) {
  return StreamingDataFrame(std::make_shared<const FrameState>(FrameState{std::move(frame)}));
}

ColumnOfFrame StreamingDataFrame::operator[](const std::string& column) {
  return {*this, column};
}
ColumnOfFrame StreamingDataFrame::operator[](const char* column) {
  return {*this, column};
}
Series StreamingDataFrame::operator[](const std::string& column) const {
  return FrameAccess::make(FrameAccess::of(*this).column(column));
}
Series StreamingDataFrame::operator[](const char* column) const {
  return (*this)[std::string(column)];
}
ColumnsOfFrame StreamingDataFrame::operator[](std::initializer_list<std::string> columns) {
  return (*this)[std::vector<std::string>(columns)];
}
ColumnsOfFrame StreamingDataFrame::operator[](std::vector<std::string> columns) {
  return {*this, std::move(columns)};
}
StreamingDataFrame StreamingDataFrame::operator[](std::initializer_list<std::string> columns) const {
  return (*this)[std::vector<std::string>(columns)];
}
StreamingDataFrame StreamingDataFrame::operator[](std::vector<std::string> columns) const {
  return FrameAccess::make(FrameAccess::of(*this).project(std::move(columns)));
}
StreamingDataFrame StreamingDataFrame::operator[](const Series& mask) const {
  return FrameAccess::make(FrameAccess::of(*this).filter(FrameAccess::of(mask)));
}

StreamingDataFrame StreamingDataFrame::drop(std::vector<std::string> columns) const {
  return FrameAccess::make(FrameAccess::of(*this).drop(std::move(columns)));
}
StreamingDataFrame StreamingDataFrame::rename(
    std::vector<std::pair<std::string, std::string>> columns) const {
  return FrameAccess::make(FrameAccess::of(*this).rename(std::move(columns)));
}

StreamingDataFrame StreamingDataFrame::apply_row(RowCall function, const FunctionOptions& options) const {
  return FrameAccess::make(
      FrameAccess::of(*this).apply(call(std::move(function)), row_options(options, false)));
}
StreamingDataFrame StreamingDataFrame::apply_row(StatefulRowCall function,
                                                 const FunctionOptions& options) const {
  return FrameAccess::make(
      FrameAccess::of(*this).apply(call(std::move(function)), row_options(options, true)));
}
StreamingDataFrame StreamingDataFrame::filter_row(RowCall function, const FunctionOptions& options) const {
  return FrameAccess::make(
      FrameAccess::of(*this).filter(call(std::move(function)), row_options(options, false)));
}
StreamingDataFrame StreamingDataFrame::filter_row(StatefulRowCall function,
                                                  const FunctionOptions& options) const {
  return FrameAccess::make(
      FrameAccess::of(*this).filter(call(std::move(function)), row_options(options, true)));
}
StreamingDataFrame StreamingDataFrame::update_row(std::function<void(Row&, State*)> function, bool stateful,
                                                  const FunctionOptions& options) const {
  auto update = make_row_function([function = std::move(function)](Row& row, State* state) {
    function(row, state);
    return Value(std::move(row));
  });
  return FrameAccess::make(FrameAccess::of(*this).update(std::move(update), row_options(options, stateful)));
}

StreamingDataFrame& StreamingDataFrame::to_topic(const TopicPtr& topic) {
  (void)FrameAccess::of(*this).to_topic(topic);
  return *this;
}
StreamingDataFrame& StreamingDataFrame::to_topic(const TopicPtr& topic, const Series& key) {
  (void)FrameAccess::of(*this).to_topic(topic, FrameAccess::of(key));
  return *this;
}
StreamingDataFrame& StreamingDataFrame::to_topic(const TopicPtr& topic, const std::string& key) {
  (void)FrameAccess::of(*this).to_topic(topic, std::optional(key));
  return *this;
}
StreamingDataFrame& StreamingDataFrame::sink(const Sink& sink) {
  FrameAccess::of(*this).sink(FrameAccess::of(sink));
  return *this;
}

StreamingDataFrame& StreamingDataFrame::print(int width, bool live) {
  (void)FrameAccess::of(*this).print(width, live);
  return *this;
}

ColumnOfFrame::ColumnOfFrame(StreamingDataFrame& frame, std::string name)
    : Series(std::make_shared<const SeriesState>(SeriesState{std::nullopt, FrameAccess::of(frame), name})),
      frame_(&frame),
      name_(std::move(name)) {}

void ColumnOfFrame::operator=(const Series& value) && {
  *frame_ = FrameAccess::make(FrameAccess::of(*frame_).assign(name_, FrameAccess::of(value)));
}
void ColumnOfFrame::operator=(const StreamingDataFrame& value) && {
  *frame_ = FrameAccess::make(FrameAccess::of(*frame_).assign(name_, FrameAccess::of(value)));
}

ColumnsOfFrame::ColumnsOfFrame(StreamingDataFrame& frame, std::vector<std::string> names)
    : StreamingDataFrame(
          std::make_shared<const FrameState>(FrameState{std::nullopt, FrameAccess::of(frame), names})),
      frame_(&frame),
      names_(std::move(names)) {}

void ColumnsOfFrame::operator=(const StreamingDataFrame& values) && {
  *frame_ = FrameAccess::make(FrameAccess::of(*frame_).assign(names_, FrameAccess::of(values)));
}

struct RollingFrame::State {
  plan::RollingFrame rolling;
  [[nodiscard]] StreamingDataFrame aggregate(Aggregate aggregate, int ddof = 1) const {
    return FrameAccess::make(rolling.aggregate(aggregate, ddof));
  }
};

RollingFrame StreamingDataFrame::rolling(std::chrono::nanoseconds window,
                                         const RollingOptions& options) const {
  return RollingFrame(
      std::make_shared<const RollingFrame::State>(RollingFrame::State{FrameAccess::of(*this).rolling(
          plan::Window::of_nanoseconds(window.count()), rolling_options(options))}));
}
RollingFrame StreamingDataFrame::rolling(const std::string& window, const RollingOptions& options) const {
  return RollingFrame(std::make_shared<const RollingFrame::State>(RollingFrame::State{
      FrameAccess::of(*this).rolling(plan::Window::of_text(window), rolling_options(options))}));
}
RollingFrame StreamingDataFrame::rolling(std::int64_t rows, const RollingOptions& options) const {
  return RollingFrame(std::make_shared<const RollingFrame::State>(RollingFrame::State{
      FrameAccess::of(*this).rolling(plan::Window::of_rows(rows), rolling_options(options))}));
}
RollingFrame StreamingDataFrame::rolling(int rows, const RollingOptions& options) const {
  return rolling(std::int64_t{rows}, options);
}

StreamingDataFrame RollingFrame::mean() const {
  return required(state_, "tr::RollingFrame")->aggregate(Aggregate::mean);
}
StreamingDataFrame RollingFrame::sum() const {
  return required(state_, "tr::RollingFrame")->aggregate(Aggregate::sum);
}
StreamingDataFrame RollingFrame::min() const {
  return required(state_, "tr::RollingFrame")->aggregate(Aggregate::min);
}
StreamingDataFrame RollingFrame::max() const {
  return required(state_, "tr::RollingFrame")->aggregate(Aggregate::max);
}
StreamingDataFrame RollingFrame::count() const {
  return required(state_, "tr::RollingFrame")->aggregate(Aggregate::count);
}
StreamingDataFrame RollingFrame::std(int ddof) const {
  return required(state_, "tr::RollingFrame")->aggregate(Aggregate::std, ddof);
}
StreamingDataFrame RollingFrame::var(int ddof) const {
  return required(state_, "tr::RollingFrame")->aggregate(Aggregate::var, ddof);
}

}  // namespace tiderace
