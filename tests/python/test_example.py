"""The phone of the crash detection example: what it sends, and what it says about what it sends."""

from collections import Counter
from pathlib import Path
from statistics import median

import phone
import pytest


def played(**options: object) -> tuple[list[phone.Label], list[phone.Row]]:
    truth = phone.labels(**options)  # type: ignore[arg-type]
    return truth, list(phone.rows(truth))


def test_recordings_are_what_the_note_of_origin_says() -> None:
    activities = Counter(recording.activity for recording in phone.recordings().values())
    assert activities == {"standing": 10, "walking": 10, "running": 10, "badminton": 10}
    assert all(len(recording.acceleration) == 100 for recording in phone.recordings().values())


def test_two_kinds_of_row_at_their_rates() -> None:
    _, rows = played(riders=2, duration_s=30)
    kinds = Counter((row.rider, tuple(row.fields)) for row in rows)
    force = ("timestamp", "gForceX", "gForceY", "gForceZ")
    place = ("timestamp", "latitude", "longitude", "altitude", "speed", "heartRate")
    wanted = {force: 300, place: 30}
    assert kinds == {(rider, kind): n for rider in ("rider-1", "rider-2") for kind, n in wanted.items()}


def test_rows_come_in_order_of_time_and_carry_it() -> None:
    _, rows = played(riders=3, duration_s=20, start_ms=1_700_000_000_123)
    times = [row.timestamp_ms for row in rows]
    assert times == sorted(times)
    assert times[0] == 1_700_000_000_123
    assert times[-1] == 1_700_000_000_123 + 19_900
    assert all(row.fields["timestamp"] == row.timestamp_ms for row in rows)


@pytest.mark.parametrize("rate", [1, 3, 4, 7.5, 10, 25])
def test_rate_sets_the_rows_a_second(rate: float) -> None:
    truth = phone.labels(duration_s=40)
    times = [row.timestamp_ms for row in phone.rows(truth, rate=rate) if "gForceX" in row.fields]
    assert len(times) == 40 * rate
    assert len(set(times)) == len(times)


def test_at_rest_the_total_is_gravity() -> None:
    truth = phone.labels(riders=30, duration_s=10)
    assert {label.activity for label in truth} == {"standing"}
    totals = [
        sum(abs(row.fields[name]) for name in ("gForceX", "gForceY", "gForceZ"))
        for row in phone.rows(truth)
        if "gForceX" in row.fields
    ]
    assert 9.8 <= median(totals) <= 10.5
    assert phone.g_force((0.0, 0.0, 0.0)) == {"gForceX": 9.81, "gForceY": 0.0, "gForceZ": 0.0}


def test_shaking_moves_more_than_gravity() -> None:
    truth, rows = played(riders=5, duration_s=60)
    shaken = [label for label in truth if label.shaking]
    assert {label.activity for label in shaken} == phone.SHAKING
    for label in shaken:
        totals = [
            sum(abs(row.fields[name]) for name in ("gForceX", "gForceY", "gForceZ"))
            for row in rows
            if row.rider == label.rider
            and label.begin_ms <= row.timestamp_ms < label.end_ms
            and "gForceX" in row.fields
        ]
        assert len(totals) == 100
        assert sum(totals) / len(totals) > 12


def test_labels_cover_each_ride_without_gaps() -> None:
    truth = phone.labels(riders=4, duration_s=65, start_ms=5)
    for rider in ("rider-1", "rider-2", "rider-3", "rider-4"):
        mine = [label for label in truth if label.rider == rider]
        assert [label.begin_ms for label in mine] == [5 + 10_000 * i for i in range(7)]
        assert [label.end_ms for label in mine] == [*(label.begin_ms for label in mine[1:]), 65_005]
        assert all(label.shaking == (label.activity in phone.SHAKING) for label in mine)


def test_a_seed_plays_the_same_again_and_another_seed_does_not() -> None:
    first = phone.labels(riders=3, duration_s=100, seed=1)
    assert first == phone.labels(riders=3, duration_s=100, seed=1)
    assert first != phone.labels(riders=3, duration_s=100, seed=2)
    assert list(phone.rows(first, seed=1)) == list(phone.rows(first, seed=1))
    # More riders do not change what the others do.
    assert first == [label for label in phone.labels(riders=9, duration_s=100, seed=1) if label in first]


def test_only_chosen_recordings_are_played() -> None:
    truth = phone.labels(riders=5, duration_s=100, replay=[7, 17, 27])
    assert {label.recording for label in truth} == {7, 17, 27}


def test_labels_survive_the_file(tmp_path: Path) -> None:
    truth = phone.labels(riders=2, duration_s=30)
    phone.write_labels(tmp_path / "labels.ndjson", truth)
    assert phone.read_labels(tmp_path / "labels.ndjson") == truth


def test_wrong_options_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["--riders", "0"], ["--rate", "-1"], ["--recordings", "3,99"]):
        with pytest.raises(SystemExit, match="2"):
            phone.parse(wrong)
    assert "no such recording: [99]; there are 0 to 39" in capsys.readouterr().err
