"""Charts (SVG) and tables (Markdown) of what was measured, for pages of the guide."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "guide"
Row = Mapping[str, Any]

STYLE = (
    "text{font:12px sans-serif;fill:#222}.title{font-weight:bold}.right{text-anchor:end}"
    ".middle{text-anchor:middle}.light{fill:#777}.grid{stroke:#ddd}"
    ".ours{fill:#0b7285}.limit{fill:#e8890c}.other{fill:#adb5bd}"
    ".curve{stroke:#0b7285;stroke-width:2;fill:none}.range{stroke:#0b7285}"
)


def _svg(width: int, height: int, title: str, lines: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">'
    )
    back = f'<rect width="{width}" height="{height}" fill="#fff"/>'
    return (
        "\n".join(
            [head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", back, *lines, "</svg>"]
        )
        + "\n"
    )


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _short(value: float) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


class Axis:
    """From numbers to places between `begin` and `end`, by their logarithm."""

    def __init__(self, least: float, most: float, begin: float, end: float) -> None:
        self._low, self._high = math.log10(least), math.log10(most)
        self._begin, self._end = begin, end

    def at(self, value: float) -> float:
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._begin + max(share, 0.0) * (self._end - self._begin)

    def powers(self) -> list[float]:
        return [10.0**power for power in range(math.ceil(self._low), math.floor(self._high) + 1)]


def bars(title: str, groups: Mapping[str, Sequence[tuple[str, float, str]]]) -> str:
    """For each group its title and bars of (name, value, class), on one logarithmic axis."""
    width, left, bar, step, head = 760, 190, 15, 21, 30
    values = [value for rows in groups.values() for _, value, _ in rows]
    axis = Axis(10 ** math.floor(math.log10(min(values))), max(values), left, width - 80)
    lines: list[str] = []
    y = 4
    for group, rows in groups.items():
        lines.append(_text(0, y + 18, group, "title"))
        y += head
        bottom = y + len(rows) * step
        lines += [_line(axis.at(power), y - 4, axis.at(power), bottom, "grid") for power in axis.powers()]
        for name, value, kind in rows:
            end = axis.at(value)
            lines.append(_text(left - 8, y + 12, name, "right"))
            lines.append(f'<rect x="{left}" y="{y}" width="{end - left:.1f}" height="{bar}" class="{kind}"/>')
            lines.append(_text(end + 5, y + 12, f"{value:,.0f}"))
            y += step
        lines += [_text(axis.at(power), y + 10, _short(power), "middle light") for power in axis.powers()]
        y += 22
    return _svg(width, y, title, lines)


@dataclass(frozen=True)
class Curve:
    """Points of (x, y, least y, most y): x by its logarithm, y from 0 on."""

    title: str
    of: str
    points: Sequence[tuple[float, float, float, float]]


WIDTH, HEIGHT = 400, 240  # of a curve


def _curve(curve: Curve) -> list[str]:
    left, right, top, base = 50, WIDTH - 20, 34, HEIGHT - 42
    points = curve.points
    most = 1.15 * max(point[3] for point in points)
    axis = Axis(points[0][0], points[-1][0], left, right)

    def up(value: float) -> float:
        return base - value / most * (base - top)

    step = 10 ** math.floor(math.log10(most))
    step = step / 2 if most / step < 2.5 else step
    lines = [_text(4, 16, curve.title, "title")]
    for number in range(math.floor(most / step) + 1):
        y = up(number * step)
        lines += [
            _line(left, y, right, y, "grid"),
            _text(left - 6, y + 4, f"{number * step:g}", "right light"),
        ]
    for x, _, low, high in points:
        lines.append(_text(axis.at(x), base + 16, _short(x), "middle light"))
        lines.append(_line(axis.at(x), up(low), axis.at(x), up(high), "range"))
    path = " ".join(f"{axis.at(x):.1f},{up(y):.1f}" for x, y, _, _ in points)
    lines.append(f'<polyline points="{path}" class="curve"/>')
    lines.append(_text((left + right) / 2, HEIGHT - 8, curve.of, "middle"))
    return lines


def curves(title: str, all_of: Sequence[Curve]) -> str:
    """Two beside each other."""
    lines: list[str] = []
    for number, one in enumerate(all_of):
        x, y = number % 2 * WIDTH, number // 2 * HEIGHT
        lines += [f'<g transform="translate({x} {y})">', *_curve(one), "</g>"]
    return _svg(2 * WIDTH, (len(all_of) + 1) // 2 * HEIGHT, title, lines)


def table(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    """Markdown; `columns` are the fields of a row that it shows, and their titles."""
    lines = [list(columns.values()), ["---"] * len(columns)]
    lines += [[_cell(row.get(name)) for name in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:g}"
    return str(value)


def fill(page: str, parts: Mapping[str, str]) -> None:
    """Writes each part into the page of the guide, between `<!-- NAME -->` and `<!-- end of NAME -->`."""
    path = GUIDE / page
    text = path.read_text()
    for name, part in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, found, rest = text.partition(begin)
        if not found or end not in rest:
            raise ValueError(f"{path} has no place between {begin} and {end}")
        text = f"{before}{begin}\n\n{part}\n\n{end}{rest.partition(end)[2]}"
    path.write_text(text)


def draw(name: str, svg: str) -> None:
    """Writes a chart into the guide."""
    (GUIDE / name).write_text(svg)


def read(results: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(results.read_text())
    return told
