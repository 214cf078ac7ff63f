"""Sinks: places outside the log that rows are written to, once each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tiderace import _tiderace
from tiderace.arguments import answers
from tiderace.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]

Partition = tuple[str, int]
NativePart = tuple[str, int, int | None, int, _tiderace.Table]


@dataclass
class SinkPart:
    """The rows of one partition in one commit.

    Attributes
    ----------
    topic, partition
        Of the input.
    begin : int or None
        The offset that the sink told before, None if it had nothing: another one there means that somebody
        else has written.
    end : int
        The next offset, to be told from now on.
    table : pyarrow.Table
        The rows, maybe none.
    """

    topic: str
    partition: int
    begin: int | None
    end: int
    table: pyarrow.Table


@answers(ConfigError)
class Sink:
    """A place of your own that rows are written to, once each. Implement `open` and `write`.

    A commit hands over the rows of some partitions and how far they go. `write` stores both, or neither; how
    far that is, `open` tells later. After a crash, rows that are not stored come again.

    Parameters
    ----------
    name
        What the sink is called, in an application only once.
    key_column, event_time_column, topic_column, partition_column, offset_column
        Columns for the record's key, the row's event time (`timestamp[ns, UTC]`), and where the record stood.
        Default: none.

    Notes
    -----
    A column holds values of one kind (numbers are one); a row that differs is bad. What `open` and `write`
    raise ends the run with `ConfigError`; `tr.SinkUnavailable` is waited for, and rows come again.
    *Threads*: one beside each worker; one call at a time. A call that does not return holds up a stop and the
    partitions that should move to another process: give what it waits for a time limit.

    Examples
    --------
    >>> class Memory(tr.Sink):
    ...     def __init__(self):
    ...         super().__init__("memory")
    ...         self.rows, self.offsets = [], {}
    ...     def open(self, group, partitions):
    ...         return self.offsets
    ...     def write(self, group, parts):
    ...         for part in parts:
    ...             self.rows += part.table.to_pylist()
    ...             self.offsets[part.topic, part.partition] = part.end
    >>> memory = Memory()
    >>> _ = sdf.sink(memory)
    >>> with app.get_producer() as producer:
    ...     producer.produce("phone-data", value={"x": 1})
    >>> app.run(until_end=True).rows_out
    1
    >>> memory.rows, memory.offsets
    ([{'x': 1}], {('phone-data', 0): 1})
    """

    def __init__(
        self,
        name: str,
        *,
        key_column: str = "",
        event_time_column: str = "",
        topic_column: str = "",
        partition_column: str = "",
        offset_column: str = "",
    ) -> None:
        self._event_time = event_time_column
        columns = {"key": key_column, "event_time": event_time_column, "topic": topic_column}
        columns |= {"partition": partition_column, "offset": offset_column}
        self._native = self._connector(name, {of: column for of, column in columns.items() if column})

    _folds_case = False  # whether names that differ in their capitals alone are one column

    def _connector(self, name: str, columns: dict[str, str]) -> _tiderace.Sink:
        calls = (self.open, self._write, self.kinds)
        return _tiderace.python_sink(
            *calls, name, f"{type(self).__name__}({name!r})", columns, self._folds_case
        )

    def __repr__(self) -> str:
        return repr(self._native)

    def open(self, group: str, partitions: list[Partition]) -> dict[Partition, int]:
        """The next offset of each of `partitions` that the sink has rows of `group` from."""
        raise NotImplementedError

    def kinds(self) -> dict[str, str]:
        """What the columns hold that are there: `int64 float64 string bool bytes` by name.

        Or `integer`: an int64, some of which no float64 is, so that a row with a float is bad. Asked after
        `open`; a row with a value of another kind is bad. Default: the first value decides.
        """
        return {}

    def write(self, group: str, parts: list[SinkPart]) -> None:
        """Stores the rows and the ends of `parts`, all of it or nothing."""
        raise NotImplementedError

    def _write(self, group: str, parts: list[NativePart]) -> None:
        self.write(group, [SinkPart(*part[:4], self._table(part[4])) for part in parts])

    def _table(self, native: _tiderace.Table) -> pyarrow.Table:
        import pyarrow as pa

        table = pa.table(native)
        if not self._event_time or self._event_time not in table.column_names:
            return table
        times = table[self._event_time].cast(pa.timestamp("ns", "UTC"))
        return table.set_column(table.column_names.index(self._event_time), self._event_time, times)


@answers(ConfigError)
class PostgresSink(Sink):
    """A table of PostgreSQL, for `sdf.sink(...)`.

    Rows go in by COPY with every checkpoint, in one transaction with the offsets that they came to (in the
    table `tiderace_offsets` beside it): each is there once, whatever stops, is killed or moves to another
    process. The table is made if it is not there. A new field makes a new column: an int64 a `bigint`, a
    float64 a `double precision`, a string a `text`, a bool a `boolean`, an object or list a `jsonb`. A
    `bigint` column that meets floats becomes `double precision`. A row whose value fits no column is bad
    (kind `type`), and so is one that the database refuses.

    Parameters
    ----------
    url
        `postgresql://user:password@host:5432/database`, or what else libpq takes; what is left out comes from
        its environment (`PGPASSWORD`, ...).
    table
        `"table"`, or `"schema.table"`.
    name
        What the offsets are stored under, beside the consumer group. Default: `table`.
    key_column, event_time_column, topic_column, partition_column, offset_column
        Columns for the record's key (`text`), the row's event time (`timestamptz`), and where the record
        stood (`text`, `integer`, `bigint`). Default: none.
    hypertable
        Whether to make the table a hypertable of TimescaleDB over `event_time_column`.
    timeout
        How long an answer of the server is waited for before the connection is given up: seconds, a timedelta
        or a text like `"30s"`.

    Raises
    ------
    ConfigError
        For an option that cannot be; and from `run()` where the server refuses for good (rights, a view, a
        password) and says what to do.

    Notes
    -----
    A server that is away is waited for: nothing is read meanwhile, nothing is lost, `/readyz` says so.
    *State*: none. *Threads*: one beside each worker talks to the server.

    Examples
    --------
    >>> sink = tr.PostgresSink("postgresql://ada:secret@db/telemetry", table="phone")
    >>> sink
    tr.PostgresSink("postgresql://ada@db/telemetry", table="phone")
    >>> sdf = sdf.sink(sink)
    """

    def __init__(
        self,
        url: str,
        table: str,
        *,
        name: str = "",
        key_column: str = "",
        event_time_column: str = "",
        topic_column: str = "",
        partition_column: str = "",
        offset_column: str = "",
        hypertable: bool = False,
        timeout: float | str | timedelta = 30,
    ) -> None:
        self._arguments = (url, table, hypertable, timeout)
        # fmt: off
        super().__init__(
            name, key_column=key_column, event_time_column=event_time_column, topic_column=topic_column,
            partition_column=partition_column, offset_column=offset_column,
        )
        # fmt: on

    def _connector(self, name: str, columns: dict[str, str]) -> _tiderace.Sink:
        url, table, hypertable, timeout = self._arguments
        return _tiderace.postgres_sink(url, table, name, columns, hypertable, timeout)
