"""Sinks into files: Parquet and DuckDB, through their Python packages."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Any, TextIO
from urllib.parse import unquote

from tiderace.arguments import answers
from tiderace.errors import ConfigError, SinkUnavailable
from tiderace.sinks import Partition, Sink, SinkPart

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]

LOCK_SECONDS = 10.0
# Whole files; behind a dot, those that are being written.
FILE_NAME = re.compile(
    r"(?P<topic>[^.].*)-(?P<partition>\d+)-(?P<begin>\d{12,})-\d{12,}\.parquet"
    r"|\.(?P<its_topic>[^.].*)-\d+-\d{12,}-\d{12,}\.tmp",
    re.DOTALL,
)
# What a column of DuckDB holds, for a sink.
KINDS = {"BOOLEAN": "bool", "VARCHAR": "string", "BLOB": "bytes", "DOUBLE": "float64", "FLOAT": "float64"}
KINDS |= dict.fromkeys(("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "HUGEINT"), "int64")
SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)


@answers(ConfigError)
class ParquetSink(Sink):
    """A folder of Parquet files: one for each partition and commit that has rows.

    A file appears whole or not at all: it is written under another name, synced, and renamed to
    `<topic>-<partition>-<first offset>-<next offset>.parquet` (where a topic begins with a dot or an
    underscore, that is `%2E` or `%5F`: readers pass over such files). How far the rows go, and whose the
    folder is, is in `.tiderace/offsets.json`, replaced the same way. Choose a `commit_interval=` of a minute
    or more, or files are many and small.

    Parameters
    ----------
    path
        The folder; it is made. It belongs to one consumer group and sink: another is refused.
    name
        What the offsets are stored under, beside the consumer group. Default: the folder's name.
    compression
        As pyarrow has it: `"snappy"`, `"zstd"`, ...
    **columns
        As of `Sink`: key_column, event_time_column, topic_column, partition_column, offset_column.

    Raises
    ------
    ConfigError
        From `run()`, where the folder cannot be written, or has files of somebody else.

    Notes
    -----
    Objects and lists are JSON text. The type of a column is that of its values in the file: int64 in one,
    double in another; `pyarrow.dataset` with a schema reads both. A field that is null in all rows of a file
    is no column there; rows without any value are in no file where none of the commit has one. Processes of
    a group that share the folder lock it with `flock`. *Threads*: as of `Sink`.

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
        """See `Sink.open`; also removes what writes have left that came to no end."""
        with self._locked() as lock:
            if not self._offsets_file().exists():
                self._claim(group)
            offsets = self._offsets(group)
            self._remove_left(offsets)
            lock.truncate(0)
            return offsets

    def write(self, group: str, parts: list[SinkPart]) -> None:
        """See `Sink.write`."""
        with self._locked() as lock:
            offsets = self._offsets(group)
            _check_begins(parts, offsets)
            with self._marked(lock, offsets):
                for part in parts:
                    self._write_file(part)
                    offsets[part.topic, part.partition] = part.end
                self._store(group, offsets)

    @contextmanager
    def _marked(self, lock: TextIO, offsets: dict[Partition, int]) -> Iterator[None]:
        """Has a byte in the lock's file; one that is found is of a write that came to no end.

        A power cut may take it along, but ends all who write, and they open the folder anew.
        """
        if os.fstat(lock.fileno()).st_size:
            self._remove_left(offsets)
        lock.write("w")
        lock.flush()
        yield
        lock.truncate(0)

    def _write_file(self, part: SinkPart) -> None:
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]

        table = _without_nulls(part.table)
        if table.num_rows == 0 or table.num_columns == 0:
            return
        stem = f"{_visible(part.topic)}-{part.partition}-{part.begin or 0:012}-{part.end:012}"
        temporary = self._folder / f".{stem}.tmp"
        parquet.write_table(table, temporary, compression=self._compression)
        _publish(temporary, self._folder / f"{stem}.parquet")

    def _remove_left(self, offsets: dict[Partition, int]) -> None:
        """Removes what writes that did not come to their end have left: rows that no offset counts."""
        for file, name in self._files():
            partition = (unquote(name["topic"] or ""), int(name["partition"] or 0))
            if name["topic"] is None or int(name["begin"]) >= offsets.get(partition, 0):
                file.unlink()

    def _files(self) -> Iterator[tuple[Path, re.Match[str]]]:
        for file in self._folder.iterdir():
            if found := FILE_NAME.fullmatch(file.name):
                yield file, found

    def _claim(self, group: str) -> None:
        if any(file.suffix == ".parquet" for file, *_ in self._files()):
            raise ConfigError(
                f"'{self._folder}' has Parquet files, and '{self._offsets_file()}' is not there, which says "
                "up to which offset: name another folder, or remove the files to have all rows written anew"
            )
        self._store(group, {})

    def _offsets_file(self) -> Path:
        return self._folder / ".tiderace" / "offsets.json"

    def _offsets(self, group: str) -> dict[Partition, int]:
        known = json.loads(self._offsets_file().read_text())
        if [known["group"], known["name"]] != [group, self._name]:
            raise ConfigError(
                f"'{self._folder}' belongs to the sink '{known['name']}' of the consumer group "
                f"'{known['group']}', and this is '{self._name}' of '{group}': give each a folder of its own"
            )
        return {(topic, partition): offset for topic, partition, offset in known["offsets"]}

    def _store(self, group: str, offsets: dict[Partition, int]) -> None:
        temporary = self._offsets_file().with_suffix(".tmp")
        rows = [[*partition, offset] for partition, offset in offsets.items()]
        temporary.write_text(json.dumps({"group": group, "name": self._name, "offsets": rows}))
        _publish(temporary, self._offsets_file())

    @contextmanager
    def _locked(self) -> Iterator[TextIO]:
        try:
            (self._folder / ".tiderace").mkdir(parents=True, exist_ok=True)
            with (self._folder / ".tiderace" / "lock").open("a") as lock:
                _lock(lock.fileno())
                yield lock
        except OSError as error:
            raise _unavailable(error) from error


