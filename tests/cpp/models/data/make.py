"""Makes the small models beside it and what Python's XGBoost predicts with them.

Run by hand with XGBoost 3.2 when a model is added; the C++ tests read the files as they are.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb

HERE = Path(__file__).parent
NULL = -999.0  # stands for a missing feature in expected.json

random = np.random.default_rng(4)
X = random.normal(size=(400, 3)).round(4)
LABEL = (X[:, 0] + 0.5 * X[:, 1] > 0.7).astype(int)
BAND = np.digitize(X[:, 0], [-0.5, 0.5])
NUMBER = X[:, 0] * 3 + X[:, 2] + 7
POSITIVE = np.abs(NUMBER) + 1

ROWS = random.normal(size=(12, 3)).round(4)
ROWS[3, 1] = ROWS[5, 0] = np.nan
ROWS[7] = [1e300, -1e300, 0.0]

Values = dict[str, list[float]]


def classifier(name: str, labels: np.ndarray, expected: dict[str, Values], **options: Any) -> None:
    model = xgb.XGBClassifier(n_estimators=3, max_depth=2, **options).fit(X, labels)
    keep(name, model, expected)
    if options.get("objective") not in ("binary:hinge", "binary:logitraw", "multi:softmax"):
        probabilities = model.predict_proba(ROWS)
        second = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities.ravel()
        expected[name]["predict_proba"] = second.astype(float).tolist()


def regressor(name: str, target: np.ndarray, expected: dict[str, Values], **options: Any) -> None:
    keep(name, xgb.XGBRegressor(n_estimators=3, max_depth=2, **options).fit(X, target), expected)


def keep(name: str, model: xgb.XGBModel, expected: dict[str, Values]) -> None:
    model.save_model(HERE / f"{name}.ubj")
    expected[name] = {"predict": model.predict(ROWS).astype(float).tolist()}


def predicted(expected: dict[str, Values]) -> None:
    classifier("logistic", LABEL, expected)
    classifier("logistic_half", LABEL, expected, base_score=0.5)
    classifier("hinge", LABEL, expected, objective="binary:hinge")
    classifier("logitraw", LABEL, expected, objective="binary:logitraw")
    classifier("softprob", BAND, expected)
    classifier("softprob_half", BAND, expected, base_score=0.5)
    classifier("softmax", BAND, expected, objective="multi:softmax", num_class=3)
    classifier("dart", LABEL, expected, booster="dart", rate_drop=0.5, random_state=1)
    classifier("forest", LABEL, expected, num_parallel_tree=3, subsample=0.6, random_state=1)
    regressor("squared", NUMBER, expected)
    regressor("absolute", NUMBER, expected, objective="reg:absoluteerror")
    regressor("pseudohuber", NUMBER, expected, objective="reg:pseudohubererror")
    regressor("reg_logistic", LABEL * 0.9, expected, objective="reg:logistic")
    regressor("poisson", np.floor(POSITIVE), expected, objective="count:poisson")
    regressor("gamma", POSITIVE, expected, objective="reg:gamma")
    regressor("tweedie", POSITIVE, expected, objective="reg:tweedie")
    regressor("cox", POSITIVE, expected, objective="survival:cox")

    noise = random.permutation(LABEL)
    early = xgb.XGBClassifier(n_estimators=12, max_depth=1, early_stopping_rounds=2, learning_rate=1.0)
    early.fit(X[:200], LABEL[:200], eval_set=[(X[200:], noise[200:])], verbose=False)
    keep("early", early, expected)
    expected["early"]["predict_proba"] = early.predict_proba(ROWS)[:, 1].astype(float).tolist()

    two = xgb.train({"objective": "multi:softprob", "num_class": 2, "max_depth": 2}, xgb.DMatrix(X, LABEL), 3)
    two.save_model(HERE / "two_classes.ubj")
    probabilities = two.inplace_predict(ROWS)
    expected["two_classes"] = {
        "predict": probabilities.argmax(axis=1).astype(float).tolist(),
        "predict_proba": probabilities[:, 1].astype(float).tolist(),
    }

    aft = xgb.DMatrix(X, label_lower_bound=POSITIVE, label_upper_bound=POSITIVE * 2)
    survival = xgb.train({"objective": "survival:aft", "max_depth": 2}, aft, 3)
    survival.save_model(HERE / "aft.ubj")
    expected["aft"] = {"predict": survival.inplace_predict(ROWS).astype(float).tolist()}

    names = ["gForceTotal", "gForceTotal-10s", "größe"]
    named = xgb.train(
        {"objective": "binary:logistic", "max_depth": 2}, xgb.DMatrix(X, LABEL, feature_names=names), 3
    )
    named.save_model(HERE / "named.json")
    named.save_model(HERE / "named.ubj")


def refused() -> None:
    xgb.XGBRegressor(n_estimators=2, booster="gblinear").fit(X, NUMBER).save_model(
        HERE / "refused_gblinear.ubj"
    )
    trees: dict[str, Any] = {"n_estimators": 2, "max_depth": 2}
    both = np.stack([NUMBER, POSITIVE], axis=1)
    xgb.XGBRegressor(**trees).fit(X, both).save_model(HERE / "refused_targets.ubj")
    vector = xgb.XGBRegressor(multi_strategy="multi_output_tree", **trees).fit(X, both)
    vector.save_model(HERE / "refused_vector_leaf.ubj")
    xgb.XGBRegressor(objective="reg:quantileerror", quantile_alpha=0.5, **trees).fit(X, NUMBER).save_model(
        HERE / "refused_quantile.ubj"
    )
    xgb.XGBRanker(**trees).fit(X, LABEL, group=[400]).save_model(HERE / "refused_rank.ubj")
    categories = np.column_stack([X[:, :2], BAND])
    options: dict[str, Any] = {
        "feature_types": ["q", "q", "c"],
        "enable_categorical": True,
        "tree_method": "hist",
    }
    xgb.XGBRegressor(**trees, **options).fit(categories, NUMBER).save_model(HERE / "refused_categories.ubj")


def main() -> None:
    expected: dict[str, Values] = {}
    predicted(expected)
    refused()
    rows = np.where(np.isnan(ROWS), NULL, ROWS).ravel().tolist()
    (HERE / "expected.json").write_text(json.dumps({"rows": rows, "models": expected}, indent=1) + "\n")


if __name__ == "__main__":
    main()
