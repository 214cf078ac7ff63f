"""Times in the Arrow tables of a source, as its topic has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tiderace.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]

# What 64 bits of a unit hold, and what holds more.
REACH = {
    "ns": ("nanoseconds, which are from 1677 to 2262", "us"),
    "us": ("microseconds, which are 292,000 years before and after 1970", "ms"),
    "ms": ("milliseconds, which are 292 million years before and after 1970", "s"),
}


class OutOfRange(Exception):
    """A time that the unit does not hold. Its text is the time's."""


def without_times(tables: Iterable[Any], unit: str) -> Iterator[Any]:
    """The tables with times (timestamps, dates, also in lists and structs) as integers in `unit`, or text."""
    rows = 0
    for given in tables:
        if not hasattr(given, "__arrow_c_stream__"):
            yield given  # who reads it says what it should be
            continue
        table = _table(given)
        yield _converted(table, unit, rows) if table.num_rows else table
        rows += table.num_rows


def _table(given: Any) -> pyarrow.Table:
    import pyarrow as pa

    return given if isinstance(given, pa.Table) else pa.RecordBatchReader.from_stream(given).read_all()


def _converted(table: pyarrow.Table, unit: str, rows: int) -> pyarrow.Table:
    """`rows` come before it."""
    for index, field in enumerate(table.schema):
        if not _has_times(field.type):
            continue
        try:
            column = _plain_column(table[index], unit)
        except OutOfRange:
            _refuse(table[index], field.name, unit, rows)
        table = table.set_column(index, field.name, column)
    return table


def _refuse(column: pyarrow.ChunkedArray, name: str, unit: str, rows: int) -> None:
    row = _first_refused(column, lambda part: _plain_column(part, unit))
    try:
        _plain_column(column.slice(row, 1), unit)
    except OutOfRange as error:
        holds, other = REACH["us" if unit == "iso8601" else unit]
        raise ConfigError(
            f'row {rows + row}: column "{name}": {error} is no time in {holds}; take timestamp_unit="{other}"'
        ) from None


def _first_refused(values: Any, call: Callable[[Any], object]) -> int:
    """The first of the values, some of which `call` refuses, that it does."""
    import pyarrow as pa

    begin, size = 0, len(values)
    while size > 1:
        half = size // 2
        try:
            call(values.slice(begin, half))
            begin, size = begin + half, size - half
        except (OutOfRange, pa.ArrowInvalid):
            size = half
    return begin


def _has_times(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return any(_has_times(kind.field(index).type) for index in range(kind.num_fields))
    if _is_list(kind) or pa.types.is_dictionary(kind):
        return _has_times(kind.value_type)
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _plain_column(column: pyarrow.ChunkedArray, unit: str) -> pyarrow.ChunkedArray:
    import pyarrow as pa

    return pa.chunked_array([_plain(chunk, unit) for chunk in column.chunks])


def _plain(values: pyarrow.Array, unit: str) -> pyarrow.Array:
    import pyarrow as pa

    if not _has_times(values.type):
        return values
    if pa.types.is_dictionary(values.type):
        return _plain(values.dictionary_decode(), unit)
    if pa.types.is_struct(values.type):
        names = [values.type.field(index).name for index in range(values.type.num_fields)]
        fields = [_plain(field, unit) for field in values.flatten()]
        return pa.StructArray.from_arrays(fields, names, mask=values.is_null())
    return _plain_list(values, unit) if _is_list(values.type) else _of_unit(values, unit)


def _plain_list(values: pyarrow.Array, unit: str) -> pyarrow.Array:
    import pyarrow as pa
    import pyarrow.compute as pc  # type: ignore[import-untyped]

    # As flatten() has it, nulls hold nothing.
    sizes = pc.if_else(values.is_null(), 0, pc.list_value_length(values)).cast(pa.int64())
    ends = pc.cumulative_sum(sizes)
    begins = pa.concat_arrays([pa.array([0], pa.int64()), ends])
    return pa.LargeListArray.from_arrays(begins, _plain(values.flatten(), unit), mask=values.is_null())


def _of_unit(times: pyarrow.Array, unit: str) -> pyarrow.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if unit == "iso8601":
        return pc.strftime(_in(times, "us"), "%Y-%m-%dT%H:%M:%S", locale="C")
    return _in(times, unit).cast(pa.int64())


def _in(times: pyarrow.Array, unit: str) -> pyarrow.Array:
    import pyarrow as pa

    try:
        return _cast(times, unit)
    except pa.ArrowInvalid as error:
        first = _first_refused(times, lambda part: _cast(part, unit))
        raise OutOfRange(_text(times.slice(first, 1))) from error


def _cast(times: pyarrow.Array, unit: str) -> pyarrow.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    zone = "UTC" if getattr(times.type, "tz", None) else None
    return times.cast(options=pc.CastOptions(pa.timestamp(unit, zone), allow_time_truncate=True))


def _text(time: pyarrow.Array) -> str:
    import pyarrow as pa

    if pa.types.is_timestamp(time.type):
        time = time.cast(pa.timestamp(time.type.unit))
    return str(time.cast(pa.string())[0]).removeprefix("<value out of range: ").removesuffix(">")
