"""Sources: histories of rows outside the log, replayed into a plan."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from tiderace import _tiderace
from tiderace.arguments import answers
from tiderace.errors import ConfigError
from tiderace.source_times import without_times

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]

Path = str | os.PathLike[str]


@answers(ConfigError)
class Source:
    """A history of rows, for `app.dataframe(source=...)`. One of your own implements `tables()`.

    While the application runs, its rows are brought into a topic of its own,
    `<consumer_group>-<name>`, each once over all restarts, and the plan reads them from there. A source gives
    the same rows in the same order every time it is asked.

    Parameters
    ----------
    name
        Its topic is called so, behind the consumer group.
    key
        The field with each row's key: a string or an integer. Default: rows have none.
    timestamp, timestamp_unit
        The field with each row's event time, and its unit, as of a topic. Default: when the row is read.
    schema
        Declared kinds by field, as of a topic.
    num_partitions, replication_factor
        Of its topic, where it is created.

    Notes
    -----
    *State*: how many rows are in the topic is the offset of the consumer group `<topic>-source`, committed
    with the rows. *Threads*: `tables()` runs on a thread of its own; a stop is heard
    between two tables.

    Examples
    --------
    >>> import pyarrow as pa
    >>> class Numbers(tr.Source):
    ...     def tables(self):
    ...         yield pa.table({"x": [1, 2]})
    ...         yield pa.table({"x": [3]})
    >>> sdf = app.dataframe(source=Numbers("numbers"))
    >>> _ = sdf.to_topic(app.topic("copied"))
    >>> app.run(until_end=True).rows_out
    3
    """

    def __init__(
        self,
        name: str,
        *,
        key: str | None = None,
        timestamp: str | None = None,
        timestamp_unit: str = "ms",
        schema: Mapping[str, str] | None = None,
        num_partitions: int = 1,
        replication_factor: int = 1,
    ) -> None:
        self.timestamp_unit = timestamp_unit
        # fmt: off
        self._options = _tiderace.SourceOptions(
            key, timestamp, timestamp_unit, dict(schema or {}), name, num_partitions, replication_factor
        )
        # fmt: on
        self._native = self._connector(name)

    def _connector(self, name: str) -> _tiderace.Source:
        return _tiderace.python_source(self._tables, f"{type(self).__name__}({name!r})", self._options)

    def __repr__(self) -> str:
        return repr(self._native)

    def tables(self) -> Iterator[pyarrow.Table]:
        """The rows, in pieces: Arrow tables, or anything else with `__arrow_c_stream__`.

        Timestamps and dates, also in lists and structs, go on as integers in `timestamp_unit`, or as text
        under `"iso8601"`; one that the unit does not hold ends the run.
        """
        raise NotImplementedError

    def _tables(self) -> Iterator[Any]:
        yield from without_times(self.tables(), self.timestamp_unit)


@answers(ConfigError)
class CsvSource(Source):
    """A CSV file with a header, read piece by piece, whatever its size.

    Kinds are inferred a column over the whole file, as `backtest` does: int64 if all values are, else
    float64, else bool, else string; `schema=` goes before. Empty fields and pandas' words for a missing value
    are null.

    Parameters
    ----------
    path
        Of the file. Opened when the application runs.
    name
        Default: the file's name without its ending.
    **options
        As of `Source`: key, timestamp, timestamp_unit, schema, num_partitions, replication_factor.

    Raises
    ------
    ConfigError
        From `run()`, where the file or a column is not there, or a line cannot be read.

    Examples
    --------
    >>> sdf = app.dataframe(source=tr.CsvSource("rides.csv", key="rider", timestamp="time"), replay_speed=10)
    """

    def __init__(self, path: Path, name: str = "", **options: Any) -> None:
        self._path = os.fspath(path)
        super().__init__(name, **options)

    def _connector(self, name: str) -> _tiderace.Source:
        return _tiderace.csv_source(self._path, self._options)


class NdjsonSource(CsvSource):
    """A file with a JSON object a line, each handed on byte for byte; blank lines are passed over.

    A line that is no JSON object is a bad row. Parameters as of `CsvSource`.

    Examples
    --------
    >>> sdf = app.dataframe(source=tr.NdjsonSource("rides.ndjson", key="rider", timestamp="time"))
    """

    def _connector(self, name: str) -> _tiderace.Source:
        return _tiderace.ndjson_source(self._path, self._options)


@answers(ConfigError)
class ParquetSource(Source):
    """A Parquet file, or a folder of them, read group by group through pyarrow.

    Times come as of `Source.tables`, lists and structs as JSON. The files of a folder come in the order of
    their names, each with the columns that it has; new ones have to come behind those that were read.
    Parameters as of `CsvSource`.

    Examples
    --------
    >>> sdf = app.dataframe(source=tr.ParquetSource("rides.parquet", key="rider", timestamp="time"))
    """

    def __init__(self, path: Path, name: str = "", **options: Any) -> None:
        self._path = os.fspath(path)
        super().__init__(name or _tiderace.source_name(self._path), **options)

    def tables(self) -> Iterator[pyarrow.Table]:
        """The rows, in pieces."""
        import pyarrow as pa

        # File by file: each has the columns and kinds that are its own.
        for fragment in self._files():
            for batch in fragment.to_batches(batch_size=8192):
                yield pa.table(batch)

    def _files(self) -> list[Any]:
        import pyarrow as pa
        import pyarrow.dataset as dataset  # type: ignore[import-untyped]

        try:
            files = list(dataset.dataset(self._path, format="parquet").get_fragments())
        except FileNotFoundError as error:
            raise ConfigError("there is no file or folder of that name") from error
        except (OSError, pa.ArrowException) as error:
            raise ConfigError(f"cannot read '{self._path}': {error}") from error
        return files or _refuse_empty()


def _refuse_empty() -> NoReturn:
    raise ConfigError("wanted a Parquet file or a folder of them, found a folder without a file")


class PostgresSource(Source):
    """The rows of a query of PostgreSQL, which come one by one, whatever their number.

    A query that is asked again, after a restart, has to give the same rows in the same order: ORDER BY
    something that is unique, of rows that do not change. Columns of time types come as numbers in
    `timestamp_unit`, `numeric` as float64, `json` as it is, other types as text.

    Parameters
    ----------
    url, query
        As of `PostgresSink`; any SELECT. It runs read-only: what would change something is an error.
    name, **options
        As of `Source`.

    Examples
    --------
    >>> query = "SELECT * FROM telemetry ORDER BY at, rider"
    >>> source = tr.PostgresSource("postgresql://db/telemetry", query, "history", key="rider", timestamp="at")
    >>> sdf = app.dataframe(source=source)
    """

    def __init__(self, url: str, query: str, name: str, **options: Any) -> None:
        self._url, self._query = url, query
        super().__init__(name, **options)

    def _connector(self, name: str) -> _tiderace.Source:
        return _tiderace.postgres_source(self._url, self._query, self._options)
