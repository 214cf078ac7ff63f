"""Trains the crash detector's model on real recordings and shows how it does on others that it never saw.

The features come from the service's own function, run over the recordings with `sdf.backtest`: what the model
is trained on is what it sees live. Writes shaking.pkl (scikit-learn) and shaking.ubj (XGBoost).
"""

import argparse
import pickle
from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import phone
import pyarrow as pa  # type: ignore[import-untyped]
import tiderace as tr
import xgboost
from service import FEATURES, features
from sklearn.metrics import precision_score, recall_score  # type: ignore[import-untyped]
from sklearn.tree import DecisionTreeClassifier  # type: ignore[import-untyped]

HELD_OUT = [number for number in phone.recordings() if number % 10 >= 7]
TRAINING = [number for number in phone.recordings() if number % 10 < 7]


def labelled_rows(replay: list[int], seed: int) -> list[dict[str, Any]]:
    """Rides put together from these recordings, as the phone sends them, with the truth about each row."""
    truth = phone.labels(riders=20, duration_s=240, seed=seed, replay=replay)
    return with_truth(phone.rows(truth, seed=seed), truth)


def with_truth(rows: Iterable[phone.Row], truth: list[phone.Label]) -> list[dict[str, Any]]:
    by_rider: dict[str, list[phone.Label]] = {}
    for label in truth:
        by_rider.setdefault(label.rider, []).append(label)
    found = []
    for row in rows:
        mine = by_rider[row.rider]
        label = mine[bisect_right(mine, row.timestamp_ms, key=lambda each: each.begin_ms) - 1]
        about = {"rider": row.rider, "activity": label.activity, "truth": int(label.shaking)}
        found.append({**row.fields, **about})
    return found


def frame() -> tr.StreamingDataFrame:
    """The service's frame up to the model. Nothing here talks to a broker."""
    app = tr.Application(consumer_group="crash-detector-training")
    return features(app.dataframe(app.topic("phone-data")))


def matrix(table: pa.Table) -> np.ndarray[Any, Any]:
    return np.column_stack([table[name].to_numpy() for name in FEATURES])


def fit_tree(inputs: np.ndarray[Any, Any], truth: np.ndarray[Any, Any]) -> DecisionTreeClassifier:
    """Small enough to be read: each leaf stands on a hundred rows."""
    return DecisionTreeClassifier(max_depth=6, min_samples_leaf=100, random_state=0).fit(inputs, truth)


def scored(model: tr.Model, data: Any) -> pa.Table:
    """The service's whole frame, the model included, over `data`: what it would have said, in `shaking`."""
    sdf = frame()
    sdf["shaking"] = model.predict(sdf[FEATURES])
    return sdf.backtest(data, key="rider", timestamp="timestamp")


def train(output: Path, more: Iterable[dict[str, Any]] = ()) -> list[Path]:
    """Trains both models, on the recordings and more labelled rows, and returns their files."""
    data = [*labelled_rows(TRAINING, seed=1), *more]
    table = frame().backtest(data, key="rider", timestamp="timestamp")
    inputs, truth = matrix(table), table["truth"].to_numpy()

    tree = fit_tree(inputs, truth)
    output.mkdir(parents=True, exist_ok=True)
    pickled = output / "shaking.pkl"
    pickled.write_bytes(pickle.dumps(tree))

    # Without a base score of its own XGBoost takes one from the data; 0.5 is read alike by all its versions.
    boosted = xgboost.XGBClassifier(n_estimators=20, max_depth=3, base_score=0.5, random_state=0)
    boosted.fit(inputs, truth)
    boosted.get_booster().feature_names = FEATURES
    native = output / "shaking.ubj"
    boosted.save_model(native)
    return [pickled, native]


def evaluate(model: Path, data: list[dict[str, Any]]) -> None:
    """Prints how often the service would have been right about `data`."""
    table = scored(tr.load_model(model), data)
    truth, found = table["truth"].to_numpy(), table["shaking"].to_numpy()
    precision, recall = precision_score(truth, found), recall_score(truth, found)
    print(f"\n{model.name}: {len(truth):,} rows of {len(HELD_OUT)} recordings it never saw")
    print(f"  precision {precision:.3f}   recall {recall:.3f}")
    print("  activity         rows   is shaking   marked as shaking")
    activities = np.array(table["activity"].to_pylist())
    for activity in sorted(set(activities)):
        rows = activities == activity
        known = "yes" if activity in phone.SHAKING else "no"
        print(f"  {activity:10} {rows.sum():10,}   {known:>10}   {found[rows].mean():17.1%}")


def run(output: Path) -> None:
    """Trains, and evaluates on what was held out."""
    models = train(output)
    data = labelled_rows(HELD_OUT, seed=2)
    for model in models:
        evaluate(model, data)
    print("\nsaved:", *models)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="directory for the models")
    arguments = parser.parse_args()
    run(arguments.output)


if __name__ == "__main__":
    main()