def _visible(topic: str) -> str:
    """Readers of a folder pass over what begins with a dot or an underscore; no topic's name has a %."""
    return f"%{ord(topic[0]):02X}{topic[1:]}" if topic[0] in "._" else topic


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
    with _opened(temporary) as descriptor:
        os.fsync(descriptor)
    temporary.rename(file)
    with _opened(file.parent) as descriptor:
        os.fsync(descriptor)


# What DuckDB says of a file that it will never open.
HOPELESS = ("not a valid DuckDB database", "Permission denied", "No such file or directory", "version number")


@answers(ConfigError)
class DuckDBSink(Sink):
    """A table of a DuckDB file, through the package `duckdb`.

    Rows and the offsets that they came to (table `tiderace_offsets`) are stored in one transaction. The table
    is made from the first rows; new fields become columns, and a `BIGINT` column that meets floats becomes
    `DOUBLE`, unless it has integers that no `DOUBLE` is: then a row with a float is bad. Objects and lists
    are JSON text. Names that differ in capitals of ASCII alone are one column, as everywhere in DuckDB; a row
    with a value under both is bad, and so is one whose value is of another kind than its column, or has no
    name (`""`).

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
        If `duckdb` is not installed (`pip install duckdb`); from `run()`, where the file is no database or
        cannot be made, or DuckDB refuses a row.

    Examples
    --------
    >>> _ = sdf.sink(tr.DuckDBSink("telemetry.duckdb", table="phone"))
    """

    _folds_case = True

    def __init__(self, path: str | os.PathLike[str], table: str, name: str = "", **columns: str) -> None:
        try:
            import duckdb
        except ImportError:
            raise ConfigError("tr.DuckDBSink needs duckdb: pip install duckdb") from None
        self._duckdb: Any = duckdb
        self._path, self._table_name, self._name = os.fspath(path), table, name or table
        self._types: dict[str, str] = {}
        self._large: set[str] = set()  # columns that met floats, and have integers that no DOUBLE is
        super().__init__(name or table, **columns)

    def open(self, group: str, partitions: list[Partition]) -> dict[Partition, int]:
        """See `Sink.open`."""
        self._make()
        with self._connection() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS tiderace_offsets (consumer_group TEXT, sink TEXT, topic TEXT, "
                'partition INTEGER, "offset" BIGINT, PRIMARY KEY (consumer_group, sink, topic, partition))'
            )
            self._types = self._known(connection)
            self._large = self._still_large(connection)
            return self._offsets(connection, group)

    def kinds(self) -> dict[str, str]:
        """See `Sink.kinds`."""
        kinds = {column: KINDS[kind] for column, kind in self._types.items() if kind in KINDS}
        return kinds | dict.fromkeys(self._large, "integer")

    def write(self, group: str, parts: list[SinkPart]) -> None:
        """See `Sink.write`."""
        with self._connection() as connection:
            connection.begin()
            _check_begins(parts, self._offsets(connection, group))
            for part in parts:
                if part.table.num_rows:
                    self._insert(connection, _without_nulls(part.table), part.table.num_rows)
                row = [group, self._name, part.topic, part.partition, part.end]
                connection.execute("INSERT OR REPLACE INTO tiderace_offsets VALUES (?, ?, ?, ?, ?)", row)
            connection.commit()

    def _insert(self, connection: Any, table: pyarrow.Table, rows: int) -> None:
        name = _identifier(self._table_name)
        if not table.column_names:
            self._insert_nulls(connection, name, rows)
            return
        connection.register("tiderace_rows", table)
        connection.execute(f"CREATE TABLE IF NOT EXISTS {name} AS SELECT * FROM tiderace_rows LIMIT 0")
        self._widen(connection, name)
        connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM tiderace_rows")
        connection.unregister("tiderace_rows")

    def _insert_nulls(self, connection: Any, name: str, rows: int) -> None:
        for column in [*self._known(connection)][:1]:
            connection.execute(f"INSERT INTO {name} ({_identifier(column)}) SELECT NULL FROM range({rows})")

    def _widen(self, connection: Any, name: str) -> None:
        known = self._known(connection)
        for column, kind, *_ in connection.execute("DESCRIBE SELECT * FROM tiderace_rows").fetchall():
            found = known.get(_folded(column))
            if found is None:
                connection.execute(f"ALTER TABLE {name} ADD COLUMN {_identifier(column)} {kind}")
            else:
                self._fit(connection, column, KINDS.get(found), KINDS.get(kind))

    def _fit(self, connection: Any, column: str, found: str | None, given: str | None) -> None:
        """Makes a column take the rows. Raises: opened again, the sink tells its kind, and rows are bad."""
        name = _identifier(self._table_name)
        if (found, given) == ("int64", "float64"):
            if _is_rounded(connection, name, column):
                self._large.add(_folded(column))
                raise SinkUnavailable(f"the column {column} has integers that no DOUBLE is, and meets floats")
            connection.execute(f"ALTER TABLE {name} ALTER COLUMN {_identifier(column)} TYPE DOUBLE")
        elif _is_another(connection, column, found, given):
            raise SinkUnavailable(f"the column {column} has values of kind {found} by now, not {given}")

    def _still_large(self, connection: Any) -> set[str]:
        columns = {column for column in self._large if KINDS.get(self._types.get(column, "")) == "int64"}
        name = _identifier(self._table_name)
        return {column for column in columns if _is_rounded(connection, name, column)}

    def _known(self, connection: Any) -> dict[str, str]:
        """The types of the table's columns, by their names as `_folded`; none without a table."""
        # lower() folds more letters than ASCII's, which are all that DuckDB's names fold.
        query = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE lower(table_name) = "
        query += "lower(?) AND database_name = current_database() AND schema_name = current_schema() "
        rows = connection.execute(query + "ORDER BY column_index", [self._table_name]).fetchall()
        own = _folded(self._table_name)
        return {_folded(column): kind for table, column, kind in rows if _folded(table) == own}

    def _offsets(self, connection: Any, group: str) -> dict[Partition, int]:
        query = (
            'SELECT topic, partition, "offset" FROM tiderace_offsets WHERE consumer_group = ? AND sink = ?'
        )
        rows = connection.execute(query, [group, self._name]).fetchall()
        return {(topic, partition): offset for topic, partition, offset in rows}

    def _make(self) -> None:
        """Makes the file, whole or not at all."""
        file = Path(self._path)
        if file.exists():
            return _check_database(file)
        # Another host or container may have this process' number.
        temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex}.tmp")
        try:
            with self._connection(temporary):
                pass
            _appear(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def _connection(self, path: Path | None = None) -> Iterator[Any]:
        try:
            with self._duckdb.connect(path or self._path) as connection:
                yield connection
        except (self._duckdb.IOException, self._duckdb.TransactionException) as error:
            # A file that another process has open, or a disk that is full, is waited for.
            hopeless = any(words in str(error) for words in HOPELESS)
            raise (ConfigError if hopeless else SinkUnavailable)(str(error)) from error


def _check_database(file: Path) -> None:
    """DuckDB opens files of other formats, too, as databases that nothing can be written to."""
    try:
        with file.open("rb") as content:
            head = content.read(12)
    except OSError:
        return  # DuckDB says what it is
    if head and head[8:] != b"DUCK":
        raise ConfigError(
            f"'{file}' is not a valid DuckDB database: it is a file of another kind; name another"
        )


# What a file system says that has no hard links, or no locks.
LACKING = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)


