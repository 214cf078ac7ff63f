"""The application: its topics, its frames, and the engine that runs them in this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from tiderace import _tiderace
from tiderace._tiderace import BadRow, KafkaSecurity, Summary, Topic
from tiderace.arguments import answers
from tiderace.dataframe import StreamingDataFrame
from tiderace.errors import ConfigError, PlanError
from tiderace.producer import Producer, TransactionalProducer
from tiderace.reader import Reader
from tiderace.sources import Source

Duration = float | str | timedelta
OnError = str | Callable[[BadRow], str]


class Explanation(str):
    """The text of `app.explain()`; shows well in a script, a REPL and a notebook."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(self)}</pre>"


@answers(ConfigError)
class Application:
    """A streaming application: a consumer group, its topics, its frames, and the engine that runs them.

    Nothing is contacted before `run()` or `get_producer()`: a pipeline can be imported and tested anywhere.

    Parameters
    ----------
    broker_address : str, optional
        `host:port` of Kafka, or `embedded:DIR`. Default: the environment variable `TIDERACE_BROKER_ADDRESS`,
        else the embedded log in `.tiderace/`.
    consumer_group : str
        The application's name in the log, so that a restart goes on where it was. Required.
    auto_offset_reset : str
        Where a group that is new to a topic begins: `"earliest"` or `"latest"`.
    processing_guarantee : str
        `"at-least-once"`, or `"exactly-once"`: outputs, state and positions are one transaction.
    commit_interval : seconds, optional
        How often these are committed. Default: 1 s, or 0.1 s under exactly-once; there, while rows have
        piled up, up to 1 s, so that commits take about a tenth of the time.
    state_dir : path, optional
        Local state, restored from changelog topics where it is missing. Default: `state` below the embedded
        log's directory, or `.tiderace/state`.
    on_error : str or function
        What happens to a row that cannot be processed: `"stop"`, `"skip"`, `"dead-letter"`, or a function of
        the `BadRow` that returns one of them.
    workers : int
        Threads; the first is the one that calls `run()`.
    security : KafkaSecurity, optional
        Kafka only: TLS, passwords, tokens, Kerberos. What it leaves out is taken from the environment
        variables `TIDERACE_SECURITY_PROTOCOL` and so on.
    consumer_config, producer_config : dict, optional
        Settings of Kafka's client, under the names of librdkafka; they win, but those that guarantees
        stand on (`acks`, `isolation.level` and the like) are refused.
    dead_letter_topic : str, optional
        Default: `<consumer_group>-dead-letters`.
    state_ttl : seconds, optional
        Forget a key that has had no row for so long in event time.
    group_lock_timeout : seconds
        How long to wait for another process that runs this group on the same embedded log.
    durability : str
        `"normal"`: a power cut may take the last moments of the embedded log; `"full"`: every commit
        is synced.
    max_state_memory : int
        About how many bytes of hot state each worker keeps in memory from one commit to the next, of all its
        partitions together. The rest is read from its store when a key comes again.
    group_instance_id : str
        Kafka only: a name that this process keeps over restarts (static membership), so that a quick restart
        moves no partition. Another one for each process. Default: none.
    on_lost_offset : str
        Where the rows that come next are gone from the input, since it keeps them for a time only:
        `"stop"` with an error, or go on with the `"earliest"` row that is there or with the `"latest"`,
        what comes from now on.
    max_memory : int
        Kafka only: about how many bytes of records wait in memory, fetched or to be written.
    standby_replicas : int
        Kafka only: how many other processes of the group keep a copy of a partition's state, so that it goes
        on at once where its owner dies. 0: it is restored then.
    compression : str
        Kafka only: of what is written: `"none"`, `"lz4"`, `"zstd"`, `"snappy"` or `"gzip"`. `"lz4"` takes
        about a fifth of the CPU of a fast pipeline, and spares the network and the brokers' disks.
    linger : seconds
        Kafka only: how long a record may wait for others to be sent with. What comes of the last rows that
        there are is sent at once. Default: 5 ms.
    metrics_port : int, optional
        While `run()` works: metrics for Prometheus at `http://HOST:PORT/metrics`, answers to probes at
        `/healthz` and `/readyz`. 0 or None: none.
    metrics_address : str
        Where that port is opened: an address of this machine, `"127.0.0.1"` for it alone, `"::"` with IPv6.
        Default: `"0.0.0.0"`.
    health_timeout : seconds
        A worker that makes no turn for longer (a function or model that hangs) fails `/healthz`.
        Default: 300.

    Raises
    ------
    ConfigError
        If an option is missing, unknown or out of its range.

    Notes
    -----
    Lengths of time are seconds, a timedelta, or a text like `"500ms"`. *Threads*: build from one thread;
    `stop` and `explain` may be called from any.

    Examples
    --------
    >>> app = tr.Application(broker_address="embedded:data", consumer_group="crash-detector")
    >>> sdf = app.dataframe(app.topic("phone-data"))
    >>> sdf["total"] = sdf["x"].abs() + sdf["y"].abs()
    >>> _ = sdf.to_topic(app.topic("alerts"))
    >>> with app.get_producer() as producer:
    ...     producer.produce(topic="phone-data", key="rider-1", value={"x": -1, "y": 2})
    >>> app.run(until_end=True).rows_out
    1
    """

    def __init__(
        self,
        broker_address: str | None = None,
        consumer_group: str = "",
        auto_offset_reset: str = "earliest",
        processing_guarantee: str = "at-least-once",
        commit_interval: Duration | None = None,
        state_dir: str | os.PathLike[str] | None = None,
        on_error: OnError = "stop",
        workers: int = 1,
        security: KafkaSecurity | None = None,
        consumer_config: Mapping[str, str] | None = None,
        producer_config: Mapping[str, str] | None = None,
        dead_letter_topic: str = "",
        state_ttl: Duration | None = None,
        group_lock_timeout: Duration = 10.0,
        durability: str = "normal",
        max_state_memory: int = 512 << 20,
        group_instance_id: str = "",
        on_lost_offset: str = "stop",
        max_memory: int = 512 << 20,
        standby_replicas: int = 0,
        compression: str = "none",
        linger: Duration = 0.005,
        metrics_port: int | None = None,
        metrics_address: str = "0.0.0.0",
        health_timeout: Duration = 300.0,
    ) -> None:
        # fmt: off
        self._application = _tiderace.Application(
            broker_address or "", consumer_group, auto_offset_reset, processing_guarantee, commit_interval,
            os.fspath(state_dir or ""), on_error, workers, security, dict(consumer_config or {}),
            dict(producer_config or {}), dead_letter_topic, state_ttl, group_lock_timeout, durability,
            max_state_memory, group_instance_id, on_lost_offset, max_memory, metrics_port or 0,
            metrics_address, health_timeout, standby_replicas, compression, linger,
        )
        # fmt: on

    @answers(PlanError)
    def topic(
        self,
        name: str,
        timestamp: str | None = None,
        timestamp_unit: str = "ms",
        max_ahead: Duration | None = None,
        schema: Mapping[str, str] | None = None,
        value_deserializer: str = "json",
        on_error: OnError | None = None,
        max_record_bytes: int = 64 << 20,
        max_depth: int = 1000,
        num_partitions: int = 1,
        replication_factor: int = 1,
        retention_ms: int = -1,
        retention_bytes: int = -1,
        compacted: bool = False,
    ) -> Topic:
        """The topic of that name; it is created on first use.

        Asked for twice with the same options it is one topic, with others `PlanError`.

        Parameters
        ----------
        timestamp : str, optional
            The field with each row's event time. Default: the record's own timestamp.
        timestamp_unit : str
            Of that field: `s ms us ns`, or `iso8601` for strings.
        max_ahead : seconds, optional
            Rows whose event time is further ahead of the record's timestamp are bad.
        schema : dict, optional
            Declared kinds by field, `int64 float64 string bool`: another kind makes the row bad.
        value_deserializer : str
            `"json"`.
        on_error : str or function, optional
            For rows of this topic. Default: the application's.
        max_record_bytes, max_depth : int
            Limits of a record; one beyond them is bad.
        num_partitions, replication_factor, retention_ms, retention_bytes : int
            Used where the topic is created; -1: no limit.
        compacted : bool
            Used where the topic is created: keep the last record of each key.

        Examples
        --------
        >>> app.topic("rides", timestamp="timestamp", schema={"rider": "string"}).name
        'rides'
        """
        # fmt: off
        return self._application.topic(
            name, timestamp, timestamp_unit, max_ahead, dict(schema or {}), value_deserializer, on_error,
            max_record_bytes, max_depth, num_partitions, replication_factor, retention_ms, retention_bytes,
            compacted,
        )
        # fmt: on

    @answers(PlanError)
    def dataframe(
        self,
        topic: Topic | None = None,
        *,
        source: Source | None = None,
        replay_speed: float | None = None,
    ) -> StreamingDataFrame:
        """All rows of `topic`, which `topic()` gave, or of a history.

        Parameters
        ----------
        topic : Topic
        source : Source, instead of a topic
            `tr.CsvSource(...)` and the like. Its rows are brought into a topic of its own while the
            application runs, each once over all restarts; a run until the end ends when all of them are
            processed.
        replay_speed : float, optional
            How many times as fast as event time these rows come: 1 is as they came, 10 ten times as fast.
            Default: as fast as it goes.
        """
        if source is None:
            return StreamingDataFrame(self._application, self._frame_of(topic, replay_speed))
        if topic is not None:
            raise PlanError(
                f"app.dataframe: wanted a topic or a source, found both, {topic!r} and {source!r}"
            )
        native = source._native.dataframe(self._application, replay_speed)
        return StreamingDataFrame(self._application, native)

    def _frame_of(self, topic: Topic | None, replay_speed: float | None) -> _tiderace.Frame:
        if not isinstance(topic, Topic):
            raise PlanError(f"app.dataframe: wanted a topic, app.topic(...), found {topic!r:.100}")
        if replay_speed is not None:
            raise ConfigError(f"replay_speed: {topic!r} is not replayed; give a source=, or leave it out")
        return self._application.dataframe(topic)

    def run(
        self, until_end: bool = False, timeout: Duration | None = None, count: int | None = None
    ) -> Summary:
        """Runs the pipeline until SIGINT, SIGTERM or `stop()`; ends with a checkpoint.

        Parameters
        ----------
        until_end : bool
            Return at the end that each partition had when it was assigned. Transactions that were open by
            then are waited for.
        timeout : seconds, optional
            Return after so long without a new row.
        count : int, optional
            Return after so many rows read.

        Returns
        -------
        Summary
            Rows in, out, filtered, bad and late, seconds and latency.

        Raises
        ------
        BadRowError
            For a bad row under the policy `"stop"`, after everything before it is committed.

        Notes
        -----
        The GIL is free while the engine works. Ctrl-C stops cleanly, a second one at once.
        """
        if count is not None and count < 1:
            raise ConfigError(f"count: wanted 1 row or more, found {count!r}")
        return self._application.run(until_end, timeout, count)

    def stop(self) -> None:
        """Ends a run after a checkpoint. Any thread; without effect if nothing runs."""
        self._application.stop()

    def explain(self) -> Explanation:
        """The plan, and during or after a run what each step did. Any thread."""
        return Explanation(self._application.explain())

    @property
    def summary(self) -> Summary:
        """Of the last run or backtest."""
        return self._application.summary

    def create_topics(self) -> None:
        """Creates the topics that `topic` has named, where they do not exist.

        `run()` and producers do it for those they use. Raises `BrokerError` if the log cannot be reached.
        """
        self._application.create_topics()

    def get_producer(self) -> Producer:
        """Writes records to topics. Raises `BrokerError` if the log cannot be reached."""
        return Producer(self._application)

    def get_transactional_producer(self, transactional_id: str) -> TransactionalProducer:
        """Writes records to topics in transactions.

        Parameters
        ----------
        transactional_id : str
            Who writes: one producer has it at a time.

        Raises
        ------
        ConfigError
            For an empty id.
        """
        return TransactionalProducer(self._application, transactional_id)

    def get_reader(
        self,
        topics: str | Sequence[str],
        from_: str = "earliest",
        offsets: Mapping[tuple[str, int], int] | None = None,
        until_end: bool = False,
    ) -> Reader:
        """Reads the records of topics outside the group.

        Parameters
        ----------
        topics : str or list of str
        from_ : str
            `"earliest"` or `"latest"`: where to begin in each partition.
        offsets : dict, optional
            Of single partitions, `{(topic, partition): offset}`, in place of `from_`.
        until_end : bool
            End at what was written when the reader was made.

        Raises
        ------
        BrokerError
            If the log cannot be reached.
        ConfigError
            For a topic that does not exist, or a partition that is none of what is read.
        """
        return Reader(self._application, topics, from_, offsets or {}, until_end)
