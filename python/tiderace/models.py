"""Models: features in, a value for each row out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tiderace import _tiderace
from tiderace.dataframe import StreamingDataFrame
from tiderace.errors import ConfigError, PlanError
from tiderace.series import Series

ONNX_ROWS = 128  # a call; larger ones are slower

Call = Callable[[Any, list[str]], Any]


class Model:
    """A trained model, as `load_model` returns it."""

    def __init__(self, name: str, bind: Callable[[str], _tiderace.Model]) -> None:
        self._name = name
        self._bind = bind

    def __repr__(self) -> str:
        return f"<Model {self._name}>"

    def predict(self, features: StreamingDataFrame, method: str = "predict", nulls: str = "null") -> Series:
        """The model's value for every row, computed a batch a call.

        Parameters
        ----------
        features
            A projection: `sdf[["x", "y"]]`, the columns in the order in which the model was trained.
        method
            `"predict"`, or `"predict_proba"`: the probability of the second of two classes, or an array of
            all of them where there are more.
        nulls
            `"null"`: a row with a null feature is not put to the model and gets null. `"pass"`: nulls are
            handed over as NaN.

        Notes
        -----
        Features are float64. A call that raises is split until only the rows that fail alone are bad (kind
        `model`); one that returns the wrong number of values makes all rows of the call bad. *Threads*: the
        worker's.

        Raises
        ------
        PlanError
            If the model says what it was trained on (`n_features_in_`, `feature_names_in_`, or in its file)
            and these are other features.

        Examples
        --------
        >>> class Double:
        ...     def predict(self, features):
        ...         return features[:, 0] * 2
        >>> sdf["y"] = tr.load_model(Double()).predict(sdf[["x"]])
        >>> sdf.backtest([{"x": 1}, {"x": None}])["y"].to_pylist()
        [2.0, None]
        """
        if not isinstance(features, StreamingDataFrame):
            raise PlanError(f'predict: wanted columns of a frame, sdf[["x", "y"]], found {features!r:.100}')
        if nulls not in ("null", "pass"):
            raise ConfigError(f'nulls: wanted "null" or "pass", found {nulls!r}')
        return Series(features._frame.predict(self._bind(method), nulls == "pass"))


def load_model(model: Any, sha256: str = "") -> Model:
    """A model from a file, or an object with `predict`.

    Parameters
    ----------
    model
        A path: a pickle or joblib file (by scikit-learn or any other library that is installed), `.onnx`
        (through onnxruntime), `.ubj` or `.json` of XGBoost (by the engine, without Python). Or an object
        with `predict(features)`, and `predict_proba(features)` for that method; one that was trained with
        the names of its features gets a pandas DataFrame, any other a NumPy array.
    sha256
        The hash that the file must have, in hexadecimal; a file that has another is not opened.

    Raises
    ------
    ConfigError
        If the file is missing, has another hash, or is no model that can be run.

    Warnings
    --------
    A pickle, and so a joblib file, runs whatever code its maker put into it: load only files from those whom
    you would let run code, and hold them to a `sha256` that you have from them. `.onnx`, `.ubj` and `.json`
    are data.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> line = LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
    >>> sdf["y"] = tr.load_model(line).predict(sdf[["x"]]).round(6)
    >>> sdf.backtest([{"x": 2}])["y"].to_pylist()
    [5.0]
    """
    if not isinstance(model, str | os.PathLike):
        if sha256:
            raise ConfigError("load_model: sha256= is for files; an object has no hash")
        return _of_object(model, type(model).__name__)
    path = Path(model)
    if path.suffix in (".ubj", ".json"):
        _tiderace.xgboost_model(str(path), sha256, "predict")  # what is wrong with it shows here
        return Model(path.name, lambda method: _tiderace.xgboost_model(str(path), sha256, method))
    return _of_object(_read(path, _tiderace.model_bytes(str(path), sha256)), path.name)


def _read(path: Path, content: bytes) -> Any:
    load = {".onnx": _Onnx, ".joblib": _unjoblib}.get(path.suffix, _unpickle)
    try:
        return load(content)
    except Exception as error:
        raise ConfigError(f"cannot load the model '{path}': {type(error).__name__}: {error}") from error


def _unpickle(content: bytes) -> Any:
    import pickle

    return pickle.loads(content)


def _unjoblib(content: bytes) -> Any:
    import io

    import joblib  # type: ignore[import-untyped]

    return joblib.load(io.BytesIO(content))


def _of_object(model: Any, name: str) -> Model:
    def bind(method: str) -> _tiderace.Model:
        lacks_it = method == "predict_proba" and isinstance(model, _Onnx) and len(model._outputs) < 2
        if method not in ("predict", "predict_proba") or not hasattr(model, method) or lacks_it:
            raise ConfigError(
                f"{name}: wanted method 'predict', or 'predict_proba' if the model has it, found {method!r}"
            )
        return _tiderace.python_model(_call_of(model, method), name, *_trained_on(model))

    if not hasattr(model, "predict"):
        raise ConfigError(f"{name}: wanted a path or an object with predict(), found {type(model).__name__}")
    return Model(name, bind)


def _trained_on(model: Any) -> tuple[int | None, list[str]]:
    """How many features the model wants and their names, as far as it says so and would insist on it."""
    count = getattr(model, "n_features_in_", None)
    if not isinstance(count, int) or hasattr(model, "steps") or hasattr(model, "best_estimator_"):
        return None, []  # a pipeline may select columns by name
    return count, [str(name) for name in getattr(model, "feature_names_in_", ())]


def _call_of(model: Any, method: str) -> Call:
    """`model.method` from features and their names to an array with as many rows."""
    predict = getattr(model, method)
    named = _frame_maker() if hasattr(model, "feature_names_in_") else None

    def call(features: Any, names: list[str]) -> Any:
        result = _array_of(predict(named(features, columns=names) if named else features))
        if result.ndim == 2 and result.shape[1] == 1:
            return result[:, 0]
        two_classes = method == "predict_proba" and result.ndim == 2 and result.shape[1] == 2
        return result[:, 1] if two_classes else result

    return call


def _array_of(result: Any) -> Any:
    import numpy as np

    array = np.asarray(result)
    if array.ndim == 0:
        raise TypeError(f"wanted an array with a prediction for each row, found {result!r:.100}")
    return array


def _frame_maker() -> Callable[..., Any] | None:
    """pandas' DataFrame, if pandas is installed."""
    try:
        import pandas  # type: ignore[import-untyped]
    except ImportError:
        return None
    make: Callable[..., Any] = pandas.DataFrame
    return make


