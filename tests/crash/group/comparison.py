"""Holds what is in a topic against what should be: per key, in order, none missing, none twice."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

SHOWN = 10
MOST_COPIES = 1000
PLACE = {"partition", "offset", "key"}


@dataclass
class Comparison:
    """What is wrong with a topic, by kind of fault: how many rows, and the first of them."""

    rows: int = 0
    doubled: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    shown: list[dict[str, Any]] = field(default_factory=list)

    def add(self, fault: str, count: int, rows: Iterator[dict[str, Any]]) -> None:
        if count:
            self.faults[fault] = count
            self.shown += [{"fault": fault, **row} for row, _ in zip(rows, range(SHOWN), strict=False)]


def read_dump(path: Path) -> pa.Table:
    """Of `kafka_probe dump`: partition, offset, key and the fields of the row, in their order."""
    if path.stat().st_size == 0:
        raise SystemExit(f"{path} is empty: there is nothing to judge")
    table = pyarrow.json.read_json(path, pyarrow.json.ReadOptions(block_size=16 << 20))
    rows = pa.Table.from_struct_array(table["row"].combine_chunks())
    for position, name in enumerate(("partition", "offset", "key")):
        rows = rows.add_column(position, name, table[name])
    return rows.sort_by([("partition", "ascending"), ("offset", "ascending")])


def compare(found: pa.Table, wanted: pa.Table, duplicates_allowed: bool) -> Comparison:
    """`wanted` has a number `n` that rises, a key `k`, and whatever else is to be equal, not about equal."""
    result = Comparison(rows=found.num_rows)
    numbers, known = found["n"].to_numpy(), wanted["n"].to_numpy()
    at = np.searchsorted(known, numbers)
    strange = (at == len(known)) | (known[np.minimum(at, len(known) - 1)] != numbers)
    result.add("never sent", int(strange.sum()), _rows(found, strange))
    found, at = found.filter(pa.array(~strange)), at[~strange]
    counts = np.bincount(at, minlength=len(known))
    result.add("missing", int((counts == 0).sum()), _rows(wanted, counts == 0))
    doubled = counts[at] > 1
    result.doubled = int((counts - 1)[counts > 1].sum())
    if not duplicates_allowed:
        result.add("doubled", int(doubled.sum()), _rows(found, doubled))
    _compare_values(result, found, wanted.take(at))
    _compare_order(result, found, at)
    return result


def as_written(source: pa.Table, found: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows of a topic that has some twice, and what came of them, both with numbers of their own.

    What is `n` in `found` becomes the place in `source` of its first copy, its second copy, and so on.
    """
    ours, theirs = _copies(source), _copies(found)
    order = np.argsort(ours)
    at = np.minimum(np.searchsorted(ours, theirs, sorter=order), len(ours) - 1)
    places = np.where(ours[order][at] == theirs, order[at], -1)
    rows = _renumbered(source.drop_columns(sorted(PLACE)), np.arange(len(ours)))
    return rows, _renumbered(found, places)


def _copies(table: pa.Table) -> Any:
    """By row a number that it has alone: `n` and how many rows with that `n` came before."""
    n = table["n"].to_numpy()
    order = np.argsort(n, kind="stable")
    before = np.empty(len(n), dtype=np.int64)
    before[order] = np.arange(len(n)) - np.searchsorted(n[order], n[order])
    return n * MOST_COPIES + before


def _renumbered(table: pa.Table, numbers: Any) -> pa.Table:
    return table.set_column(table.column_names.index("n"), "n", pa.array(numbers, pa.int64()))


def _compare_values(result: Comparison, found: pa.Table, wanted: pa.Table) -> None:
    strange = set(found.column_names) - set(wanted.column_names) - PLACE
    result.add("with fields that nobody asked for", len(strange), iter([{"fields": sorted(strange)}]))
    wrong = found["key"].to_numpy(zero_copy_only=False) != wanted["k"].to_numpy(zero_copy_only=False)
    for name in wanted.column_names:
        wrong |= _differs(_column(found, name, wanted[name].type), wanted[name])
    both = (
        {**row, "wanted": other} for row, other in zip(_rows(found, wrong), _rows(wanted, wrong), strict=True)
    )
    result.add("other values", int(wrong.sum()), both)


def _column(found: pa.Table, name: str, kind: pa.DataType) -> pa.ChunkedArray:
    if name not in found.column_names:
        return pa.chunked_array([pa.nulls(found.num_rows, kind)])
    return found[name].cast(kind)


def _differs(left: pa.ChunkedArray, right: pa.ChunkedArray) -> Any:
    nulls = pc.not_equal(pc.is_null(left), pc.is_null(right))
    return pc.or_(nulls, pc.fill_null(pc.not_equal(left, right), False)).to_numpy()


def _compare_order(result: Comparison, found: pa.Table, at: Any) -> None:
    """Of each row as it came first: the numbers of a key rise, and all are in one partition."""
    _, first = np.unique(at, return_index=True)
    first.sort()
    keys = pc.dictionary_encode(found["key"].combine_chunks()).indices.to_numpy()[first]
    order = np.argsort(keys, kind="stable")
    same_key = keys[order][1:] == keys[order][:-1]
    back = same_key & (at[first][order][1:] < at[first][order][:-1])
    partitions = found["partition"].to_numpy()[first][order]
    apart = same_key & (partitions[1:] != partitions[:-1])
    for fault, wrong in (("out of order", back), ("in several partitions", apart)):
        mask = np.zeros(found.num_rows, dtype=bool)
        mask[first[order[1:][wrong]]] = True
        result.add(fault, int(wrong.sum()), _rows(found, mask))


def _rows(table: pa.Table, mask: Any) -> Iterator[dict[str, Any]]:
    for index in np.flatnonzero(mask):
        yield table.slice(int(index), 1).to_pylist()[0]
