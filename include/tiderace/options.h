#pragma once

#include <tiderace/error.h>
#include <tiderace/export.h>
#include <tiderace/security.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>

namespace TIDERACE_API tiderace {

/// What happens to a row that cannot be processed.
enum class ErrorPolicy : std::uint8_t {
  stop,         ///< the application stops before the row; the next start meets it again
  skip,         ///< the row is counted and left out
  dead_letter,  ///< the record goes to the dead-letter topic, in the same transaction
};

/// A policy, or a function that chooses one for each bad row. It runs on the worker's thread.
using OnError = std::variant<ErrorPolicy, std::function<ErrorPolicy(const BadRow&)>>;

enum class ProcessingGuarantee : std::uint8_t { at_least_once, exactly_once };
enum class AutoOffsetReset : std::uint8_t { earliest, latest };
/// What happens where the rows that come next are gone from the input, since it keeps them for a time only.
enum class OnLostOffset : std::uint8_t {
  stop,      ///< an error says which are gone
  earliest,  ///< go on with the first row that is there
  latest,    ///< go on with what comes from now on
};
/// What a partition does whose version of a model is gone from the registry when its state is restored.
enum class OnLostVersion : std::uint8_t {
  stop,     ///< an error says which is gone
  current,  ///< go on with the version that the registry names now
};
/// How much of the embedded log a power cut may take: the last moments, or nothing (every commit is synced to
/// disk).
enum class Durability : std::uint8_t { normal, full };
/// The unit of a timestamp column.
enum class TimestampUnit : std::uint8_t { s, ms, us, ns, iso8601 };

/// The options of an application. Only `consumer_group` is required.
struct ApplicationOptions {
  /// `host:port[,host:port]` of Kafka, or `embedded:DIR`. Empty: the environment variable
  /// TIDERACE_BROKER_ADDRESS, else the embedded log in `.tiderace/`.
  std::string broker_address = {};
  std::string consumer_group = {};
  AutoOffsetReset auto_offset_reset = AutoOffsetReset::earliest;
  ProcessingGuarantee processing_guarantee = ProcessingGuarantee::at_least_once;
  /// How often state, outputs and offsets are committed; unset: 1 s, exactly-once 0.1 s, up to 1 s over a
  /// backlog on Kafka.
  std::optional<std::chrono::nanoseconds> commit_interval = {};
  /// Where local state is kept; empty: `state` below the embedded log's directory, or `.tiderace/state`.
  std::string state_dir = {};
  OnError on_error = ErrorPolicy::stop;
  int workers = 1;              ///< threads; 1 is the thread that calls `run`
  KafkaSecurity security = {};  ///< Kafka only
  std::map<std::string, std::string> consumer_config =
      {};  ///< Kafka only: librdkafka's names; they win, but what guarantees stand on is refused
  std::map<std::string, std::string> producer_config =
      {};  ///< Kafka only: librdkafka's names; they win, but what guarantees stand on is refused
  std::string dead_letter_topic = {};  ///< empty: `<consumer_group>-dead-letters`
  std::optional<std::chrono::nanoseconds> state_ttl =
      {};  ///< forget a key that has had no row for so long in event time
  std::chrono::nanoseconds group_lock_timeout = std::chrono::seconds(10);
  Durability durability = Durability::normal;
  std::size_t max_state_memory = std::size_t{512}
                                 << 20;  ///< about how many bytes of hot state each worker keeps in memory
  /// Kafka only: a name that a member keeps over restarts (static membership), so that a quick one moves
  /// nothing; different for each process. Empty: none.
  std::string group_instance_id = {};
  OnLostOffset on_lost_offset = OnLostOffset::stop;
  /// Kafka only: how many other processes of the group keep a copy of a partition's state, so that it goes on
  /// at once where its owner dies. 0: it is restored then, from local state and the changelog.
  int standby_replicas = 0;
  /// Kafka only: about how many bytes of records wait in memory, fetched or to be written.
  std::size_t max_memory = std::size_t{512} << 20;
  /// Kafka only: of what is written: `none`, `lz4`, `zstd`, `snappy` or `gzip`.
  /// Takes a fifth of the CPU of a fast pipeline (lz4); pays where the network or the brokers' disks are
  /// scarce.
  std::string compression = "none";
  /// Kafka only: how long a record may wait for others to be sent with. What comes of the last rows that
  /// there are is sent at once.
  std::chrono::nanoseconds linger = std::chrono::milliseconds(5);
  /// While `run` works: metrics for Prometheus at `http://HOST:PORT/metrics`, answers to probes at `/healthz`
  /// and `/readyz`; docs/guide/operations.md has them. 0: none.
  int metrics_port = 0;
  std::string metrics_address = "0.0.0.0";  ///< of this machine; `127.0.0.1`: for it alone, `::`: IPv6 too
  /// A worker that makes no turn for longer (a function or model that hangs) fails `/healthz`.
  std::chrono::nanoseconds health_timeout = std::chrono::minutes(5);
};

/// The options of a topic, of the reading side (the row's time, its kinds, its limits) and of its creation.
struct TopicOptions {
  /// The field that holds a row's event time; unset: the record's own timestamp.
  std::optional<std::string> timestamp = {};
  TimestampUnit timestamp_unit = TimestampUnit::ms;
  /// Rows whose event time is further ahead of the record's timestamp are bad; unset: no limit.
  std::optional<std::chrono::nanoseconds> max_ahead = {};
  /// Declared kinds by field: `int64 float64 string bool`.
  std::map<std::string, std::string> schema = {};
  std::string value_deserializer = "json";
  std::optional<OnError> on_error = {};  ///< unset: the application's
  std::uint32_t max_record_bytes = 64u << 20;
  int max_depth = 1000;
  int num_partitions = 1;      ///< used when the topic is created
  int replication_factor = 1;  ///< Kafka only
  std::int64_t retention_ms = -1;
  std::int64_t retention_bytes = -1;
  bool compacted = false;  ///< keeps the last record of each key, in place of a span of time
};

/// What a run did. `rows_in == rows_out + filtered + bad` only where each row is written once.
struct Summary {
  std::uint64_t rows_in = 0;     ///< records read
  std::uint64_t rows_out = 0;    ///< rows written to topics and sinks
  std::uint64_t filtered = 0;    ///< rows that a filter took out
  std::uint64_t bad = 0;         ///< rows that could not be processed, under every policy
  std::uint64_t late = 0;        ///< rows that were late at one step or more
  std::uint64_t not_finite = 0;  ///< infinities written as null
  double seconds = 0;
  double latency_p50_ms =
      0;  ///< from the record's arrival in the process to its output's hand-over; the largest of the workers
  double latency_p99_ms = 0;
  double latency_max_ms = 0;
  [[nodiscard]] std::string to_string() const;
};

}  // namespace tiderace
