"""`./dev bench backtest` holds the three libraries against each other."""

import history
import numpy as np
import pytest


def test_all_libraries_have_the_same_means() -> None:
    told, faults = history.measure(rows=30_000, rounds=1)
    assert faults == []
    assert [row["system"] for row in told] == ["tiderace", "pandas", "polars"]
    assert all(row["rows_a_second"] > 0 for row in told)


def test_the_means_are_those_of_the_last_ten_seconds() -> None:
    rows = history.history(60_000)
    means = history.of_tiderace(rows)()
    kept = rows.filter(rows["gForceX"].is_valid()).to_pandas()
    one = kept[kept["rider"] == "rider-0007"]
    total = one[history.AXES].abs().sum(axis=1)
    times = one["timestamp"].to_numpy()
    last = total.to_numpy()[times > times[-1] - 10_000]
    place = np.flatnonzero(kept["rider"] == "rider-0007")[-1]
    assert np.isclose(means[place], last.mean(), rtol=1e-12)


def test_another_mean_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**history.SYSTEMS, "polars": lambda table: lambda: history.of_polars(table)() + 1e-6}
    monkeypatch.setattr(history, "SYSTEMS", wrong)
    _, faults = history.measure(rows=30_000, rounds=1)
    assert faults == ["polars has other means"]