def _appear(temporary: Path, file: Path) -> None:
    """Gives a file its name, unless another process was faster."""
    try:
        os.link(temporary, file)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in LACKING:
            raise _unavailable(error) from error
        _rename(temporary, file)


def _rename(temporary: Path, file: Path) -> None:
    """The same where there are no hard links."""
    try:
        with _opened(file.parent) as folder:
            _lock(folder)
            if not file.exists():
                temporary.rename(file)
    except OSError as error:
        if error.errno not in LACKING:
            raise _unavailable(error) from error
        what = f"{error}: '{file}': wanted a file system with hard links or locks; put it somewhere else"
        raise ConfigError(what) from error


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A file or a folder, as a descriptor to read."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_rounded(connection: Any, table: str, column: str) -> bool:
    """Whether a column of integers has some that DOUBLE would round."""
    name = _identifier(column)
    query = f"SELECT 1 FROM {table} WHERE {name} NOT BETWEEN -9007199254740992 AND 9007199254740992 "
    query += f"AND TRY_CAST(CAST({name} AS DOUBLE) AS HUGEINT) IS DISTINCT FROM {name} LIMIT 1"
    return connection.execute(query).fetchone() is not None


def _is_another(connection: Any, column: str, found: str | None, given: str | None) -> bool:
    """Whether a column of a kind cannot take what the rows have."""
    if (found, given) == ("float64", "int64"):
        return _is_rounded(connection, "tiderace_rows", column)
    return None not in (found, given) and found != given


def _without_nulls(table: pyarrow.Table) -> pyarrow.Table:
    """Without columns in which no row has a value: nobody knows what they will hold."""
    import pyarrow as pa

    return table.drop_columns([field.name for field in table.schema if pa.types.is_null(field.type)])


def _folded(name: str) -> str:
    """A name as DuckDB compares it: with small letters for the capitals of ASCII, and of no other script."""
    return name.translate(SMALL)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
