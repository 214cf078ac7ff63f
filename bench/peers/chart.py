"""Makes docs/guide/peers.svg and tables of docs/guide/peers.md of what `./dev bench peers` has measured."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide"
LEFT, WIDTH, BAR, GAP, HEAD = 210, 640, 16, 6, 34
LEAST, MOST = 1_000, 2_000_000  # rows/s, the ends of the axis
OURS = "tiderace"
Row = dict[str, Any]


def _x(rows_a_second: float) -> float:
    share = math.log(max(rows_a_second, LEAST) / LEAST) / math.log(MOST / LEAST)
    return LEFT + share * (WIDTH - LEFT - 90)


def _bars(title: str, rows: Sequence[Row], top: int) -> list[str]:
    lines = [f'<text x="0" y="{top + 20}" class="title">{title}</text>']
    for number, row in enumerate(rows):
        y = top + HEAD + number * (BAR + GAP)
        kind = "ours" if row["system"].startswith(OURS) else "other"
        end, text = _x(row["rows_a_second"]), f"{row['rows_a_second']:,.0f}"
        lines += [
            f'<text x="{LEFT - 8}" y="{y + 12}" class="name">{row["system"]}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" class="{kind}"/>',
            f'<text x="{end + 6:.1f}" y="{y + 12}">{text}</text>',
        ]
    return lines


def svg(measured: Sequence[Row], titles: dict[str, str]) -> str:
    """Bars of input rows a second, on a logarithmic axis, a group for each job of `titles`."""
    lines: list[str] = []
    top = 0
    for job, title in titles.items():
        rows = [row for row in measured if row["job"] == job]
        if not rows:
            continue
        lines += _bars(title, rows, top)
        top += HEAD + len(rows) * (BAR + GAP) + GAP
    style = (
        "text{font:12px sans-serif;fill:#333}.title{font-weight:bold}.name{text-anchor:end}"
        ".ours{fill:#0b7285}.other{fill:#adb5bd}"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" role="img">'
    return "\n".join([head, f"<style>{style}</style>", *lines, "</svg>"]) + "\n"


def table(rows: Sequence[Row], columns: dict[str, str]) -> str:
    """Markdown: `columns` are the fields of a row and their titles."""
    lines = [" | ".join(["", *columns.values(), ""]), " | ".join(["", *("---" for _ in columns), ""])]
    for row in rows:
        lines.append(" | ".join(["", *(_cell(row, name) for name in columns), ""]))
    return "\n".join(line.strip() for line in lines)


def _cell(row: Row, name: str) -> str:
    value = row.get(name, "")
    return f"{value:,}" if isinstance(value, int | float) and value >= 1000 else str(value)


def filled(page: str, tables: dict[str, str]) -> str:
    """The page with each table between its marks, `<!-- NAME -->` and `<!-- end of NAME -->`."""
    for name, text in tables.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        page = re.sub(f"{begin}.*?{end}", lambda _, t=f"{begin}\n{text}\n{end}": t, page, flags=re.DOTALL)
    return page


def write(results: Path) -> None:
    """Chart and page, from a file of results."""
    told = json.loads(results.read_text())
    throughput = told["results"]
    titles = {
        "stateless": "Filter, one new column",
        "mean": "the same and the mean of the key's last 10 s",
        "tree": "the same and a decision tree",
        "forest": "the same and a forest of 100 trees",
    }
    (GUIDE / "peers.svg").write_text(svg(throughput, titles))
    columns = {
        "job": "job",
        "system": "system",
        "rows_a_second": "rows/s",
        "cpu_s_per_million": "CPU s per million rows",
        "peak_mb": "MB at most",
        "start_s": "first row after s",
    }
    of_latency = {
        "system": "system",
        "p50_ms": "p50 ms",
        "p99_ms": "p99",
        "p99.9_ms": "p99.9",
        "memory_mb": "MB",
    }
    of_rest = {
        "job": "model",
        "rows_a_second": "rows/s",
        "p50_ms": "p50 ms",
        "p99_ms": "p99",
        "offered_at_1.5": "rows offered at 1.5 times that rate",
        "lost": "without an answer within 1 s",
    }
    tables = {
        "throughput": table(throughput, columns),
        "latency": table(told["latency"], of_latency),
        "rest": table(told["rest"], of_rest),
    }
    page = GUIDE / "peers.md"
    page.write_text(filled(page.read_text(), tables))