class _Onnx:
    """An ONNX model: its first input takes the features, its first output is the prediction."""

    def __init__(self, content: bytes) -> None:
        try:
            import onnxruntime  # type: ignore[import-untyped]
        except ImportError:
            raise ConfigError("a .onnx model needs onnxruntime: pip install onnxruntime") from None
        self._session = onnxruntime.InferenceSession(content)
        self._input = self._session.get_inputs()[0]
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._type = {"tensor(double)": "float64", "tensor(int64)": "int64"}.get(self._input.type, "float32")

    def predict(self, features: Any) -> Any:
        return self._run(features, self._outputs[0])

    def predict_proba(self, features: Any) -> Any:
        return self._run(features, self._outputs[1])

    def _run(self, features: Any, output: str) -> Any:
        import numpy as np

        matrix = features.astype(self._type)
        chunks = [matrix[begin : begin + ONNX_ROWS] for begin in range(0, len(matrix), ONNX_ROWS)]
        parts = [self._session.run([output], {self._input.name: chunk})[0] for chunk in chunks]
        return np.concatenate([_array(part) for part in parts])


def _array(part: Any) -> Any:
    """Probabilities may come as a list of dicts from class to probability."""
    import numpy as np

    return np.array([list(row.values()) for row in part]) if isinstance(part, list) else part
