"""Frames of rows that are still to come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, overload

from tiderace import _tiderace
from tiderace._tiderace import State, Topic
from tiderace.arguments import answers
from tiderace.batches import adapter
from tiderace.errors import PlanError
from tiderace.rolling import Rolling
from tiderace.series import Series, unwrapped
from tiderace.sinks import Sink
from tiderace.tables import read, result_table

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]

RowFunction = Callable[[dict[str, Any]], Any] | Callable[[dict[str, Any], State], Any]


@answers(PlanError)
class StreamingDataFrame:
    """A frame of rows that are still to come, as pandas' DataFrame: what is said of it is a plan.

    `app.run()` runs the plan on a log, `backtest` on a table. Every method returns another frame; only
    `sdf["x"] = ...` and `sdf = ...` change the variable; `to_topic`, `sink` and `print` act where they stand.

    Notes
    -----
    What cannot be raises `PlanError` at once, naming the step. Build a pipeline from one thread.

    Examples
    --------
    >>> app = tr.Application(consumer_group="docs")
    >>> sdf = app.dataframe(app.topic("phone-data"))
    >>> sdf = sdf[sdf["x"].notnull()]
    >>> sdf["total"] = sdf["x"].abs() + sdf["y"].abs()
    >>> sdf.backtest([{"x": -1, "y": 2}, {"y": 3}]).to_pylist()
    [{'x': -1, 'y': 2, 'total': 3}]
    """

    __slots__ = ("_application", "_frame")
    __iter__ = None

    def __init__(self, application: _tiderace.Application, frame: _tiderace.Frame) -> None:
        self._application = application
        self._frame = frame

    def __repr__(self) -> str:
        return repr(self._frame)

    def _after(self, frame: _tiderace.Frame) -> StreamingDataFrame:
        return StreamingDataFrame(self._application, frame)

    @overload
    def __getitem__(self, key: str) -> Series: ...
    @overload
    def __getitem__(self, key: list[str] | Series) -> StreamingDataFrame: ...
    def __getitem__(self, key: str | list[str] | Series) -> Series | StreamingDataFrame:
        """A column; several columns, in this order; or the rows for which a series is true."""
        if isinstance(key, str):
            return Series(self._frame.column(key))
        if isinstance(key, Series):
            return self._after(self._frame.where(key._series))
        if not isinstance(key, list | tuple) or not all(isinstance(name, str) for name in key):
            raise PlanError(f"sdf[...]: wanted a name, a list of names or a condition, found {key!r:.100}")
        return self._after(self._frame.project(list(key)))

    def __setitem__(self, name: str | list[str], value: object) -> None:
        """Sets a column to a series, a constant or a frame of one column; several to a frame of as many."""
        native = value._frame if isinstance(value, StreamingDataFrame) else unwrapped(value)
        self._frame = self._frame.assign(name, native)

    def drop(self, columns: str | list[str]) -> StreamingDataFrame:
        """Without these columns.

        Examples
        --------
        >>> sdf.drop("y").backtest([{"x": 1, "y": 2}]).to_pylist()
        [{'x': 1}]
        """
        return self._after(self._frame.drop([columns] if isinstance(columns, str) else list(columns)))

    def rename(self, columns: dict[str, str]) -> StreamingDataFrame:
        """With other names: `{old: new}`.

        Examples
        --------
        >>> sdf.rename({"x": "gForceX"}).backtest([{"x": 1, "y": 2}]).to_pylist()
        [{'gForceX': 1, 'y': 2}]
        """
        return self._after(self._frame.rename(list(columns.items())))

    def rolling(
        self,
        window: int | str | timedelta,
        *,
        min_periods: int | None = None,
        grace: float | str | timedelta = 0,
        on_late: str | Topic | Callable[[dict[str, Any]], object] | None = None,
        name: str = "",
    ) -> Rolling[StreamingDataFrame]:
        """Moving aggregates of all columns of a projection, in one walk; arguments as in `Series.rolling`.

        Examples
        --------
        >>> sdf[["mx", "my"]] = sdf[["x", "y"]].rolling(2, min_periods=1).mean()
        >>> table = sdf.backtest([{"k": 1, "x": 1, "y": 2}, {"k": 1, "x": 3, "y": 2}], key="k")
        >>> table["mx"].to_pylist(), table["my"].to_pylist()
        ([1.0, 2.0], [2.0, 2.0])
        """
        return Rolling(self._frame.rolling(window, grace, min_periods, on_late, name), self._after)

    def apply(self, function: RowFunction, *, stateful: bool = False, name: str = "") -> StreamingDataFrame:
        """`function(row)` for every row: the dict that it returns is the new row.

        In `sdf["y"] = sdf.apply(f)` any value that it returns is the column's. Slow beside columns: Python is
        entered for each row. A call that raises makes its row bad (kind `function`).

        Parameters
        ----------
        function
            Called with the row as a dict, and with the key's `State` if it is stateful.
        stateful
            Whether it has state. Rows then need a key.
        name
            Of the state; default: `apply(f)` with the function's name.

        Notes
        -----
        *Threads*: the worker's; with one worker the thread that called `run()`, so that breakpoints work.
        KeyboardInterrupt and SystemExit end the run. NaN is null, an int beyond int64 makes the row bad.

        Examples
        --------
        >>> def count(row: dict, state: tr.State) -> int:
        ...     state.set("n", state.get("n", 0) + 1)
        ...     return state.get("n")
        >>> sdf["n"] = sdf.apply(count, stateful=True)
        >>> sdf.backtest([{"k": "a"}, {"k": "b"}, {"k": "a"}], key="k")["n"].to_pylist()
        [1, 1, 2]
        """
        return self._after(self._frame.apply(function, stateful, name))

    def filter(
        self, condition: RowFunction | Series, *, stateful: bool = False, name: str = ""
    ) -> StreamingDataFrame:
        """The rows for which `condition(row)` returns True; of a series, the same as `sdf[series]`.

        Examples
        --------
        >>> sdf.filter(lambda row: row["x"] > 1).backtest([{"x": 1}, {"x": 2}]).to_pylist()
        [{'x': 2}]
        """
        if isinstance(condition, Series):
            return self[condition]
        return self._after(self._frame.filter(condition, stateful, name))

    def update(self, function: RowFunction, *, stateful: bool = False, name: str = "") -> StreamingDataFrame:
        """`function(row)` for every row: it changes the dict in place; what it returns does not count.

        Examples
        --------
        >>> sdf.update(lambda row: row.update(y=row["x"] * 2)).backtest([{"x": 1}]).to_pylist()
        [{'x': 1, 'y': 2}]
        """
        return self._after(self._frame.update(function, stateful, name))

    def map_batches(self, function: Callable[..., Any]) -> StreamingDataFrame:
        """`function(table)` for every batch of a projection: as many rows out as in.

        The table is what the annotation of the function's first parameter says: `pyarrow.Table` (the
        default), `pyarrow.RecordBatch`, `pandas.DataFrame`, `dict[str, numpy.ndarray]`, or, where every
        parameter is a `numpy.ndarray`, an array a column. It may return any of these, and in
        `sdf["y"] = sdf[["x"]].map_batches(f)` also an array or a series.

        Notes
        -----
        Numbers come as float64 unless the topic's `schema=` declares them as int64. A batch is whatever has
        arrived: do not let a result depend on other rows. Where a call raises, the batch is split until only
        the rows that fail alone are bad. *Threads*: as `apply`.

        Examples
        --------
        >>> def norm(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        ...     return np.sqrt(x**2 + y**2)
        >>> sdf["norm"] = sdf[["x", "y"]].map_batches(norm)
        >>> sdf.backtest([{"x": 3, "y": 4}])["norm"].to_pylist()
        [5.0]
        """
        return self._after(self._frame.map_batches(function, adapter(function)))

    def to_topic(
        self, topic: Topic, key: str | Series | Callable[[dict[str, Any]], object] | None = None
    ) -> StreamingDataFrame:
        """Writes every row to `topic`; returns itself.

        The record keeps the input's headers; its timestamp is the row's event time; its key is the input's,
        or that of a column, a series, or a function of the row.

        Examples
        --------
        >>> _ = sdf.to_topic(app.topic("alerts"), key="rider")
        """
        self._frame.to_topic(topic, unwrapped(key))
        return self

    def sink(self, sink: Sink) -> StreamingDataFrame:
        """Writes every row to a place outside the log, once; returns itself.

        Rows are written with every checkpoint, before the log commits. `backtest` writes nothing.

        Raises
        ------
        PlanError
            If the application writes to another sink of that name.

        Examples
        --------
        >>> _ = sdf.sink(tr.PostgresSink("postgresql://localhost/telemetry", table="phone"))
        """
        self._frame.sink(sink._native)
        return self

    def print(self, width: int = 15, *, live: bool = False) -> StreamingDataFrame:
        """Prints rows as they pass, columns `width` characters wide; `live`: a table that redraws itself."""
        self._frame.print(width, live)
        return self

    def backtest(
        self,
        data: object,
        key: str | None = None,
        timestamp: str | None = None,
        batch_rows: int | None = None,
        progress: bool = True,
    ) -> pyarrow.Table:
        """Runs the frame over a table: the rows that reach its end, in the order of the input.

        Values are bit for bit those of a run on a log. Nothing is written, no state is left; the
        application's `summary` is set.

        A long table is worked on by several threads, up to the processors that this process may use (and
        16), each with the rows of some of the keys. Code of yours is called on this thread alone, rows in
        order: plans with functions, models in Python, a `state_ttl` or an `on_error` function take one
        thread.

        Parameters
        ----------
        data
            A pyarrow, pandas or polars table, anything with `__arrow_c_stream__`, a list of dicts, or the
            path of an NDJSON (`.ndjson .jsonl .json`), CSV or Parquet file.
        key, timestamp
            The columns that hold each row's key and event time. Default: no key; the topic's `timestamp=`.
            The time's unit is the topic's `timestamp_unit=`, milliseconds unless it says another; where the
            topic has a `timestamp=`, it is that column's unit, and another column is in milliseconds. A
            column of an Arrow timestamp type has a unit of its own.
        batch_rows
            Rows a batch, for tests; results do not depend on it.
        progress
            Whether to show how far it is, where it takes more than a second.

        Raises
        ------
        PlanError
            If the plan needs a key or a time, or reads a column, that the data do not have.
        BadRowError
            For a bad row under the policy `"stop"`, with its number as offset.

        Examples
        --------
        >>> sdf["mean"] = sdf["x"].rolling(2).mean()
        >>> sdf.backtest([{"k": 1, "x": 1}, {"k": 1, "x": 4}], key="k").to_pylist()
        [{'k': 1, 'x': 1, 'mean': None}, {'k': 1, 'x': 4, 'mean': 2.5}]

        Times in seconds:

        >>> sdf = app.dataframe(app.topic("rides", timestamp_unit="s"))
        >>> sdf["sum"] = sdf["x"].rolling("10s").sum()
        >>> rows = [{"k": 1, "t": 1706781600, "x": 1}, {"k": 1, "t": 1706781615, "x": 4}]
        >>> sdf.backtest(rows, key="k", timestamp="t")["sum"].to_pylist()
        [1, 4]
        """
        rows, source = read(data)
        done = self._application.backtest(self._frame, rows, key, timestamp, batch_rows or 0, progress)
        return result_table(done, source, immutable=source is data)
