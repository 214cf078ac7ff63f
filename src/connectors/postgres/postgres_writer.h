#pragma once

#include <tiderace/sink.h>

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "connectors/postgres/connection.h"
#include "connectors/postgres/copy_load.h"
#include "connectors/postgres/table_shape.h"
#include "plan/sink.h"

namespace tiderace::postgres {

/// See `postgres_sink`. `take` writes texts of COPY, `commit` sends them.
class PostgresWriter final : public SinkWriter {
 public:
  PostgresWriter(std::string url, PostgresSinkOptions options, std::string shown, SinkContext context);

  std::vector<std::optional<std::int64_t>> open(std::span<const SinkPartition> partitions) override;
  void take(SinkRows rows, RowErrors& errors) override;
  void hand_over() override;
  void commit(std::span<const SinkCommit> offsets) override;
  void abort() noexcept override;

 private:
  /// Runs `call`; turns what the server says into what an engine can act on. The one place for that.
  template <class Call>
  auto translated(const Call& call);
  [[noreturn]] void give_up(const Failure& failure);

  [[nodiscard]] Connection& connection();
  void create_tables();
  /// Until the transaction ends, nobody else of us changes or makes this table.
  void lock(const std::string& table);
  void make_hypertable();
  void read_table();
  void add_record_columns(TableShape& shape) const;
  void make_record_columns();
  /// All changes or none. What the server refuses is remembered, for rows that need it, and returned.
  std::optional<Failure> change_table(const TableShape& wanted);
  /// Where a change was refused: whether somebody has changed something since, so that it may be done now.
  void look_again();
  [[nodiscard]] std::optional<Failure> try_change(const TableChange& change, bool is_first);
  /// Throws Failure{refused} where a column of integers has some that double precision would round; until the
  /// transaction ends, nobody adds one.
  void check_unrounded(const std::string& column);
  void check_shape(const TableShape& wanted);
  /// The same of the table as it is until the transaction ends, where there are integers that may be rounded.
  void check_large(const TableShape& wanted);
  void claim_offsets(std::span<const SinkCommit> offsets);
  /// See `end_standing_still`.
  void end_others() noexcept;
  /// Begins the transaction of a commit.
  void begin(std::span<const SinkCommit> offsets);
  /// The same where rows are looked for that the server refuses: throws Failure where it refuses the
  /// statements.
  void begin_in_parts(std::span<const SinkCommit> offsets);
  [[nodiscard]] std::string copy_statement(const CopyLoad::Segment& segment) const;
  void copy(const CopyLoad& load, std::size_t begin, std::size_t end);
  /// When constraints are checked that wait for the end of a transaction.
  enum class Constraints { at_the_end, at_once };
  /// Rows [begin, end) into the transaction, all or none; returns what the server says against them.
  [[nodiscard]] std::optional<Failure> try_part(const CopyLoad& load, std::size_t begin, std::size_t end,
                                                Constraints constraints);
  /// The rows that the server refuses, also where the others are there, and why. The others are in the
  /// transaction then, in an order in which none wants one that is to come.
  [[nodiscard]] std::map<std::size_t, Failure> refused_rows(const CopyLoad& load, Constraints constraints);
  /// False where constraints of the end of a transaction are against it.
  [[nodiscard]] bool commit_parts();
  /// Commits rows of which the server has refused some or the order, as `first`. Throws Failure where there
  /// are such rows, which are remembered for `take`.
  void commit_in_parts(const CopyLoad& load, std::span<const SinkCommit> offsets, const Failure& first);
  [[noreturn]] void remember_refused(const CopyLoad& load, const std::map<std::size_t, Failure>& refused,
                                     const Failure& first);
  /// Those that are committed, be it without them.
  void forget_refused(std::span<const SinkCommit> offsets);

  const std::string url_;
  const PostgresSinkOptions options_;
  const std::string shown_;
  const SinkContext context_;
  const RecordColumns record_;
  const std::string offsets_table_;
  const std::string application_name_;
  std::unique_ptr<Connection> connection_;

  std::mutex mutex_;  // for what follows: `take` comes beside the calls of the other thread
  TableShape actual_;
  TableShape wanted_;  ///< by what was taken
  RefusedChanges refused_changes_;
  CopyLoad taken_;
  std::map<SinkPartition, std::map<std::int64_t, std::string>> refused_;  ///< rows, and why

  // Of the thread that commits.
  CopyLoad handed_over_;
  TableShape handed_over_shape_;
  std::string table_state_;  ///< when a change was tried last
  std::chrono::steady_clock::time_point next_look_;
};

}  // namespace tiderace::postgres
