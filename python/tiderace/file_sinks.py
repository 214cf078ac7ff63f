"""Sinks into files: Parquet and DuckDB, through their Python packages."""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiderace.errors import ConfigError, SinkUnavailable
from tiderace.sinks import Partition, Sink, SinkPart

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]

LOCK_SECONDS = 10.0


class ParquetSink(Sink):
    """A folder of Parquet files: one for each partition and commit that has rows.

    A file appears whole or not at all: it is written under another name, synced, and renamed to
    `<topic>-<partition>-<first offset>-<next offset>.parquet`. How far the rows go is in
    `.tiderace/<group>-<name>.json`, replaced the same way. Choose a `commit_interval=` of a minute or
    more, or files are many and small.

    Parameters
    ----------
    path
        The folder; it is made.
    name
        What the offsets are stored under, beside the consumer group. Default: the folder's name.
    compression
        As pyarrow has it: `"snappy"`, `"zstd"`, ...
    **columns
        As of `Sink`: key_column, event_time_column, topic_column, partition_column, offset_column.

    Raises
    ------
    ConfigError
        From `run()`, where the folder cannot be written.

    Notes
    -----
    Objects and lists are JSON text. The type of a column is that of its values in the file: int64 in one,
    double in another; `pyarrow.dataset` with a schema reads both. Processes of a group that share the folder
    lock it with `flock`. *Threads*: as of `Sink`.

    Examples
    --------
    >>> _ = sdf.sink(tr.ParquetSink("telemetry", key_column="rider"))
    """

    def __init__(
        self, path: str | os.PathLike[str], name: str = "", *, compression: str = "snappy", **columns: str
    ) -> None:
        self._folder = Path(path).absolute()
        self._compression = compression
        super().__init__(name or self._folder.name, **columns)
        self._name = name or self._folder.name

    def open(self, group: str, partitions: list[Partition]) -> dict[Partition, int]:
        """See `Sink.open`; also removes what a crash has left half-written of `partitions`."""
        with self._locked():
            for topic, partition in partitions:
                for left in self._folder.glob(f".{topic}-{partition}-*.tmp"):
                    left.unlink()
            return self._offsets(group)

    def write(self, group: str, parts: list[SinkPart]) -> None:
        """See `Sink.write`."""
        with self._locked():
            offsets = self._offsets(group)
            _check_begins(parts, offsets)
            for part in parts:
                self._write_file(part)
                offsets[part.topic, part.partition] = part.end
            self._store(group, offsets)

    def _write_file(self, part: SinkPart) -> None:
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]

        if part.table.num_rows == 0:
            return
        stem = f"{part.topic}-{part.partition}-{part.begin or 0:012}-{part.end:012}"
        temporary = self._folder / f".{stem}.tmp"
        parquet.write_table(part.table, temporary, compression=self._compression)
        _publish(temporary, self._folder / f"{stem}.parquet")

    def _offsets_file(self, group: str) -> Path:
        return self._folder / ".tiderace" / (re.sub(r"[^\w.-]", "-", f"{group}-{self._name}") + ".json")

    def _offsets(self, group: str) -> dict[Partition, int]:
        file = self._offsets_file(group)
        known = json.loads(file.read_text()) if file.exists() else []
        return {(topic, partition): offset for topic, partition, offset in known}

    def _store(self, group: str, offsets: dict[Partition, int]) -> None:
        file = self._offsets_file(group)
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps([[*partition, offset] for partition, offset in offsets.items()]))
        _publish(temporary, file)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            (self._folder / ".tiderace").mkdir(parents=True, exist_ok=True)
            with (self._folder / ".tiderace" / "lock").open("w") as lock:
                _lock(lock.fileno())
                yield
        except OSError as error:
            raise _unavailable(error) from error


def _check_begins(parts: list[SinkPart], offsets: dict[Partition, int]) -> None:
    """Where another offset is stored than a part begins at, it is not this writer's to go on."""
    if any(offsets.get((part.topic, part.partition)) != part.begin for part in parts):
        raise SinkUnavailable("another member has written")


def _lock(descriptor: int) -> None:
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise SinkUnavailable("another process has the folder locked") from None
            time.sleep(0.01)


