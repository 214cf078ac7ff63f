"""Models: objects and files, what they get and give, and what happens when they fail."""

import hashlib
import json
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnxruntime
import pandas as pd
import pytest
import skl2onnx
import tiderace as tr
import xgboost
from conftest import records
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tiderace.registry import runnable

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(300, 2))
LABELS = (FEATURES[:, 0] + FEATURES[:, 1] > 0).astype(int)
ROWS = [{"a": float(a), "b": float(b)} for a, b in FEATURES]


def predicted(sdf: tr.StreamingDataFrame, model: Any, rows: Any = ROWS, **options: Any) -> list[Any]:
    sdf["y"] = tr.load_model(model).predict(sdf[["a", "b"]], **options)
    found: list[Any] = sdf.backtest(rows)["y"].to_pylist()
    return found


def tree() -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_depth=4, random_state=0).fit(FEATURES, LABELS)


def test_an_object(sdf: tr.StreamingDataFrame) -> None:
    assert predicted(sdf, tree()) == tree().predict(FEATURES).tolist()


def test_probabilities(sdf: tr.StreamingDataFrame) -> None:
    assert predicted(sdf, tree(), method="predict_proba") == tree().predict_proba(FEATURES)[:, 1].tolist()


def test_probabilities_of_three_classes(sdf: tr.StreamingDataFrame) -> None:
    model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(FEATURES, np.arange(300) % 3)
    found = predicted(sdf, model, method="predict_proba")
    assert [eval(text) for text in found] == model.predict_proba(FEATURES).tolist()


def test_files(sdf: tr.StreamingDataFrame, tmp_path: Path) -> None:
    expected = tree().predict(FEATURES).tolist()
    pickled, dumped = tmp_path / "tree.pkl", tmp_path / "tree.joblib"
    pickled.write_bytes(pickle.dumps(tree()))
    joblib.dump(tree(), dumped)
    assert predicted(sdf, pickled) == expected
    assert predicted(sdf, str(dumped)) == expected


def test_onnx(sdf: tr.StreamingDataFrame, tmp_path: Path) -> None:
    model = tree()
    path = tmp_path / "tree.onnx"
    single = FEATURES.astype(np.float32)
    path.write_bytes(skl2onnx.to_onnx(model, single[:1], options={"zipmap": False}).SerializeToString())
    rows = [{"a": float(a), "b": float(b)} for a, b in single]
    assert predicted(sdf, path, rows) == model.predict(single).tolist()
    found = predicted(sdf, path, rows, method="predict_proba")
    assert found == pytest.approx(model.predict_proba(single)[:, 1].tolist(), abs=1e-6)
    path.write_bytes(skl2onnx.to_onnx(model, single[:1]).SerializeToString())
    assert predicted(sdf, path, rows, method="predict_proba") == found


