"""What `./dev bench growth` says of how cost grows: it reads metrics right, and takes each axis in turn."""

import growth
import pytest


def test_metrics_are_summed_over_their_labels() -> None:
    text = """# HELP tiderace_state_bytes bytes
# TYPE tiderace_state_bytes gauge
tiderace_state_bytes{topic="in",partition="0"} 1000
tiderace_state_bytes{topic="in",partition="1"} 2.5
tiderace_checkpoint_seconds_count 7
"""
    assert growth.metrics(text) == {"tiderace_state_bytes": 1002.5, "tiderace_checkpoint_seconds_count": 7.0}


def test_the_points_of_an_axis_take_turns() -> None:
    options = growth.parse(["workers", "keys", "--rounds", "2"])
    order = [(axis, point.value) for axis, point in growth.runs(options)]
    keys = [1_000, 10_000, 100_000, 1_000_000]
    assert order == [*(("keys", count) for count in keys * 2), *(("workers", count) for count in [1, 2] * 2)]


def test_an_axis_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        growth.parse(["colour"])
    assert "there is no colour; there are keys, window_s" in capsys.readouterr().err


def test_each_point_is_told_as_the_median_of_its_runs() -> None:
    rows = [{"system": "200", "job": "row_bytes", "peak_mb": peak} for peak in (3.0, 1.0, 2.0)]
    assert growth.by_axis(rows) == {
        "row_bytes": [{"row_bytes": 200, "runs": 3, "peak_mb": 2.0, "peak_mb_range": [1.0, 3.0]}]
    }
