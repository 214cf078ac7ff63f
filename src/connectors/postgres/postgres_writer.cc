#include "connectors/postgres/postgres_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "columnar/describe.h"
#include "connectors/postgres/standing_still.h"

namespace tiderace::postgres {
namespace {

constexpr std::size_t longest_application_name = 63;  // bytes that a server keeps of it
constexpr std::size_t most_refused = 10'000;          // rows that are looked for in one commit

constexpr std::chrono::seconds look_interval{1};  // at a table that refused a change
constexpr const char* foreign_key_violation = "23503";
// What is checked at the end of a transaction is to be found where rows are looked for.
constexpr const char* check_constraints = "SET CONSTRAINTS ALL IMMEDIATE";

/// Beside `table`, in its schema.
std::string offsets_table_of(const std::string& table) {
  const std::size_t dot = table.find('.');
  return dot == std::string::npos ? "tiderace_offsets" : table.substr(0, dot) + ".tiderace_offsets";
}

/// An array as a parameter; a topic may be called NULL, so names are quoted.
template <class Item>
std::string array_of(std::span<const SinkCommit> offsets, const Item& item) {
  std::string text = "{";
  for (const SinkCommit& offset : offsets) {
    if (text.size() > 1) text += ',';
    text += item(offset);
  }
  return text + '}';
}

std::string array_item(const std::string& text) {
  std::string item = "\"";
  for (const char c : text) item += c == '"' || c == '\\' ? std::string{'\\', c} : std::string(1, c);
  return item + '"';
}

/// The first bytes of `text`, at most `size`, without a part of a character.
std::string cut(std::string text, std::size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  text.resize(size);
  return text;
}

/// Whether a failure of statements that are right is the server's, whatever the rows.
bool is_of_server(const Failure& failure) {
  const bool corrupted = failure.code() == "XX001" || failure.code() == "XX002";
  return failure.kind() == FailureKind::away || corrupted;
}

std::string with_code(const Failure& failure) {
  if (failure.code().empty()) return failure.what();
  return fmt::format("{} (SQLSTATE {})", failure.what(), failure.code());
}

std::string advice_for(const std::string& code) {
  if (code == "42501") return "; grant the rights to this role, or create the table and grant INSERT on it";
  if (code == "42809") return "";
  if (code.starts_with("28")) return "; check user, password and pg_hba.conf";
  if (code == "3D000") return "; create the database";
  if (code == "3F000") return "; create the schema";
  return "";
}

}  // namespace

PostgresWriter::PostgresWriter(std::string url, PostgresSinkOptions options, std::string shown,
                               SinkContext context)
    : url_(std::move(url)),
      options_(std::move(options)),
      shown_(std::move(shown)),
      context_(std::move(context)),
      record_{options_.key_column, options_.event_time_column, options_.topic_column,
              options_.partition_column, options_.offset_column},
      offsets_table_(offsets_table_of(options_.table)),
      application_name_(cut("tiderace " + context_.group + " " + options_.name, longest_application_name)) {}

template <class Call>
auto PostgresWriter::translated(const Call& call) {
  try {
    return call();
  } catch (const Failure& failure) {
    if (failure.code() == "55P03") end_others();
    give_up(failure);
  }
}

void PostgresWriter::give_up(const Failure& failure) {
  connection_.reset();  // whatever was open on it is rolled back
  const std::string what = with_code(failure);
  if (failure.kind() == FailureKind::refused)
    throw Error(ErrorKind::config, fmt::format("{}: {}{}", shown_, what, advice_for(failure.code())));
  throw SinkLost(fmt::format("{}: {}", shown_, what));
}

Connection& PostgresWriter::connection() {
  if (!connection_) {
    connection_ = std::make_unique<Connection>(url_, options_.timeout, [cancelled = context_.cancelled] {
      return cancelled != nullptr && cancelled->load(std::memory_order_relaxed);
    });
    // Whoever stands still in a transaction loses it, and what was committed is to outlive a power cut.
    connection_->query(
        "SELECT pg_catalog.set_config('application_name', $1, false), "
        "pg_catalog.set_config('idle_in_transaction_session_timeout', '20s', false), "
        "CASE pg_catalog.current_setting('synchronous_commit') WHEN 'off' THEN "
        "pg_catalog.set_config('synchronous_commit', 'on', false) END",
        {application_name_});
  }
  return *connection_;
}

void PostgresWriter::create_tables() {
  Connection& server = connection();
  const Rows found = server.query("SELECT pg_catalog.to_regclass($1), pg_catalog.to_regclass($2)",
                                  {table_identifier(options_.table), table_identifier(offsets_table_)});
  if (found.at(0, 0) && found.at(0, 1)) return;
  // One after the other, also for two who make the same.
  server.query("BEGIN");
  lock(offsets_table_);
  server.query(fmt::format("CREATE TABLE IF NOT EXISTS {} ()", table_identifier(options_.table)));
  server.query(
      fmt::format("CREATE TABLE IF NOT EXISTS {} (consumer_group text, sink text, topic text, partition "
                  "integer, \"offset\" "
                  "bigint NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY "
                  "(consumer_group, sink, topic, "
                  "partition))",
                  table_identifier(offsets_table_)));
  server.query("COMMIT");
}

void PostgresWriter::lock(const std::string& table) {
  connection().query(
      "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('tiderace'), pg_catalog.hashtext("
      "coalesce(pg_catalog.to_regclass($1)::oid::text, $1)))",
      {table_identifier(table)}, true);
}

void PostgresWriter::make_hypertable() {
  Connection& server = connection();
  if (server.query("SELECT 1 FROM pg_catalog.pg_extension WHERE extname = 'timescaledb'").size() == 0) {
    throw Failure(FailureKind::refused, "",
                  "hypertable=True wants TimescaleDB, which this database does not have: CREATE EXTENSION "
                  "timescaledb, or leave the option out");
  }
  server.query(
      "SELECT create_hypertable($1::regclass, $2::name, if_not_exists => true, migrate_data => true)",
      {table_identifier(options_.table), options_.event_time_column}, true);
}

void PostgresWriter::read_table() {
  auto shape = read_shape(connection(), options_.table);
  if (!shape) throw Failure(FailureKind::changed, "42P01", options_.table + " is gone");
  const std::lock_guard lock(mutex_);
  actual_ = *shape;
  if (!taken_.empty() || !handed_over_.empty())
    for (const TableColumn& column : wanted_.columns()) shape->widen(column);
  wanted_ = std::move(*shape);
  add_record_columns(wanted_);
}

void PostgresWriter::add_record_columns(TableShape& shape) const {
  const auto own = [&](const std::string& name, ColumnType type, const char* spelled) {
    if (!name.empty()) shape.add(name, type, spelled);
  };
  own(record_.key, ColumnType::text, "text");
  own(record_.event_time, ColumnType::other, "timestamp with time zone");
  own(record_.topic, ColumnType::text, "text");
  own(record_.partition, ColumnType::int32, "integer");
  own(record_.offset, ColumnType::int64, "bigint");
}

void PostgresWriter::make_record_columns() {
  TableShape wanted;
  {
    const std::lock_guard lock(mutex_);
    wanted = actual_;
  }
  add_record_columns(wanted);
  const auto refusal = change_table(wanted);
  if (!refusal) return;
  throw Failure(FailureKind::refused, "",
                fmt::format("a column of the record cannot be added: {}; make this role the owner of the "
                            "table, or add the column yourself",
                            with_code(*refusal)));
}

std::vector<std::optional<std::int64_t>> PostgresWriter::open(std::span<const SinkPartition> partitions) {
  return translated([&] {
    create_tables();
    read_table();
    make_record_columns();
    if (options_.hypertable) make_hypertable();
    std::vector<std::optional<std::int64_t>> offsets;
    for (const SinkPartition& partition : partitions) {
      const Rows row = connection().query(
          fmt::format("SELECT \"offset\" FROM {} WHERE consumer_group = $1 AND sink = $2 AND topic = $3 AND "
                      "partition = $4::integer",
                      table_identifier(offsets_table_)),
          {context_.group, options_.name, partition.topic, std::to_string(partition.partition)});
      if (row.size() == 0)
        offsets.push_back(std::nullopt);
      else
        offsets.push_back(std::stoll(std::string(*row.at(0, 0))));
    }
    return offsets;
  });
}

void PostgresWriter::take(SinkRows rows, RowErrors& errors) {
  const std::lock_guard lock(mutex_);
  const auto refused = refused_.find(rows.partition);
  if (refused != refused_.end()) {
    for (std::size_t i = 0; i < rows.offsets.size(); ++i) {
      const auto found = refused->second.find(rows.offsets[i]);
      if (found != refused->second.end()) errors.add(i, BadRowKind::type, found->second);
    }
  }
  wanted_.fit(rows.columns, rows.offsets.size(), refused_changes_, errors);
  taken_.add(rows, errors.rows(rows.offsets.size()), wanted_, record_);
}

void PostgresWriter::hand_over() {
  const std::lock_guard lock(mutex_);
  handed_over_ = std::exchange(taken_, {});
  handed_over_shape_ = wanted_;
}

void PostgresWriter::abort() noexcept {
  const std::lock_guard lock(mutex_);
  taken_ = {};
  handed_over_ = {};
  // Columns that nobody wants any more are not made.
  wanted_ = actual_;
  add_record_columns(wanted_);
}

std::optional<Failure> PostgresWriter::change_table(const TableShape& wanted) {
  TableShape actual;
  {
    const std::lock_guard lock(mutex_);
    actual = actual_;
  }
  if (wanted.changes_of(options_.table, actual).empty()) return std::nullopt;
  // One after the other, whoever wants to: what the first has done, the next finds.
  Connection& server = connection();
  server.query("BEGIN");
  lock(options_.table);
  const auto present = read_shape(server, options_.table);
  if (!present) throw Failure(FailureKind::changed, "42P01", options_.table + " is gone");
  const std::string state = state_of(server, options_.table);
  if (std::exchange(table_state_, state) != state) {  // somebody else has changed it
    const std::lock_guard lock(mutex_);
    refused_changes_ = {};
  }
  std::optional<Failure> refusal;
  bool is_first = true;
  for (const TableChange& change : wanted.changes_of(options_.table, *present)) {
    refusal = try_change(change, is_first);
    if (refusal) break;
    is_first = false;
  }
  if (!refusal) table_state_ = state_of(server, options_.table);
  server.query(refusal ? "ROLLBACK" : "COMMIT");
  auto changed = read_shape(server, options_.table);
  if (!changed) throw Failure(FailureKind::changed, "42P01", options_.table + " is gone");
  const std::lock_guard lock(mutex_);
  actual_ = std::move(*changed);
  return refusal;
}

void PostgresWriter::look_again() {
  const auto now = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(mutex_);
    if (refused_changes_.empty() || now < next_look_) return;
  }
  next_look_ = now + look_interval;
  std::string state = state_of(connection(), options_.table);
  if (state == table_state_) return;
  table_state_ = std::move(state);
  log(LogLevel::info, "{}: the table is not as it was: changes that were refused may be possible", shown_);
  read_table();
  const std::lock_guard lock(mutex_);
  refused_changes_ = {};
}

