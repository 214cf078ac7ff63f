"""The judge is judged: what `./dev crash` says of rows that are as they should be, and of others."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import arrivals
import comparison
import numpy as np
import phone_rows
import pyarrow as pa
import pytest
from ground import expected
from schedule import Schedule

Rows = list[dict[str, Any]]


def wanted(count: int = 200) -> pa.Table:
    return pa.table(
        {
            "n": list(range(0, 2 * count, 2)),
            "k": [f"k{i % 7}" for i in range(count)],
            "mean": [None if i % 5 == 0 else i / 3 for i in range(count)],
        }
    )


def written(rows: Rows, path: Path) -> pa.Table:
    """As `kafka_probe dump` writes them, keys shared among three partitions."""
    with path.open("w") as file:
        for offset, row in enumerate(rows):
            place = {"partition": int(row["k"][1:]) % 3, "offset": offset, "key": row["k"], "row": row}
            file.write(json.dumps(place) + "\n")
    return comparison.read_dump(path)


def nothing(rows: Rows) -> None:
    pass


def one_is_lost(rows: Rows) -> None:
    del rows[17]


def one_comes_twice(rows: Rows) -> None:
    rows.insert(40, rows[17])


def a_value_is_off_by_little(rows: Rows) -> None:
    rows[17] = {**rows[17], "mean": rows[17]["mean"] * (1 + 1e-15)}


def a_value_is_null(rows: Rows) -> None:
    rows[17] = {**rows[17], "mean": None}


def a_null_is_a_value(rows: Rows) -> None:
    rows[15] = {**rows[15], "mean": 1.0}


def two_change_places(rows: Rows) -> None:
    rows[17], rows[24] = rows[24], rows[17]


def one_was_never_sent(rows: Rows) -> None:
    rows[17] = {**rows[17], "n": 33}


def one_has_another_key(rows: Rows) -> None:
    rows[17] = {**rows[17], "k": "k1"}


def one_has_a_field_more(rows: Rows) -> None:
    rows[17] = {**rows[17], "more": 1}


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        (nothing, {}),
        (one_is_lost, {"missing": 1}),
        (one_comes_twice, {"doubled": 2}),
        (a_value_is_off_by_little, {"other values": 1}),
        (a_value_is_null, {"other values": 1}),
        (a_null_is_a_value, {"other values": 1}),
        (two_change_places, {"out of order": 1}),
        (one_was_never_sent, {"never sent": 1, "missing": 1}),
        (one_has_another_key, {"other values": 1}),
        (one_has_a_field_more, {"with fields that nobody asked for": 1}),
    ],
)
def test_what_is_wrong_is_found(
    tmp_path: Path, change: Callable[[Rows], None], faults: dict[str, int]
) -> None:
    rows = wanted().to_pylist()
    change(rows)
    result = comparison.compare(written(rows, tmp_path / "dump"), wanted(), duplicates_allowed=False)
    assert result.faults == faults
    assert bool(result.shown) == bool(faults)


def test_rows_that_come_again_are_allowed_where_their_values_are_right(tmp_path: Path) -> None:
    rows = wanted().to_pylist()
    again = rows[:100] + rows[50:]
    result = comparison.compare(written(again, tmp_path / "dump"), wanted(), duplicates_allowed=True)
    assert (result.faults, result.doubled) == ({}, 50)
    again[120] = {**again[120], "mean": 0.5}
    result = comparison.compare(written(again, tmp_path / "dump"), wanted(), duplicates_allowed=True)
    assert result.faults == {"other values": 1}


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        (nothing, {}),
        (one_is_lost, {"missing": 1}),
        (one_comes_twice, {"never sent": 1}),
        (two_change_places, {"out of order": 1}),
    ],
)
def test_what_comes_of_rows_that_were_sent_twice_is_held_to_come_twice(
    tmp_path: Path, change: Callable[[Rows], None], faults: dict[str, int]
) -> None:
    rows = wanted().to_pylist()
    rows = rows[:100] + rows[50:]
    source = written(rows, tmp_path / "source")
    change(rows)
    again, found = comparison.as_written(source, written(rows, tmp_path / "found"))
    assert again["n"].to_pylist() == list(range(250))
    assert again.drop_columns(["n"]).equals(source.select(["k", "mean"]))
    assert comparison.compare(found, again, duplicates_allowed=False).faults == faults


def test_the_rows_follow_from_their_numbers() -> None:
    assert phone_rows.phone_rows(500, 700).equals(phone_rows.phone_rows(0, 900).slice(500, 200))
    table = expected("windows", phone_rows.phone_rows(0, 5000))
    assert 4000 < table.num_rows < 5000
    assert table["mean"].null_count < table.num_rows


def test_a_schedule_follows_from_its_seed() -> None:
    assert Schedule(7, 180).text() == Schedule(7, 180).text() != Schedule(8, 180).text()
    assert {fault for seed in range(5) for fault in Schedule(seed, 180).faults} == {
        "kill",
        "kill all",
        "stop",
        "pause",
        "join",
        "broker",
        "disk",
        "clock",
    }


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_done_is_undone(seed: int) -> None:
    events = Schedule(seed, 300).events
    for begins, ends in (("pause", "resume"), ("fill", "free"), ("kill_broker", "start_broker")):
        assert len([e for e in events if e.action == begins]) == len([e for e in events if e.action == ends])
    assert events == sorted(events)
    assert events[-1].at_s < 300


def test_silence_is_the_longest_time_between_two_rows_of_a_partition(tmp_path: Path) -> None:
    path = tmp_path / "arrivals"
    seconds = [(0, 1), (1, 1), (0, 2), (0, 6), (1, 3), (1, 10)]
    seen = np.zeros(len(seconds), dtype=arrivals.ARRIVAL)
    seen["partition"] = [partition for partition, _ in seconds]
    seen["arrived_ns"] = [at * 1_000_000_000 for _, at in seconds]
    seen.tofile(path)
    assert arrivals.longest_silence(path) == (1, 3_000_000_000, 10_000_000_000)
    assert arrivals.longest_silence(path).seconds == 7
    assert arrivals.gaps_s(path, 1_500_000_000, 2_500_000_000) == {0: 4, 1: 2}
    assert arrivals.first_after_ns(path, 0, 2_500_000_000) == 6_000_000_000
    assert arrivals.first_after_ns(path, 0, 6_500_000_000) is None
    assert arrivals.quiet_for_s(path, 2, 12_000_000_000) == 6
