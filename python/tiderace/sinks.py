"""Sinks: places outside the log that rows are written to, once each."""

from __future__ import annotations

from datetime import timedelta

from tiderace import _tiderace


class PostgresSink:
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
        columns = {"key": key_column, "event_time": event_time_column, "topic": topic_column}
        columns |= {"partition": partition_column, "offset": offset_column}
        self._native = _tiderace.postgres_sink(url, table, name, columns, hypertable, timeout)

    def __repr__(self) -> str:
        return repr(self._native)
