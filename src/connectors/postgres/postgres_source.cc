#include "connectors/postgres/postgres_source.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "columnar/describe.h"
#include "columnar/event_time.h"
#include "connectors/postgres/connection.h"
#include "connectors/source_rows.h"

namespace tiderace {
namespace {

using postgres::Connection;
using postgres::Failure;
using postgres::Rows;

constexpr std::size_t rows_a_piece = 4096;
constexpr std::chrono::seconds timeout{30};

// Of the server's catalogue, where they never change.
enum TypeId : std::uint32_t {
  type_bool = 16,
  type_int8 = 20,
  type_int2 = 21,
  type_int4 = 23,
  type_json = 114,
  type_float4 = 700,
  type_float8 = 701,
  type_date = 1082,
  type_timestamp = 1114,
  type_timestamptz = 1184,
  type_numeric = 1700,
  type_jsonb = 3802
};

/// The time in `text`, as the server writes it in UTC, in `unit`; null for what has none (infinity).
void set_time(ColumnBuilder& column, std::size_t i, std::string_view text, TimestampUnit unit) {
  if (text.ends_with("+00")) text.remove_suffix(3);
  const auto ns = parse_iso8601(text);
  if (!ns) return column.set_null(i);
  switch (unit) {
    case TimestampUnit::s:
      return column.set_float64(i, static_cast<double>(*ns) / 1e9);
    case TimestampUnit::ms:
      return *ns % 1'000'000 == 0 ? column.set_int64(i, *ns / 1'000'000)
                                  : column.set_float64(i, static_cast<double>(*ns / 1000) / 1e3);
    case TimestampUnit::us:
      return column.set_int64(i, *ns / 1000);
    case TimestampUnit::ns:
      return column.set_int64(i, *ns);
    case TimestampUnit::iso8601:
      return column.set_text(i, Kind::string, text);
  }
}

void set_value(ColumnBuilder& column, std::size_t i, std::string_view text, std::uint32_t type,
               TimestampUnit unit) {
  switch (type) {
    case type_bool:
      return column.set_boolean(i, text == "t");
    case type_int2:
    case type_int4:
    case type_int8: {
      std::int64_t value = 0;
      std::from_chars(text.data(), text.data() + text.size(), value);
      return column.set_int64(i, value);
    }
    case type_float4:
    case type_float8:
    case type_numeric:
      return column.set_float64(i, std::strtod(std::string(text).c_str(), nullptr));
    case type_json:
    case type_jsonb:
      return column.set_text(i, Kind::nested, text);
    case type_date:
    case type_timestamp:
    case type_timestamptz:
      return set_time(column, i, text, unit);
    default:
      return column.set_text(i, Kind::string, text);
  }
}

class PostgresReader final : public SourceReader {
 public:
  PostgresReader(const std::string& url, const std::string& query, const SourceOptions& options,
                 const std::string& text)
      : maker_(options, text), text_(text), unit_(options.timestamp_unit) {
    attempt([&] {
      connection_ = std::make_unique<Connection>(url, timeout, nullptr);
      connection_->begin_stream(query);
      first_ = connection_->next();
    });
    if (!first_) return;
    std::vector<std::string> names;
    for (std::size_t k = 0; k < first_->columns(); ++k) names.push_back(first_->column_name(k));
    maker_.require_columns(names);
  }

  std::optional<SourceRows> next() override {
    std::vector<Rows> rows;
    attempt([&] {
      while (rows.size() < rows_a_piece && first_) {
        if (first_->size() > 0) rows.push_back(std::move(*first_));
        first_ = connection_->next();
      }
    });
    if (rows.empty()) return std::nullopt;
    std::vector<NamedColumn> columns;
    for (std::size_t k = 0; k < rows.front().columns(); ++k) {
      ColumnBuilder column(rows.size());
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (const auto value = rows[i].at(0, k))
          set_value(column, i, *value, rows[i].column_type(k), unit_);
        else
          column.set_null(i);
      }
      columns.push_back({rows.front().column_name(k), Column(std::move(column))});
    }
    return maker_.of_columns(columns);
  }

 private:
  template <class Call>
  void attempt(const Call& call) {
    try {
      call();
    } catch (const Failure& failure) {
      throw Error(ErrorKind::config,
                  fmt::format("{}: {}{}", text_, failure.what(),
                              failure.code().empty() ? "" : " (SQLSTATE " + failure.code() + ")"));
    }
  }

  SourceRowMaker maker_;
  std::string text_;
  TimestampUnit unit_;
  std::unique_ptr<Connection> connection_;
  std::optional<Rows> first_;  ///< read, and not handed out yet
};

class PostgresConnector final : public SourceConnector {
 public:
  PostgresConnector(std::string url, std::string query, SourceOptions options)
      : url_(std::move(url)), query_(std::move(query)), options_(std::move(options)) {
    text_ = fmt::format("tr.PostgresSource({}, {})", quoted(postgres::shown_url(url_)),
                        quoted(shortened(query_)));
    if (options_.name.empty())
      throw Error(ErrorKind::config, text_ + ": name= is required: its topic is called so, behind the group");
    check_source(options_, text_);
  }
  [[nodiscard]] std::string name() const override { return options_.name; }
  [[nodiscard]] std::string text() const override { return text_; }
  [[nodiscard]] TopicOptions topic() const override { return source_topic(options_); }
  [[nodiscard]] std::unique_ptr<SourceReader> open() const override {
    return std::make_unique<PostgresReader>(url_, query_, options_, text_);
  }

 private:
  std::string url_;
  std::string query_;
  SourceOptions options_;
  std::string text_;
};

}  // namespace

std::shared_ptr<SourceConnector> postgres_source(const std::string& url, const std::string& query,
                                                 const SourceOptions& options) {
  return std::make_shared<PostgresConnector>(url, query, options);
}

}  // namespace tiderace