def test_onnx_in_small_chunks(sdf: tr.StreamingDataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    class Session:
        def __init__(self, content: bytes) -> None: ...

        def get_inputs(self) -> list[Any]:
            return [type("Input", (), {"name": "X", "type": "tensor(float)"})]

        def get_outputs(self) -> list[Any]:
            return [type("Output", (), {"name": "Y"})]

        def run(self, outputs: list[str], feed: dict[str, Any]) -> list[Any]:
            assert feed["X"].dtype == np.float32
            sizes.append(len(feed["X"]))
            return [feed["X"].sum(axis=1)]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    path = Path(__file__)  # any file that is there
    model = tr.Model("sum.onnx", runnable.of_object(runnable.Onnx(path.read_bytes()), "sum.onnx"))
    sdf["y"] = model.predict(sdf[["a", "b"]])
    found = sdf.backtest(ROWS)["y"].to_pylist()
    assert found == pytest.approx(FEATURES.astype(np.float32).sum(axis=1).tolist())
    assert max(sizes) <= 128
    assert sum(sizes) == 300


@pytest.mark.parametrize("suffix", [".ubj", ".json"])
def test_xgboost_runs_natively(sdf: tr.StreamingDataFrame, tmp_path: Path, suffix: str) -> None:
    model = xgboost.XGBClassifier(n_estimators=5, max_depth=3, base_score=0.5).fit(FEATURES, LABELS)
    path = tmp_path / f"boosted{suffix}"
    model.save_model(path)
    single = FEATURES.astype(np.float32)
    rows = [{"a": float(a), "b": float(b)} for a, b in single]
    assert predicted(sdf, path, rows) == model.predict(single).tolist()
    found = predicted(sdf, path, rows, method="predict_proba")
    assert found == pytest.approx(model.predict_proba(single)[:, 1].tolist(), abs=1e-6)


def test_names_of_features_are_handed_over(sdf: tr.StreamingDataFrame) -> None:
    frame = pd.DataFrame(FEATURES, columns=["a", "b"])
    model = DecisionTreeClassifier(max_depth=4, random_state=0).fit(frame, LABELS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert predicted(sdf, model) == model.predict(frame).tolist()
    sdf["y"] = tr.load_model(model).predict(sdf[["a", "b"]].rolling("10s").mean())
    rows = [{"a": 0.0, "b": 1.0, "k": "k", "t": 1}]
    assert sdf.backtest(rows, key="k", timestamp="t").num_rows == 1


class Calls:
    """Gives what `answer` says and remembers its input."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.seen: list[Any] = []

    def predict(self, features: Any) -> Any:
        self.seen.append(features)
        return self.answer(features)


def test_rows_with_a_null_are_not_put_to_the_model(sdf: tr.StreamingDataFrame) -> None:
    model = Calls(lambda features: features.sum(axis=1))
    rows = [{"a": 1, "b": 2}, {"a": None, "b": 2}, {"b": 1}, {"a": 0, "b": 0.5}]
    assert predicted(sdf, model, rows) == [3.0, None, None, 0.5]
    assert model.seen[0].tolist() == [[1.0, 2.0], [0.0, 0.5]]
    assert model.seen[0].dtype == np.float64
    model = Calls(lambda features: np.isnan(features).sum(axis=1))
    assert predicted(sdf, model, rows, nulls="pass") == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda f: (f[:, 0] * 2).astype(np.float32), [2.0, 4.0]),
        (lambda f: f[:, 0].astype(np.uint8), [1, 2]),
        (lambda f: f[:, 0] > 1, [False, True]),
        (lambda f: np.array(["low", "high"]), ["low", "high"]),
        (lambda f: np.array(["low", None], dtype=object), ["low", None]),
        (lambda f: f[:, :1], [1.0, 2.0]),
        (lambda f: list(f[:, 0]), [1.0, 2.0]),
        (lambda f: pd.Series(f[:, 0], index=[7, 8]), [1.0, 2.0]),
        (lambda f: np.array([np.nan, 1.0]), [None, 1.0]),
    ],
)
def test_what_models_return(sdf: tr.StreamingDataFrame, answer: Any, expected: list[Any]) -> None:
    assert predicted(sdf, Calls(answer), [{"a": 1, "b": 0}, {"a": 2, "b": 0}]) == expected


def test_a_wrong_length(app: tr.Application, sdf: tr.StreamingDataFrame) -> None:
    with pytest.raises(tr.BadRowError, match="wanted 2 predictions, one for each row, found 3") as error:
        predicted(sdf, Calls(lambda features: np.zeros(3)), ROWS[:2])
    assert (error.value.kind, error.value.offset) == ("model", 0)


def test_a_wrong_length_is_not_split_until_it_fits(app: tr.Application) -> None:
    model = Calls(lambda features: np.ones(1))
    sdf = app.dataframe(app.topic("input", on_error="skip"))
    assert predicted(sdf, model, [{"a": a, "b": 0} for a in range(5)]) == []
    assert (app.summary.bad, len(model.seen)) == (5, 1)


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_other_features_than_a_model_was_trained_on(sdf: tr.StreamingDataFrame, method: str) -> None:
    unnamed = LogisticRegression().fit([[0.0, 0.0], [1.0, 1.0]], [0, 1])
    with pytest.raises(tr.PlanError, match=r"trained on 2 features, found 1 \(a\)"):
        tr.load_model(unnamed).predict(sdf[["a"]], method=method)
    named = LogisticRegression().fit(pd.DataFrame({"a": [0.0, 1.0], "b": [0.0, 1.0]}), [0, 1])
    with pytest.raises(tr.PlanError, match=r"trained on the features \(a, b\), found \(b, a\)"):
        tr.load_model(named).predict(sdf[["b", "a"]], method=method)


def test_a_wrong_length_loses_nothing(make_app: Callable[..., tr.Application], tmp_path: Path) -> None:
    app = make_app(on_error="dead-letter", processing_guarantee="exactly-once")
    sdf = app.dataframe(app.topic("input"))
    sdf["y"] = tr.load_model(Calls(lambda features: features[features[:, 0] < 2, 0])).predict(sdf[["a"]])
    sdf.to_topic(app.topic("output"))
    with app.get_producer() as producer:
        for a in range(3):
            producer.produce("input", "k", {"a": a})
    summary = app.run(until_end=True)
    assert (summary.rows_in, summary.rows_out, summary.bad) == (3, 0, 3)
    letters = records(tmp_path / "log", "group-dead-letters")
    assert [json.loads(letter["value"]) for letter in letters] == [{"a": 0}, {"a": 1}, {"a": 2}]
    assert "wanted 3 predictions, one for each row, found 2" in str(letters[0]["headers"])


def test_rows_that_fail_alone_are_bad(app: tr.Application) -> None:
    def fussy(features: Any) -> Any:
        if (features[:, 0] == 3).any():
            raise ValueError("no threes")
        return features[:, 0]

    sdf = app.dataframe(app.topic("input", on_error="skip"))
    rows = [{"a": a, "b": 0} for a in range(8)]
    assert predicted(sdf, Calls(fussy), rows) == [0, 1, 2, 4, 5, 6, 7]
    assert app.summary.bad == 1


def test_the_message_of_a_model_that_raises(sdf: tr.StreamingDataFrame) -> None:
    with pytest.raises(tr.BadRowError, match=r"Calls: ZeroDivisionError: .* \(test_models.py line \d+\)"):
        predicted(sdf, Calls(lambda features: 1 / 0), ROWS[:1])


@pytest.mark.parametrize("answer", [None, 3.0])
def test_a_model_that_returns_no_array(sdf: tr.StreamingDataFrame, answer: Any) -> None:
    with pytest.raises(
        tr.BadRowError, match=f"wanted an array with a prediction for each row, found {answer}"
    ):
        predicted(sdf, Calls(lambda features: answer), ROWS[:1])


def test_mistakes(sdf: tr.StreamingDataFrame, tmp_path: Path) -> None:
    features = sdf[["a", "b"]]
    path = tmp_path / "tree.pkl"
    path.write_bytes(pickle.dumps(tree()))
    with pytest.raises(tr.ConfigError, match="predict_proba"):
        tr.load_model(DecisionTreeRegressor().fit(FEATURES, LABELS)).predict(features, method="predict_proba")
    onnx = tmp_path / "regressor.onnx"
    example = FEATURES[:1].astype(np.float32)
    model = skl2onnx.to_onnx(DecisionTreeRegressor().fit(FEATURES, LABELS), example)
    onnx.write_bytes(model.SerializeToString())
    with pytest.raises(tr.ConfigError, match="predict_proba"):
        tr.load_model(onnx).predict(features, method="predict_proba")
    with pytest.raises(tr.ConfigError, match="sha256= is for files"):
        tr.load_model(tree(), sha256="0" * 64)
    with pytest.raises(tr.ConfigError, match="method"):
        tr.load_model(tree()).predict(features, method="transform")
    with pytest.raises(tr.ConfigError, match="nulls"):
        tr.load_model(tree()).predict(features, nulls="drop")
    with pytest.raises(tr.ConfigError, match="predict"):
        tr.load_model(object())
    with pytest.raises(tr.ConfigError, match=r"missing\.pkl"):
        tr.load_model(tmp_path / "missing.pkl")
    (tmp_path / "broken.pkl").write_bytes(b"not a pickle")
    with pytest.raises(tr.ConfigError, match=r"cannot load the model '.*broken\.pkl': UnpicklingError"):
        tr.load_model(tmp_path / "broken.pkl")
    with pytest.raises(tr.ConfigError, match=r"(?i)sha-?256"):
        tr.load_model(path, sha256="0" * 64)
    assert tr.load_model(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_hash_is_checked_before_the_pickle_runs(tmp_path: Path) -> None:
    path = tmp_path / "evil.pkl"
    path.write_bytes(b"cbuiltins\nexec\n(S'open(\"" + str(tmp_path / "ran").encode() + b'", "w")\'\ntR.')
    with pytest.raises(tr.ConfigError):
        tr.load_model(path, sha256="0" * 64)
    assert not (tmp_path / "ran").exists()


def test_onnx_without_onnxruntime(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "import tiderace as tr\n"
        "try: tr.load_model(sys.argv[1])\n"
        "except tr.ConfigError as error: print(error)"
    )
    path = tmp_path / "model.onnx"
    path.write_bytes(b"x")
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert "pip install onnxruntime" in done.stdout


def test_expressions_of_predictions(sdf: tr.StreamingDataFrame) -> None:
    line = LinearRegression().fit([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]], [0.0, 2.0, 1.0])
    prediction = tr.load_model(line).predict(sdf[["a", "b"]])
    sdf["error"] = (sdf["truth"] - prediction).abs().round(9)
    assert sdf.backtest([{"a": 2, "b": 3, "truth": 7}])["error"].to_pylist() == [2.0]