def _unavailable(error: OSError) -> Exception:
    """A disk that is full, or that comes again, is waited for; a right that is lacking is not."""
    kind = ConfigError if isinstance(error, PermissionError | NotADirectoryError) else SinkUnavailable
    return kind(str(error))


def _publish(temporary: Path, file: Path) -> None:
    """Renames a file once all of it is on the disk, and the folder after it."""
    for path, flags in ((temporary, os.O_RDONLY), (file.parent, os.O_RDONLY | os.O_DIRECTORY)):
        descriptor = os.open(path, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if path is temporary:
            temporary.rename(file)


class DuckDBSink(Sink):
    """A table of a DuckDB file, through the package `duckdb`.

    Rows and the offsets that they came to (table `tiderace_offsets`) are stored in one transaction. The table
    is made from the first rows; new fields become columns, and a `BIGINT` column that meets floats becomes
    `DOUBLE`. Objects and lists are JSON text.

    Parameters
    ----------
    path
        The file; it is made. DuckDB lets one process write to it: while another has it open, it is
        waited for.
    table
        Where the rows go.
    name
        What the offsets are stored under, beside the consumer group. Default: `table`.
    **columns
        As of `Sink`: key_column, event_time_column, topic_column, partition_column, offset_column.

    Raises
    ------
    ConfigError
        If `duckdb` is not installed (`pip install duckdb`); from `run()`, where a value does not fit the
        table.

    Examples
    --------
    >>> _ = sdf.sink(tr.DuckDBSink("telemetry.duckdb", table="phone"))
    """

    def __init__(self, path: str | os.PathLike[str], table: str, name: str = "", **columns: str) -> None:
        try:
            import duckdb
        except ImportError:
            raise ConfigError("tr.DuckDBSink needs duckdb: pip install duckdb") from None
        self._duckdb: Any = duckdb
        self._path, self._table_name, self._name = os.fspath(path), table, name or table
        super().__init__(name or table, **columns)

    def open(self, group: str, partitions: list[Partition]) -> dict[Partition, int]:
        """See `Sink.open`."""
        with self._connection() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS tiderace_offsets (consumer_group TEXT, sink TEXT, topic TEXT, "
                'partition INTEGER, "offset" BIGINT, PRIMARY KEY (consumer_group, sink, topic, partition))'
            )
            return self._offsets(connection, group)

    def write(self, group: str, parts: list[SinkPart]) -> None:
        """See `Sink.write`."""
        with self._connection() as connection:
            connection.begin()
            _check_begins(parts, self._offsets(connection, group))
            for part in parts:
                if part.table.num_rows:
                    self._insert(connection, part.table)
                row = [group, self._name, part.topic, part.partition, part.end]
                connection.execute("INSERT OR REPLACE INTO tiderace_offsets VALUES (?, ?, ?, ?, ?)", row)
            connection.commit()

    def _insert(self, connection: Any, table: pyarrow.Table) -> None:
        name = _identifier(self._table_name)
        connection.register("tiderace_rows", table)
        connection.execute(f"CREATE TABLE IF NOT EXISTS {name} AS SELECT * FROM tiderace_rows LIMIT 0")
        self._widen(connection, name)
        connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM tiderace_rows")
        connection.unregister("tiderace_rows")

    def _widen(self, connection: Any, name: str) -> None:
        known = dict(connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE {name})").fetchall())
        for column, kind, *_ in connection.execute("DESCRIBE SELECT * FROM tiderace_rows").fetchall():
            if column not in known:
                connection.execute(f"ALTER TABLE {name} ADD COLUMN {_identifier(column)} {kind}")
            elif known[column] == "BIGINT" and kind == "DOUBLE":
                connection.execute(f"ALTER TABLE {name} ALTER COLUMN {_identifier(column)} TYPE DOUBLE")

    def _offsets(self, connection: Any, group: str) -> dict[Partition, int]:
        query = (
            'SELECT topic, partition, "offset" FROM tiderace_offsets WHERE consumer_group = ? AND sink = ?'
        )
        rows = connection.execute(query, [group, self._name]).fetchall()
        return {(topic, partition): offset for topic, partition, offset in rows}

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        try:
            with self._duckdb.connect(self._path) as connection:
                yield connection
        except (self._duckdb.IOException, self._duckdb.TransactionException) as error:
            raise SinkUnavailable(str(error)) from error


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
