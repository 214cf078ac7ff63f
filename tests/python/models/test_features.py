"""Features that a published model was trained on are held against the plan, before a row flows."""

from pathlib import Path

import pytest
import tiderace as tr
from sklearn.linear_model import LinearRegression

TRAINED = {"total": "float64", "steps": "int64", "indoors": "bool"}


@pytest.fixture
def model(tmp_path: Path) -> tr.Model:
    line = LinearRegression().fit([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]], [0.0, 3.0])
    tr.publish_model(line, tmp_path / "shaking", features=TRAINED)
    return tr.load_model(tmp_path / "shaking")


@pytest.fixture
def typed(app: tr.Application) -> tr.StreamingDataFrame:
    schema = {"total": "float64", "steps": "int64", "indoors": "bool", "name": "string", "height": "float64"}
    return app.dataframe(app.topic("typed", schema=schema))


def test_the_right_ones(model: tr.Model, typed: tr.StreamingDataFrame, sdf: tr.StreamingDataFrame) -> None:
    for frame in (typed, sdf):
        frame["y"] = model.predict(frame[["total", "steps", "indoors"]]).round(6)
        rows = [{"total": 1.0, "steps": 1, "indoors": True}, {"total": 1.0, "steps": None, "indoors": True}]
        assert frame.backtest(rows)["y"].to_pylist() == [3.0, None]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["total", "steps"], r"the pipeline gives \(total, steps\); missing: indoors;"),
        (
            ["total", "steps", "inside"],
            r"features \(total, steps, indoors\), the pipeline gives \(total, steps, inside\); "
            "missing: indoors; not known to it: inside; select them under these names, in this order",
        ),
        (["steps", "total", "indoors"], "they are the same in another order"),
        (["total", "steps", "indoors", "more"], "not known to it: more"),
    ],
)
def test_other_names(model: tr.Model, sdf: tr.StreamingDataFrame, columns: list[str], message: str) -> None:
    with pytest.raises(tr.PlanError, match="shaking version 1: the model was trained on the .*" + message):
        model.predict(sdf[columns])


def test_other_types(model: tr.Model, typed: tr.StreamingDataFrame) -> None:
    typed["steps"] = typed["height"]
    with pytest.raises(
        tr.PlanError, match=r"trained on steps as int64, the pipeline gives float64; .*astype"
    ):
        model.predict(typed[["total", "steps", "indoors"]])
    typed["steps"] = typed["height"].astype("int64")
    model.predict(typed[["total", "steps", "indoors"]])
    typed["total"] = typed["name"]
    with pytest.raises(tr.PlanError, match="total"):
        model.predict(typed[["total", "steps", "indoors"]])


def test_names_of_computed_features(model: tr.Model, sdf: tr.StreamingDataFrame) -> None:
    features = sdf.rename({"steps-10s": "steps"})[["total", "steps", "indoors"]]
    model.predict(features)
    with pytest.raises(tr.PlanError, match="not known to it: total-10s"):
        model.predict(sdf.rename({"total": "total-10s"})[["total-10s", "steps", "indoors"]])
