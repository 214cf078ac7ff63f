"""Chart and tables of docs/guide/peers.md, of what `./dev bench peers` has measured."""

import sys
from pathlib import Path
from typing import Any

import charts

TITLES = {
    "stateless": "Filter, one new column: rows a second",
    "mean": "and on every row the mean of its key's last 10 s",
    "tree": "and a decision tree of scikit-learn",
    "forest": "and a forest of 100 trees of scikit-learn",
    "row-function": "a new column by a Python function of one row",
}
THROUGHPUT = {
    "job": "job",
    "system": "system",
    "rows_a_second": "rows/s",
    "cpu_s_per_million": "CPU s per million rows",
    "cpu_ratio": "of Tiderace's",
    "broker_cpu_s_per_million": "broker's",
    "peak_mb": "MB at most",
    "start_s": "first output after s",
}
LATENCY = {
    "system": "system",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "p99.9_ms": "p99.9 ms",
    "memory_mb": "MB resident",
}
REST = {
    "job": "model",
    "rows_a_second": "rows/s",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "offered_at_1.5": "offered at 1.5 times that rate",
    "lost": "of these without an answer in 1 s",
}


def _kind(system: str) -> str:
    if system.startswith("handwritten"):
        return "limit"
    return "ours" if system.startswith("tiderace") else "other"


def chart(rows: list[dict[str, Any]]) -> str:
    groups = {
        title: [
            (row["system"], row["rows_a_second"], _kind(row["system"]))
            for row in rows
            if row["job"] == job and row["system"] != "handwritten-quick"
        ]
        for job, title in TITLES.items()
    }
    return charts.bars(
        "Input rows a second of each system", {title: rows for title, rows in groups.items() if rows}
    )


def with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Also how many times the CPU of Tiderace each takes, in the same job."""
    ours: dict[str, float] = {}
    for row in rows:
        if row["system"] in ("tiderace", "tiderace-python"):
            ours.setdefault(row["job"], row["cpu_s_per_million"])
    return [{**row, "cpu_ratio": f"{row['cpu_s_per_million'] / ours[row['job']]:.3g}"} for row in rows]


def write(results: Path) -> None:
    told = charts.read(results)
    charts.draw("peers.svg", chart(told["results"]))
    tables = {
        "throughput": charts.table(with_ratios(told["results"]), THROUGHPUT),
        "latency": charts.table(told["latency"], LATENCY),
        "rest": charts.table(told["rest"], REST),
        "faults": "\n".join(f"- {fault}" for fault in told["faults"]) or "Nothing.",
    }
    charts.fill("peers.md", tables)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
