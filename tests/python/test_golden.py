"""The golden files, built by the Python front end: the same plans, bytes and messages as in C++."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiderace as tr
from conftest import records

FILES = sorted((Path(__file__).parents[1] / "golden").rglob("*.txt"))
ByKey = dict[str, list[str]]


def sections(path: Path) -> list[list[str]]:
    """The plan, the input, what comes out, and the bad rows, as lines."""
    found: list[list[str]] = [[]]
    for line in path.read_bytes().decode(errors="surrogateescape").split("\n"):
        if line == "----":
            found.append([])
        elif line or len(found) == 1:
            found[-1].append(line)
    return [*found, []] if len(found) == 3 else found


def by_key(lines: Iterator[tuple[str, str]]) -> ByKey:
    found: ByKey = defaultdict(list)
    for key, text in lines:
        found[key].append(text)
    return dict(found)


def expected(lines: list[str]) -> ByKey:
    return by_key((line.partition(" ")[0], line.partition(" ")[2]) for line in lines)


def written(directory: Path) -> ByKey:
    values = (
        (row["key"] or "-", row["value"].decode(errors="surrogateescape"))
        for row in records(directory, "out")
    )
    return by_key(values)


def bad(directory: Path) -> ByKey:
    def text(row: dict[str, Any]) -> str:
        headers = dict(row["headers"])
        return f"{headers['__tiderace.errors.kind']} {headers['__tiderace.errors.message']}"

    return by_key((row["key"] or "-", text(row)) for row in records(directory, "group-dead-letters"))


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden(make_app: Callable[..., tr.Application], tmp_path: Path, path: Path, parts: int) -> None:
    """In one run, and in two with a new state directory, so that the second goes on from the changelog."""
    plan, rows, out, wrong = sections(path)
    half = (len(rows) + 1) // parts
    for part in range(parts):
        options = {"on_error": "dead-letter", "processing_guarantee": "exactly-once", "workers": parts}
        app = make_app(state_dir=tmp_path / f"state-{part}", **options)
        exec("\n".join(plan), {"app": app, "tr": tr})
        with app.get_producer() as producer:
            for i, line in list(enumerate(rows))[half * part : half * part + half]:
                key, _, value = line.partition(" ")
                content = value.encode(errors="surrogateescape")
                producer.produce("in", None if key == "-" else key, content, timestamp=1000 + i)
        app.run(until_end=True)
    assert written(tmp_path / "log") == expected(out)
    assert bad(tmp_path / "log") == expected(wrong)