std::optional<Failure> PostgresWriter::try_change(const TableChange& change, bool is_first) {
  try {
    if (!change.is_new) check_unrounded(change.column);
    log(LogLevel::info, "{}: {}", shown_, change.statement);
    connection().query(change.statement, {}, true);
    return std::nullopt;
  } catch (const Failure& failure) {
    if (failure.kind() == FailureKind::away || failure.kind() == FailureKind::changed) throw;
    log(LogLevel::warning, "{}: {}: {}", shown_, change.statement, with_code(failure));
    const std::lock_guard lock(mutex_);
    refused_changes_.columns[change.column] = with_code(failure);
    // Without the right, or the room, for one there is none for others.
    if (change.is_new && (failure.code() == "42501" || (failure.code() == "54011" && is_first)))
      refused_changes_.new_columns = with_code(failure);
    return failure;
  }
}

void PostgresWriter::check_unrounded(const std::string& column) {
  const std::string table = table_identifier(options_.table);
  // Nobody adds one behind what is looked at.
  connection().query(fmt::format("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", table), {}, true);
  const Rows rounded = connection().query(
      fmt::format("SELECT FROM {} WHERE {} NOT BETWEEN -9007199254740992 AND 9007199254740992 LIMIT 1", table,
                  identifier(column)),
      {}, true);
  if (rounded.size() > 0)
    throw Failure(FailureKind::refused, "", "it has integers that no double precision is");
}

