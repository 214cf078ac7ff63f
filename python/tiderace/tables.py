"""Tables in and out of a backtest."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiderace._tiderace import Backtest, InputTable
from tiderace.errors import PlanError

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]


def read(data: object) -> tuple[InputTable, pyarrow.Table | None]:
    """`data` for the engine, and as Arrow where it came as that: untouched columns keep their type."""
    if isinstance(data, list):
        return InputTable.of_rows(data), None
    if isinstance(data, str | os.PathLike):
        return _read_file(Path(data))
    return _of_table(_arrow(data))


def _of_table(table: pyarrow.Table) -> tuple[InputTable, pyarrow.Table | None]:
    if table.num_columns == 0:  # rows without a field, if any
        return InputTable.of_rows([{}] * table.num_rows), None
    return InputTable.from_arrow(table), table


def _arrow(data: object) -> pyarrow.Table:
    if type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "columns"):
        return _of_pandas(data)
    wanted = (
        "backtest: wanted a pyarrow, pandas or polars table, anything with __arrow_c_stream__, a list of "
        f"dicts or the path of a file, found {type(data).__name__}"
    )
    if not hasattr(data, "__arrow_c_stream__"):
        raise PlanError(wanted)
    return _of_stream(data, wanted)


def _of_pandas(frame: Any) -> pyarrow.Table:
    import pyarrow as pa

    try:
        return pa.Table.from_pandas(_with_named_index(frame), preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError, OverflowError) as error:
        # Arrow has two texts: what failed, and in which column.
        texts = [each for each in error.args if isinstance(each, str)]
        why = " ".join(texts) if len(texts) == len(error.args) else str(error)
        raise PlanError(
            "backtest: wanted a pandas table whose columns have names of their own and values of one type "
            f"each that Arrow has, found: {why}; a list of dicts, as of to_dict('records'), may mix types"
        ) from error


def _of_stream(data: Any, wanted: str) -> pyarrow.Table:
    import pyarrow as pa

    try:
        # A table as it is: what the protocol hands over may have empty chunks that cannot be taken from.
        return _without_views(data if isinstance(data, pa.Table) else pa.table(data))
    except pa.ArrowInvalid as error:
        raise PlanError(f"{wanted}, which Arrow does not take for a table: {error}") from error


def _with_named_index(frame: Any) -> Any:
    """A pandas frame whose index is among the columns where it has a name; else it only counts rows."""
    return frame if all(name is None for name in frame.index.names) else frame.reset_index()


def _without_views(table: pyarrow.Table) -> pyarrow.Table:
    """String views as strings: Arrow cannot take rows of views."""
    import pyarrow as pa

    types = {"string_view": pa.large_string(), "binary_view": pa.large_binary()}
    if not any(str(each) in types for each in table.schema.types):
        return table
    fields = [field.with_type(types.get(str(field.type), field.type)) for field in table.schema]
    return table.cast(pa.schema(fields))


def _read_file(path: Path) -> tuple[InputTable, pyarrow.Table | None]:
    match path.suffix.lower():
        case ".parquet":
            return _of_table(_read_parquet(path))
        case ".csv":
            return InputTable.read_csv(str(path)), None
        case ".ndjson" | ".jsonl" | ".json":
            return InputTable.read_ndjson(str(path)), None
    raise PlanError(f"backtest: wanted a file .ndjson, .jsonl, .json, .csv or .parquet, found '{path}'")


def _read_parquet(path: Path) -> pyarrow.Table:
    import pyarrow as pa
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]

    try:
        return parquet.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise PlanError(f"backtest: cannot read '{path}': {error}") from error


def result_table(done: Backtest, source: pyarrow.Table | None, immutable: bool) -> pyarrow.Table:
    """What a backtest gave: its own columns, and rows of those of `source` that it did not touch.

    Where nobody can change what `source` stands on, and no row was left out, these are its own.
    """
    import pyarrow as pa

    if source is None or done.is_documents:
        return pa.table(done.table())
    computed = pa.table(done.computed())
    kept = list(dict.fromkeys(origin for _, origin in done.fields if origin is not None))
    source = source.select(kept)
    whole = immutable and len(done.rows) == source.num_rows
    taken = source if whole else _rows_of(source, done.rows)
    columns = [computed[name] if origin is None else taken[origin] for name, origin in done.fields]
    return pa.table(columns, names=[name for name, _ in done.fields])


def _rows_of(table: pyarrow.Table, rows: Any) -> dict[str, pyarrow.ChunkedArray]:
    """The columns of `table` with the given rows, each by a thread of its own."""
    import pyarrow as pa
    import pyarrow.compute as pc  # type: ignore[import-untyped]

    indices = pa.array(rows)
    with ThreadPoolExecutor(pa.cpu_count()) as pool:
        taken = pool.map(lambda column: pc.take(column, indices, boundscheck=False), table.columns)
        return dict(zip(table.column_names, taken, strict=True))
