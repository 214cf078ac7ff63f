"""What was measured, as a table on the screen and as JSON with the machine in bench/results/."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bench

Row = dict[str, Any]


def show(rows: Sequence[Row]) -> None:
    """One line a row, under the names of its fields."""
    names = list(rows[0])
    lines = [names, *([str(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    for line in lines:
        print("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)))


def write(name: str, about: Row, rows: Sequence[Row]) -> Path:
    path: Path = bench.RESULTS / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    told = {**about, "results": rows, "machine": bench.machine(), "versions": bench.versions()}
    path.write_text(json.dumps(told, indent=1) + "\n")
    return path
