#include "connectors/postgres/postgres_sink.h"

#include <fmt/format.h>

#include <set>

#include "columnar/describe.h"
#include "connectors/postgres/postgres_writer.h"

namespace tiderace {
namespace {

void check(const PostgresSinkOptions& options) {
  const auto refuse = [](const std::string& what) {
    throw Error(ErrorKind::config, "tr.PostgresSink: " + what);
  };
  const std::string& table = options.table;
  const std::size_t dot = table.find('.');
  if (table.empty()) refuse("table= is required: where the rows go, \"telemetry\" or \"schema.telemetry\"");
  if (dot == 0 || (dot != std::string::npos &&
                   (dot + 1 == table.size() || table.find('.', dot + 1) != std::string::npos)))
    refuse(fmt::format("table={}: wanted \"table\" or \"schema.table\"", quoted(table)));
  if (table.find('\0') != std::string::npos) refuse("table= holds a character that no name has");
  std::set<std::string> names;
  for (const std::string* name : {&options.key_column, &options.event_time_column, &options.topic_column,
                                  &options.partition_column, &options.offset_column}) {
    if (!name->empty() && !names.insert(*name).second)
      refuse(fmt::format("two columns of the record would be called {}", quoted(*name)));
    if (name->size() > 63) refuse(fmt::format("wanted names of at most 63 bytes, found {}", quoted(*name)));
  }
  if (options.hypertable && options.event_time_column.empty())
    refuse("hypertable=True wants event_time_column=, the column that it is divided by");
  if (options.timeout.count() <= 0) refuse("timeout= wants a time above 0");
}

class PostgresConnector final : public SinkConnector {
 public:
  PostgresConnector(std::string url, PostgresSinkOptions options)
      : url_(std::move(url)), options_(std::move(options)) {
    check(options_);
    const bool named = !options_.name.empty() && options_.name != options_.table;
    if (options_.name.empty()) options_.name = options_.table;
    text_ = fmt::format("tr.PostgresSink({}, table={}{})", quoted(postgres::shown_url(url_)),
                        quoted(options_.table), named ? ", name=" + quoted(options_.name) : "");
  }

  [[nodiscard]] std::string name() const override { return options_.name; }
  [[nodiscard]] std::string text() const override { return text_; }
  [[nodiscard]] std::vector<std::string> record_columns() const override {
    return {options_.key_column, options_.event_time_column, options_.topic_column, options_.partition_column,
            options_.offset_column};
  }
  [[nodiscard]] std::unique_ptr<SinkWriter> writer(const SinkContext& context) const override {
    return std::make_unique<postgres::PostgresWriter>(url_, options_, text_, context);
  }

 private:
  std::string url_;
  PostgresSinkOptions options_;
  std::string text_;
};

}  // namespace

std::shared_ptr<SinkConnector> postgres_sink(const std::string& url, const PostgresSinkOptions& options) {
  return std::make_shared<PostgresConnector>(url, options);
}

}  // namespace tiderace
