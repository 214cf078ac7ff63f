"""What programs that measure share: their options, a table on the screen, JSON in bench/results/."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bench

GUARANTEES = ("at-least-once", "exactly-once")
Row = dict[str, Any]


def parser(name: str, about: str | None) -> argparse.ArgumentParser:
    """With the options guarantees, brokers and keep."""
    made = argparse.ArgumentParser(prog=f"./dev {name}", description=about)
    made.add_argument(
        "--guarantee",
        dest="guarantees",
        nargs="+",
        choices=GUARANTEES,
        default=GUARANTEES,
        help="default: both",
    )
    made.add_argument("--brokers", type=int, choices=[1, 3], default=1, help="default: 1")
    made.add_argument("--keep", action="store_true", help="keep logs and data")
    return made


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
