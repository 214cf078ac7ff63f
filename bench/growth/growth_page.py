"""Curves and tables of docs/guide/growth.md, of what `./dev bench growth` has measured."""

import sys
from pathlib import Path
from typing import Any

import charts

AXES = {
    "keys": "keys",
    "window_s": "seconds of the window",
    "columns": "columns read, of rows that have 300",
    "row_bytes": "bytes of a row",
    "workers": "workers",
    "state_mb": "MB of state",
}
COST = "CPU seconds per million rows"
CHECKPOINT = "milliseconds of a checkpoint"


def _curve(axis: str, rows: list[dict[str, Any]], field: str, title: str) -> charts.Curve:
    points = [(row[axis], row[field], *row.get(f"{field}_range", [row[field], row[field]])) for row in rows]
    return charts.Curve(title, AXES[axis], points)


def chart(told: dict[str, Any]) -> str:
    curves = [_curve(axis, told[axis], "cpu_s_per_million", COST) for axis in AXES]
    curves.append(_curve("state_mb", told["state_mb"], "checkpoint_ms", CHECKPOINT))
    return charts.curves("How the cost of a row grows", curves)


def write(results: Path) -> None:
    told = charts.read(results)
    charts.draw("growth.svg", chart(told))
    fields = {
        "rows_a_second": "rows/s",
        "cpu_s_per_million": "CPU s per million rows",
        "peak_mb": "MB at most",
    }
    of_state = {"stored_mb": "MB stored", "in_memory_mb": "MB in memory", "checkpoint_ms": "checkpoint, ms"}
    parts = {
        axis: charts.table(told[axis], {axis: title, **fields, **(of_state if axis == "state_mb" else {})})
        for axis, title in AXES.items()
    }
    charts.fill("growth.md", parts)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
