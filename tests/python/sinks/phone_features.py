"""Rows of phones, and what has to be in the table of features that comes of them."""

from pathlib import Path
from typing import Any

import sink_service
import tiderace as tr
from postgres_server import Postgres

Features = list[tuple[int, str, float, float | None]]


def phone_rows(begin: int, end: int) -> list[dict[str, Any]]:
    """The same rows whoever asks: some without x, with numbers of two kinds, with a new field."""
    rows: list[dict[str, Any]] = []
    for n in range(begin, end):
        row: dict[str, Any] = {"n": n, "rider": f"rider-{n * n % 7}", "t": 1_700_000_000_000 + 40 * n}
        if n % 6 != 4:
            row["x"] = n % 97 if n % 2 else n % 97 + 0.25
        if n % 500 == 499:
            row[f"extra-{n // 500 % 4}"] = {"n": n}
        rows.append(row)
    return rows


def expected(rows: list[dict[str, Any]], folder: Path) -> Features:
    """By a backtest, in the order of `n`."""
    app = tr.Application(f"embedded:{folder}/backtest", consumer_group="backtest")
    table = sink_service.pipeline(app).backtest(rows, key="rider", timestamp="t", progress=False)
    found = [(row["n"], row["rider"], row["mean"], row["change"]) for row in table.to_pylist()]
    return sorted(
        (n, rider, mean, None if change is None else float(change)) for n, rider, mean, change in found
    )


def found(postgres: Postgres, table: str = "features") -> Features:
    """In the table, in the order of `n`."""
    rows = postgres.rows(f"SELECT n, rider, mean, change FROM {table} ORDER BY n")
    return [
        (int(n), rider, float(mean), None if change == "" else float(change))
        for n, rider, mean, change in rows
    ]