void PostgresWriter::check_large(const TableShape& wanted) {
  const auto& columns = wanted.columns();
  if (std::none_of(columns.begin(), columns.end(), [](const TableColumn& each) { return each.large; }))
    return;
  // What another member has made double precision would round them without a word.
  connection().query(fmt::format("LOCK TABLE {} IN ROW EXCLUSIVE MODE", table_identifier(options_.table)));
  auto present = read_shape(connection(), options_.table);
  if (!present) throw Failure(FailureKind::changed, "42P01", options_.table + " is gone");
  {
    const std::lock_guard lock(mutex_);
    actual_ = std::move(*present);
  }
  check_shape(wanted);
}

void PostgresWriter::check_shape(const TableShape& wanted) {
  const std::lock_guard lock(mutex_);
  for (const TableColumn& column : wanted.columns()) {
    const TableColumn* found = actual_.find(column.name);
    if (found != nullptr && still_fits(*found, column)) continue;
    throw Failure(FailureKind::changed, "",
                  fmt::format("the column {} is {} by now, and {} was wanted", quoted(column.name),
                              found == nullptr ? "gone" : found->spelled, column.spelled));
  }
}

void PostgresWriter::claim_offsets(std::span<const SinkCommit> offsets) {
  const std::string topics =
      array_of(offsets, [](const SinkCommit& each) { return array_item(each.partition.topic); });
  const std::string partitions =
      array_of(offsets, [](const SinkCommit& each) { return std::to_string(each.partition.partition); });
  const std::string from = array_of(
      offsets, [](const SinkCommit& each) { return each.from ? std::to_string(*each.from) : "NULL"; });
  const std::string to = array_of(offsets, [](const SinkCommit& each) { return std::to_string(each.to); });
  const std::string table = table_identifier(offsets_table_);
  const std::string given =
      "unnest($3::text[], $4::integer[], $5::bigint[], $6::bigint[]) AS "
      "n(topic, partition, was, next)";
  const Parameters parameters{context_.group, options_.name, topics, partitions, from, to};
  const Rows changed = connection().query(
      fmt::format(
          "UPDATE {} AS o SET \"offset\" = n.next, updated_at = now() FROM {} WHERE o.consumer_group = $1 "
          "AND o.sink = $2 AND o.topic = n.topic AND o.partition = n.partition AND o.\"offset\" = n.was",
          table, given),
      parameters);
  std::uint64_t claimed = changed.affected();
  if (std::any_of(offsets.begin(), offsets.end(), [](const SinkCommit& each) { return !each.from; })) {
    claimed +=
        connection()
            .query(fmt::format("INSERT INTO {} (consumer_group, sink, topic, partition, \"offset\") SELECT "
                               "$1, $2, n.topic, n.partition, n.next FROM {} WHERE n.was IS NULL ON CONFLICT "
                               "DO NOTHING",
                               table, given),
                   parameters)
            .affected();
  }
  if (claimed == offsets.size()) return;
  throw Failure(
      FailureKind::changed, "",
      fmt::format("of {} stored offsets {} are other ones than this member knows: another member has "
                  "written",
                  offsets.size(), offsets.size() - claimed));
}

