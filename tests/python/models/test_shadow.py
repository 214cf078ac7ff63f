"""A second model beside the first: it writes what it says, and costs no row."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiderace as tr
from serving import POLL, Serving, Times, always, negative, publish, scored, until

ROWS = [{"x": 1.0}, {"x": None}, {"x": -2.0}]


def test_both_are_written(sdf: tr.StreamingDataFrame) -> None:
    main, shadow = tr.load_model(Times(1)), tr.load_model(Times(10))
    sdf["y"] = main.predict(sdf[["x"]], shadow=shadow)
    sdf["z"] = main.predict(sdf[["x"]], shadow=shadow, shadow_column="z10").abs()
    assert sdf.backtest(ROWS).to_pylist() == [
        {"x": 1.0, "y": 1.0, "y-shadow": 10.0, "z10": 10.0, "z": 1.0},
        {"x": None, "y": None, "y-shadow": None, "z10": None, "z": None},
        {"x": -2.0, "y": -2.0, "y-shadow": -20.0, "z10": -20.0, "z": 2.0},
    ]


def test_a_failure_costs_the_shadow_alone(app: tr.Application, sdf: tr.StreamingDataFrame) -> None:
    main = tr.load_model(Times(1))
    sdf["y"] = main.predict(sdf[["x"]], shadow=tr.load_model(Times(10, negative)))
    assert [row["y-shadow"] for row in sdf.backtest(ROWS).to_pylist()] == [10.0, None, None]
    calls = 0

    class Broken:
        def predict(self, features: Any) -> Any:
            nonlocal calls
            calls += 1
            raise ValueError("broken")

    frame = app.dataframe(app.topic("input"))
    frame["y"] = main.predict(frame[["x"]], shadow=tr.load_model(Broken()))
    found = frame.backtest([{"x": float(x)} for x in range(4096)], batch_rows=4096)
    assert found["y"].to_pylist() == list(range(4096))
    assert set(found["y-shadow"].to_pylist()) == {None}
    assert calls <= 16, "a broken shadow is called a few times a batch, not for every row"
    assert app.summary.bad == 0


def test_a_shadow_without_a_name_stands_alone(sdf: tr.StreamingDataFrame) -> None:
    prediction = tr.load_model(Times(1)).predict(sdf[["x"]], shadow=tr.load_model(Times(2)))
    for use in (lambda: prediction + 1, lambda: sdf[prediction], lambda: prediction.round(1)):
        with pytest.raises(tr.PlanError, match="say shadow_column="):
            use()
    with pytest.raises(tr.PlanError, match="there is no shadow="):
        tr.load_model(Times(1)).predict(sdf[["x"]], shadow_column="z")


def test_columns_beside_a_prediction_replace_nothing(sdf: tr.StreamingDataFrame, tmp_path: Path) -> None:
    tr.publish_model(Times(1), tmp_path / "shaking", features=["x"])
    model, shadow = tr.load_model(tmp_path / "shaking"), tr.load_model(Times(2))
    features = sdf[["x"]]
    for options in ({"version_column": "x"}, {"shadow": shadow, "shadow_column": "x"}):
        with pytest.raises(tr.PlanError, match='_column="x": that is a feature of the model'):
            model.predict(features, **options)
    with pytest.raises(tr.PlanError, match='wanted two names, found "v" twice'):
        model.predict(features, version_column="v", shadow=shadow, shadow_column="v")
    for options in ({"version_column": "y"}, {"shadow": shadow, "shadow_column": "y"}):
        with pytest.raises(tr.PlanError, match='_column="y" is the same column'):
            sdf["y"] = model.predict(features, **options)
        with pytest.raises(tr.PlanError, match='_column="y" is the same column'):
            sdf["y"] = model.predict(features, **options) + 1
    with pytest.raises(tr.PlanError, match='_column="y-shadow" is the same column'):
        sdf["y"] = model.predict(features, shadow=shadow, version_column="y-shadow")
    sdf["y"] = model.predict(features, version_column="v")
    sdf["v"] = sdf["y"]  # said by itself, as ever


def test_features_of_a_shadow_are_checked(sdf: tr.StreamingDataFrame, tmp_path: Path) -> None:
    tr.publish_model(Times(1), tmp_path / "shaking", features=["w"])
    with pytest.raises(tr.PlanError, match="missing: w; not known to it: x"):
        tr.load_model(Times(1)).predict(sdf[["x"]], shadow=tr.load_model(tmp_path / "shaking"))


def test_a_shadow_with_versions(make_app: Callable[..., tr.Application], tmp_path: Path) -> None:
    """Champion and challenger of one registry, both watched."""
    address = f"{tmp_path}/shaking"
    publish(address, 1)
    tr.publish_model(Times(2), address, features=["x"], alias="challenger")
    app = make_app()
    champion = tr.load_model(f"{address}@champion", poll_interval=POLL)
    challenger = tr.load_model(f"{address}@challenger", poll_interval=POLL)
    sdf = app.dataframe(app.topic("input"))
    sdf["y"] = champion.predict(sdf[["x"]], shadow=challenger, version_column="v")
    sdf.to_topic(app.topic("output"))
    with Serving(app).running() as serving:
        first = serving.send(1)
        assert first.row == {"x": 1, "v": "1", "y": 1.0, "y-shadow": 2.0}
        assert first.headers == {"tiderace.model.shaking": "1", "tiderace.shadow.shaking": "2"}
        tr.publish_model(Times(3), address, features=["x"], alias="challenger")
        until(lambda: challenger.version == "3")
        assert serving.send(2, 3).row["y-shadow"] == 9.0
        tr.publish_model(Times(4, always), address, features=["x"], alias="challenger")
        until(lambda: challenger.version == "4")
        assert serving.send(4, 5).row["y-shadow"] == 15.0
        tr.promote_model(address, 3)
        until(lambda: champion.version == "3")
        last = serving.send(6, 7)
        assert last.headers == {"tiderace.model.shaking": "3", "tiderace.shadow.shaking": "3"}
    assert all(row.y is not None for row in scored(app))
    text = app.explain()
    assert "shadow=load_model(" in text
