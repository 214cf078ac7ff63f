"""Models as they are run, and as files hold them."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any, Protocol

from tiderace import _tiderace
from tiderace.errors import ConfigError

ONNX_ROWS = 128  # a call; larger ones are slower
SUFFIXES = (".pkl", ".pickle", ".joblib", ".onnx", ".ubj", ".json")
METHODS = ("predict", "predict_proba")

Call = Callable[[Any, list[str]], Any]
Apart = Callable[[Callable[[], Any]], Any]


class Bind(Protocol):
    """Runs a model by one of its methods; `apart` makes the calls until the first that has an answer."""

    def __call__(self, method: str, apart: Apart | None = None) -> _tiderace.Model: ...


def sha256_of(content: bytes) -> str:
    """In hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def of_file(content: bytes, file: str, name: str) -> Bind:
    """What runs the model in `content`, a file called `file`, under `name`. Raises `ConfigError`."""
    if PurePosixPath(file).suffix in (".ubj", ".json"):
        first = _of_xgboost(content, file, name)  # what is wrong with it shows here
        return lambda method, apart=None: (
            first if method == "predict" else _tiderace.xgboost_model_of(content, name, method)
        )
    return of_object(unpacked(content, file), name)


def _of_xgboost(content: bytes, file: str, name: str) -> _tiderace.Model:
    try:
        return _tiderace.xgboost_model_of(content, name, "predict")
    except ConfigError as error:
        if name in str(error):
            raise
        raise ConfigError(f"cannot load the model '{file}': {error}") from error


def of_object(model: Any, name: str) -> Bind:
    """What runs `model`, an object with `predict`, by one of its methods."""
    if not hasattr(model, "predict"):
        raise ConfigError(f"{name}: wanted a path or an object with predict(), found {type(model).__name__}")

    def bind(method: str, apart: Apart | None = None) -> _tiderace.Model:
        lacks_it = method == "predict_proba" and isinstance(model, Onnx) and len(model.outputs) < 2
        if method not in METHODS or not hasattr(model, method) or lacks_it:
            raise ConfigError(
                f"{name}: wanted method 'predict', or 'predict_proba' if the model has it, found {method!r}"
            )
        return _tiderace.python_model(_at_first(_call_of(model, method), apart), name, *_trained_on(model))

    return bind


def _at_first(call: Call, apart: Apart | None) -> Call:
    ways: list[Apart] = [apart] if apart else []  # none once there was an answer

    def first(features: Any, names: list[str]) -> Any:
        way = next(iter(ways), None)
        if way is None:
            return call(features, names)
        result = way(lambda: call(features, names))
        ways.clear()
        return result

    return first


def unpacked(content: bytes, file: str) -> Any:
    """The object in a pickle, joblib or ONNX file. The first two run code."""
    load = {".onnx": Onnx, ".joblib": _unjoblib}.get(PurePosixPath(file).suffix, _unpickle)
    try:
        return load(content)
    except Exception as error:
        raise ConfigError(f"cannot load the model '{file}': {type(error).__name__}: {error}") from error


def packed(model: Any) -> tuple[bytes, str]:
    """`model`, a path or an object, as bytes and the ending of their file's name."""
    if isinstance(model, str | os.PathLike):
        return _packed_file(os.fspath(model))
    root = type(model).__module__.partition(".")[0]
    if root == "onnx":
        return model.SerializeToString(), ".onnx"
    boosted = _boosted(model) if root == "xgboost" else None
    return (boosted, ".ubj") if boosted else (_pickled(model), ".pkl")


def _packed_file(path: str) -> tuple[bytes, str]:
    suffix = PurePosixPath(path).suffix
    if suffix not in SUFFIXES:
        raise ConfigError(f"'{path}': wanted a model file that ends in {', '.join(SUFFIXES)}")
    return _tiderace.model_bytes(path, ""), suffix


def _boosted(model: Any) -> bytes | None:
    """A model of XGBoost as it runs without Python; None if it cannot."""
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    content = bytes(booster.save_raw("ubj"))
    try:
        _tiderace.xgboost_model_of(content, "model.ubj", "predict")
    except ConfigError:
        return None
    return content


def _pickled(model: Any) -> bytes:
    import pickle

    try:
        return pickle.dumps(model, protocol=5)
    except Exception as error:
        raise ConfigError(f"cannot pickle {type(model).__name__}: {error}") from error


def _unpickle(content: bytes) -> Any:
    import pickle

    return pickle.loads(content)


def _unjoblib(content: bytes) -> Any:
    import joblib  # type: ignore[import-untyped]

    return joblib.load(io.BytesIO(content))


def known_features(model: Any) -> Sequence[str]:
    """The names that a model says it was trained on; none if it does not say."""
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    names: Any = getattr(booster, "feature_names", None)
    names = names if names is not None else getattr(model, "feature_names_in_", ())
    return [str(name) for name in names]


def _trained_on(model: Any) -> tuple[int | None, list[str]]:
    """How many features the model wants and their names, as far as it says so and would insist on it."""
    count = getattr(model, "n_features_in_", None)
    if not isinstance(count, int) or hasattr(model, "steps") or hasattr(model, "best_estimator_"):
        return None, []  # a pipeline may select columns by name
    return count, [str(name) for name in getattr(model, "feature_names_in_", ())]


def _call_of(model: Any, method: str) -> Call:
    """`model.method` from features and their names to an array with as many rows."""
    predict = getattr(model, method)
    wants_names = hasattr(model, "feature_names_in_") or getattr(model, "takes_frames", False)
    named = _frame_maker() if wants_names else None

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


class Onnx:
    """An ONNX model: its first input takes the features, its first output is the prediction."""

    def __init__(self, content: bytes) -> None:
        try:
            import onnxruntime  # type: ignore[import-untyped]
        except ImportError:
            raise ConfigError("a .onnx model needs onnxruntime: pip install onnxruntime") from None
        self._session = onnxruntime.InferenceSession(content)
        self._input = self._session.get_inputs()[0]
        self.outputs = [output.name for output in self._session.get_outputs()]
        self._type = {"tensor(double)": "float64", "tensor(int64)": "int64"}.get(self._input.type, "float32")

    def predict(self, features: Any) -> Any:
        return self._run(features, self.outputs[0])

    def predict_proba(self, features: Any) -> Any:
        return self._run(features, self.outputs[1])

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