void PostgresWriter::end_others() noexcept {
  try {
    connection().query("ROLLBACK");
    end_standing_still(connection(), options_.table, offsets_table_, shown_);
  } catch (const std::exception& failure) {
    log(LogLevel::debug, "{}: {}", shown_, failure.what());
  }
}

void PostgresWriter::copy(const CopyLoad& load, std::size_t begin, std::size_t end) {
  for (const CopyLoad::Segment& segment : load.segments()) {
    const std::string_view text = CopyLoad::part(segment, begin, end);
    if (text.empty()) continue;
    const std::string table = table_identifier(options_.table);
    if (segment.columns.empty()) {
      // COPY names at least one column; these rows have none, and a line each.
      connection().query(
          fmt::format("INSERT INTO {} SELECT FROM pg_catalog.generate_series(1, {})", table, text.size()));
      continue;
    }
    connection().copy_in(copy_statement(segment), text);
  }
}

std::string PostgresWriter::copy_statement(const CopyLoad::Segment& segment) const {
  std::string columns;
  for (const std::string& name : segment.columns) columns += (columns.empty() ? "" : ", ") + identifier(name);
  return fmt::format("COPY {} ({}) FROM STDIN", table_identifier(options_.table), columns);
}

std::optional<Failure> PostgresWriter::try_part(const CopyLoad& load, std::size_t begin, std::size_t end,
                                                Constraints constraints) {
  connection().query("SAVEPOINT part");
  std::optional<Failure> refusal;
  try {
    copy(load, begin, end);
    if (constraints == Constraints::at_once) connection().query(check_constraints);
  } catch (const Failure& failure) {
    if (is_of_server(failure)) throw;
    refusal = failure;
    connection().query("ROLLBACK TO SAVEPOINT part");
  }
  connection().query("RELEASE SAVEPOINT part");  // each is one level deeper
  return refusal;
}

