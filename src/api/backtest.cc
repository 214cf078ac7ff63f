#include "api/backtest.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <optional>

#include "api/frame_access.h"
#include "api/table_internal.h"
#include "base/error.h"
#include "columnar/event_time.h"

namespace tiderace {
namespace {

std::optional<std::string> timestamp_column(const BacktestRequest& request, const Topic& topic) {
  if (request.timestamp) return request.timestamp;
  if (topic.options.timestamp && TableAccess::data(request.table).has(*topic.options.timestamp))
    return topic.options.timestamp;
  return std::nullopt;
}

/// How the column `name`, of an Arrow timestamp type in `unit_ns` if any, is read as event times.
auto event_times_of(const std::string& name, std::optional<std::int64_t> unit_ns, const Topic& topic) {
  // A topic that names no column says the unit of the one that the backtest names.
  const bool is_other = topic.options.timestamp.value_or(name) != name;
  const TimestampUnit unit = is_other ? TimestampUnit::ms : topic.options.timestamp_unit;
  return [=](const Column& column, RowErrors& errors) {
    return unit_ns ? scaled_event_times(column, *unit_ns, name, errors)
                   : event_times(column, unit, name, errors);
  };
}

void require_columns(const ResolvedStage& stage, const BacktestRequest& request, bool has_times) {
  const auto missing = [&](const std::string& what, const std::string& name) {
    std::string names;
    for (const std::string& column : request.table.column_names())
      names += (names.empty() ? "" : ", ") + column;
    throw_error(ErrorKind::plan, "backtest: {}=\"{}\" is no column of the data, which has {}", what, name,
                names);
  };
  const auto& data = TableAccess::data(request.table);
  if (request.key && !data.has(*request.key)) missing("key", *request.key);
  if (request.timestamp && !data.has(*request.timestamp)) missing("timestamp", *request.timestamp);
  for (const ResolvedStep& step : stage.steps) {
    if (step.needs_key && !request.key) {
      throw_error(ErrorKind::plan,
                  "backtest: {} keeps state per key; say which column is the key, for example backtest(data, "
                  "key=\"rider\")",
                  step.text);
    }
    const bool by_time = !step.merged.empty() && step.merged.front().by_time;
    if (by_time && !has_times) {
      throw_error(ErrorKind::plan,
                  "backtest: {} goes by event time; say which column it is, for example backtest(data, "
                  "timestamp=\"timestamp\")",
                  step.text);
    }
  }
}

}  // namespace

void name_columns_of_nothing(const plan::Frame& frame, BacktestRequest& request) {
  if (request.table.num_rows() > 0 || !request.table.column_names().empty()) return;
  std::vector<std::string> names;
  const auto add = [&names](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  const ResolvedStage stage = resolve_stage(source_of(frame.node()), {frame.node()});
  for (const JsonField& field : stage.reads.front().fields) add(field.path.front());
  if (request.key) add(*request.key);
  if (request.timestamp) add(*request.timestamp);
  std::vector<NamedColumn> columns;
  for (const std::string& name : names) columns.push_back({name, Column()});
  request.table = TableAccess::make(std::move(columns), 0);
}

BacktestResult backtest(ApplicationState& application, const plan::Frame& frame,
                        const BacktestRequest& request) {
  application.pipeline->mark_used(frame.node());
  auto stages = std::make_shared<std::vector<std::unique_ptr<Stage>>>();
  stages->push_back(std::make_unique<Stage>(resolve_backtest(frame.node(), request.table.column_names())));
  Stage& stage = *stages->front();
  const Topic& topic = *stage.resolved.topic;
  const auto timestamp = timestamp_column(request, topic);
  require_columns(stage.resolved, request, timestamp.has_value());

  RuntimeContext context;
  context.options = application.options;
  context.print = application.print;
  BacktestInput input;
  const auto& data = TableAccess::data(request.table);
  input.column = [&data](std::span<const std::string> path, std::size_t begin, std::size_t size) {
    return data.column(path, begin, size);
  };
  input.rows = request.table.num_rows();
  input.bad = request.bad;
  input.key = request.key;
  input.batch_rows = request.batch_rows;
  input.threads = request.threads;
  input.progress = request.progress;
  input.interrupt = request.interrupt;
  input.timestamp = timestamp;
  if (timestamp) input.event_times = event_times_of(*timestamp, data.unit_ns(*timestamp), topic);

  Summary summary;
  std::optional<BacktestResult> result;
  std::exception_ptr error;
  try {
    result = run_backtest(context, stage, input, summary);
  } catch (...) {
    error = std::current_exception();
  }
  application.set_summary(summary);
  {
    const std::lock_guard lock(application.mutex);
    if (!application.run_state) application.stages = stages;
  }
  if (error) std::rethrow_exception(error);
  return std::move(*result);
}

Table to_table(const BacktestResult& result, const Table& input) {
  const auto& data = TableAccess::data(input);
  if (result.is_documents) {
    std::string text;
    for (const std::string& document : result.documents) text += document + '\n';
    RowErrors errors;
    NdjsonRows rows = read_ndjson_rows(std::move(text), errors);
    TIDERACE_CHECK(errors.empty());  // the encoder wrote them
    return TableAccess::make(std::move(rows.columns), result.documents.size());
  }
  const std::vector<std::string> names = data.names();
  std::vector<NamedColumn> columns;
  for (const BacktestResult::Field& field : result.fields) {
    if (field.column) {
      columns.push_back({field.name, *field.column});
    } else {
      const Column whole = data.column(std::span(&names[field.table_column], 1), 0, data.rows);
      columns.push_back({field.name, whole.take(result.rows)});
    }
  }
  return TableAccess::make(std::move(columns), result.rows.size());
}

Table StreamingDataFrame::backtest(const Table& data, const BacktestOptions& options) const {
  const plan::Frame& frame = FrameAccess::of(*this);
  const auto application = std::static_pointer_cast<ApplicationState>(frame.pipeline()->owner());
  if (!application)
    throw Error(ErrorKind::plan,
                "backtest: the application of this frame is gone; keep it as long as its frames");
  BacktestRequest request{data};
  request.key = options.key;
  request.timestamp = options.timestamp;
  request.batch_rows = options.batch_rows;
  request.progress = options.progress;
  name_columns_of_nothing(frame, request);
  return to_table(tiderace::backtest(*application, frame, request), request.table);
}

}  // namespace tiderace
