"""Batches for functions of tables: in and out of the form that a function takes and returns."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

from tiderace._tiderace import Table
from tiderace.errors import PlanError

Adapter = Callable[[Table], Any]


def adapter(function: Callable[..., Any]) -> Adapter:
    """`function` from a table of the engine to an Arrow table, by the annotation of its first parameter."""
    hints = _annotations(function)
    if not callable(function) or (hints and _form_of(hints[0]) in _NO_FORMS):
        wanted = "pyarrow.Table or RecordBatch, pandas.DataFrame, dict, numpy.ndarray or nothing"
        found = f"one with {_form_of(hints[0])}" if hints else repr(function)[:100]
        raise PlanError(f"map_batches: wanted a function with {wanted} as annotation, found {found}")
    make = _FORMS.get(_form_of(hints[0]) if hints else "", _as_table)
    if hints and all(_form_of(hint) == "ndarray" for hint in hints):
        return lambda table: _as_arrow(_with_rows(function(*_as_arrays(table).values())))
    return lambda table: _as_arrow(_with_rows(function(make(table))))


def _annotations(function: Callable[..., Any]) -> list[Any]:
    """Of the parameters that must be given, in order."""
    try:
        parameters = inspect.signature(function).parameters
        hints = typing.get_type_hints(function)
    except (NameError, TypeError, ValueError):
        return []
    needed = [name for name, each in parameters.items() if each.default is inspect.Parameter.empty]
    return [hints.get(name) for name in needed]


def _form_of(hint: Any) -> str:
    """`DataFrame`, `RecordBatch`, `ndarray`, `dict`, ...: by name, so that nothing has to be imported."""
    return getattr(typing.get_origin(hint) or hint, "__name__", "")


def _as_table(table: Table) -> Any:
    import pyarrow as pa  # type: ignore[import-untyped]

    return pa.table(table)


def _as_record_batch(table: Table) -> Any:
    return _as_table(table).combine_chunks().to_batches()[0]


def _as_pandas(table: Table) -> Any:
    return _as_table(table).to_pandas()


def _as_arrays(table: Table) -> dict[str, Any]:
    arrow = _as_table(table)
    return {name: arrow[name].to_numpy() for name in arrow.column_names}


_FORMS: dict[str, Callable[[Table], Any]] = {
    "RecordBatch": _as_record_batch,
    "DataFrame": _as_pandas,
    "dict": _as_arrays,
}


# What somebody may hope for, and a table is not.
_NO_FORMS = {
    "list",
    "tuple",
    "set",
    "str",
    "int",
    "float",
    "bool",
    "bytes",
    "Series",
    "Array",
    "ChunkedArray",
}


def _with_rows(result: Any) -> Any:
    if isinstance(result, str | bytes) or not hasattr(result, "__len__"):
        raise TypeError(f"wanted a table or an array with as many rows as came in, found {result!r:.100}")
    return result


def _as_arrow(result: Any) -> Any:
    """A table; values without a name (an array, a series, a list) are its one column."""
    import pyarrow as pa

    if type(result).__module__.partition(".")[0] == "pandas" and result.ndim == 2:
        return pa.Table.from_pandas(result, preserve_index=False)
    if isinstance(result, pa.Table | pa.RecordBatch | dict):
        return pa.table(result)
    if isinstance(result, pa.Array | pa.ChunkedArray):
        return pa.table([result], names=["value"])
    if hasattr(result, "columns") and hasattr(result, "__arrow_c_stream__"):
        return pa.table(result)
    return pa.table([pa.array(result, from_pandas=True)], names=["value"])
