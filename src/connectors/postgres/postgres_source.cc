#include "connectors/postgres/postgres_source.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "columnar/describe.h"
#include "connectors/postgres/connection.h"
#include "connectors/source_rows.h"

namespace tiderace {
namespace {

using postgres::Connection;
using postgres::Failure;
using postgres::Rows;

constexpr std::size_t rows_a_piece = 4096;
constexpr std::chrono::seconds timeout{30};
constexpr std::string_view read_only = "25006";  // SQLSTATE: something wanted to write

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

struct Time {
  std::int64_t seconds = 0;  ///< since 1970
  std::int64_t us = 0;       ///< behind that
};

/// Takes a number, and `divider` behind it, off `text`.
std::int64_t take_number(std::string_view& text, char divider) {
  std::int64_t number = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (wrong == std::errc() && text.starts_with(divider)) text.remove_prefix(1);
  return number;
}

/// Days since 1970 in the calendar that goes back before its beginning, as the server counts.
std::int64_t days_of(std::int64_t year, std::int64_t month, std::int64_t day) {
  const std::int64_t of_march = year - (month <= 2 ? 1 : 0);
  const std::int64_t era = (of_march >= 0 ? of_march : of_march - 399) / 400;
  const std::int64_t of_era = of_march - era * 400;
  const std::int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719'468;
}

/// `2024-05-06`, `2024-05-06 07:08:09.25+00`, `0044-03-15 BC`: as the server writes what it has, in UTC.
Time time_in(std::string_view text) {
  const bool before_christ = text.ends_with(" BC");
  if (before_christ) text.remove_suffix(3);
  if (text.ends_with("+00")) text.remove_suffix(3);
  const std::int64_t year = take_number(text, '-');
  const std::int64_t month = take_number(text, '-');
  const std::int64_t day = take_number(text, ' ');
  Time time{days_of(before_christ ? 1 - year : year, month, day) * 86'400};
  time.seconds += take_number(text, ':') * 3600;
  time.seconds += take_number(text, ':') * 60;
  time.seconds += take_number(text, '.');
  for (std::int64_t unit = 100'000; unit > 0 && !text.empty(); unit /= 10, text.remove_prefix(1))
    time.us += (text.front() - '0') * unit;
  return time;
}

/// The time in `text`, as the server writes it in UTC, in `unit`; null for infinity.
void set_time(ColumnBuilder& column, std::size_t i, std::string_view text, TimestampUnit unit) {
  if (text.ends_with("infinity")) return column.set_null(i);
  if (unit == TimestampUnit::iso8601) {
    if (text.ends_with("+00")) text.remove_suffix(3);
    return column.set_text(i, Kind::string, text);
  }
  const Time time = time_in(text);
  const std::int64_t us =
      time.seconds * 1'000'000 + time.us;  // the server has no time that this does not hold
  if (unit == TimestampUnit::s)
    return column.set_float64(i, static_cast<double>(time.seconds) + static_cast<double>(time.us) / 1e6);
  if (unit == TimestampUnit::us) return column.set_int64(i, us);
  if (unit == TimestampUnit::ms && time.us % 1000 == 0) return column.set_int64(i, us / 1000);
  if (unit == TimestampUnit::ms) return column.set_float64(i, static_cast<double>(us) / 1e3);
  std::int64_t ns = 0;
  if (__builtin_mul_overflow(us, std::int64_t{1000}, &ns))
    throw Failure(postgres::FailureKind::data, "",
                  fmt::format("{} is no time in nanoseconds, which are from 1677 to 2262; take "
                              "timestamp_unit=\"us\" or \"iso8601\"",
                              text));
  column.set_int64(i, ns);
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
                 const std::string& text, std::function<bool()> stopped)
      : maker_(options, text), text_(text), unit_(options.timestamp_unit), stopped_(std::move(stopped)) {
    attempt([&] {
      connection_ = std::make_unique<Connection>(url, timeout, stopped_);
      connection_->query("BEGIN READ ONLY");  // not of the session, which a pooler gives to others, too
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
    attempt([&] { columns = columns_of(rows); });
    return maker_.of_columns(columns);
  }

 private:
  [[nodiscard]] std::vector<NamedColumn> columns_of(const std::vector<Rows>& rows) const {
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
    return columns;
  }

  template <class Call>
  void attempt(const Call& call) {
    try {
      call();
    } catch (const Failure& failure) {
      if (stopped_()) {
        connection_.reset();
        throw SourceStopped{};
      }
      throw Error(ErrorKind::config,
                  fmt::format("{}: {}{}{}", text_, failure.what(),
                              failure.code().empty() ? "" : " (SQLSTATE " + failure.code() + ")",
                              failure.code() == read_only ? "; a source reads and changes nothing" : ""));
    }
  }

  SourceRowMaker maker_;
  std::string text_;
  TimestampUnit unit_;
  const std::function<bool()> stopped_;
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
  [[nodiscard]] std::unique_ptr<SourceReader> open(std::function<bool()> stopped) const override {
    return std::make_unique<PostgresReader>(url_, query_, options_, text_, std::move(stopped));
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