std::map<std::size_t, Failure> PostgresWriter::refused_rows(const CopyLoad& load, Constraints constraints) {
  std::map<std::size_t, Failure> refused;
  std::size_t by_themselves = 0;  // so many of these
  std::optional<Failure> last;
  call_in_parts(
      0, load.rows(),
      [&](std::size_t begin, std::size_t end) -> std::optional<CallFailure> {
        if (by_themselves >= most_refused) return std::nullopt;
        last = try_part(load, begin, end, constraints);
        if (!last) return std::nullopt;
        return CallFailure{last->what()};
      },
      [&](std::size_t row, const std::string&) {
        if (last->code() != foreign_key_violation) ++by_themselves;
        refused.emplace(row, *last);
      });
  if (by_themselves >= most_refused) {
    // What those want may be among the rows that were not looked at.
    std::erase_if(refused, [](const auto& each) { return each.second.code() == foreign_key_violation; });
    return refused;
  }
  // A row that wants another one is good once that is there; those that come before it are looked at last.
  for (bool more = true; more;) {
    more = false;
    for (auto each = refused.end(); each != refused.begin();) {
      --each;
      if (each->second.code() != foreign_key_violation) continue;
      if (try_part(load, each->first, each->first + 1, constraints)) continue;
      each = refused.erase(each);
      more = true;
    }
  }
  return refused;
}

bool PostgresWriter::commit_parts() {
  try {
    connection().query(check_constraints);
    connection().query("COMMIT");
    return true;
  } catch (const Failure& failure) {
    if (is_of_server(failure)) throw;
    connection().query("ROLLBACK");
    return false;
  }
}

void PostgresWriter::commit_in_parts(const CopyLoad& load, std::span<const SinkCommit> offsets,
                                     const Failure& first) {
  // Those that are bad by themselves may be all: whether the rest is as constraints want it at the end of a
  // transaction, the next one shows.
  for (const Constraints constraints : {Constraints::at_the_end, Constraints::at_once}) {
    connection().query("ROLLBACK");
    begin_in_parts(offsets);
    const std::map<std::size_t, Failure> refused = refused_rows(load, constraints);
    if (!refused.empty()) remember_refused(load, refused, first);
    if (commit_parts()) return;
  }
  throw Failure(FailureKind::refused, first.code(), first.what());
}

void PostgresWriter::remember_refused(const CopyLoad& load, const std::map<std::size_t, Failure>& refused,
                                      const Failure& first) {
  connection().query("ROLLBACK");
  const std::lock_guard lock(mutex_);
  for (const auto& [row, why] : refused) {
    const CopyLoad::Place place = load.place(row);
    refused_[place.partition][place.offset] = "the database refuses the row: " + with_code(why);
  }
  throw Failure(
      FailureKind::changed, "",
      fmt::format("{} of {} rows are refused, one as: {}", refused.size(), load.rows(), first.what()));
}

void PostgresWriter::begin(std::span<const SinkCommit> offsets) {
  connection().query("BEGIN");
  if (!handed_over_.empty()) check_large(handed_over_shape_);
  claim_offsets(offsets);
}

void PostgresWriter::begin_in_parts(std::span<const SinkCommit> offsets) {
  begin(offsets);
  // As long as this transaction lasts, the table is not changed, and what fails is due to the rows: a trigger
  // or a type's own reading may say anything of them.
  for (const CopyLoad::Segment& segment : handed_over_.segments())
    if (!segment.columns.empty()) connection().copy_in(copy_statement(segment), "");
}

void PostgresWriter::commit(std::span<const SinkCommit> offsets) {
  translated([&] {
    bool copying = false;
    try {
      if (!handed_over_.empty()) {
        static_cast<void>(change_table(handed_over_shape_));
        check_shape(handed_over_shape_);
      }
      begin(offsets);
      copying = true;
      copy(handed_over_, 0, handed_over_.rows());
      connection().query(check_constraints);
      connection().query("COMMIT");
    } catch (const Failure& failure) {
      if (!copying || is_of_server(failure)) throw;
      commit_in_parts(handed_over_, offsets, failure);
    }
    handed_over_ = {};
    forget_refused(offsets);
    look_again();
  });
}

void PostgresWriter::forget_refused(std::span<const SinkCommit> offsets) {
  const std::lock_guard lock(mutex_);
  for (const SinkCommit& offset : offsets) {
    const auto found = refused_.find(offset.partition);
    if (found == refused_.end()) continue;
    found->second.erase(found->second.begin(), found->second.lower_bound(offset.to));
    if (found->second.empty()) refused_.erase(found);
  }
}

}  // namespace tiderace::postgres
