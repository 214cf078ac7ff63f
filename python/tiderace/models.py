"""Models: features in, a value for each row out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tiderace import _tiderace, registry
from tiderace.arguments import answers
from tiderace.dataframe import StreamingDataFrame
from tiderace.errors import ConfigError, PlanError
from tiderace.registry.runnable import METHODS, Bind, of_file, of_object
from tiderace.registry.source import Source
from tiderace.registry.version import ModelVersion
from tiderace.series import Series

Duration = float | str | timedelta


@answers(ConfigError)
class Model:
    """A trained model, as `load_model` returns it."""

    def __init__(self, name: str, bind: Bind, versions: _Versions | None = None) -> None:
        self._name = name
        self._bind = bind
        self._versions = versions

    @property
    def version(self) -> str | None:
        """The newest version that was loaded, of a model in a registry; None for a file or an object."""
        return self._versions.native.version if self._versions else None

    @property
    def about(self) -> ModelVersion | None:
        """What the registry knows of that version."""
        return self._versions.source.about[self._versions.native.version] if self._versions else None

    def __repr__(self) -> str:
        return f"<Model {self._name}>"

    def predict(
        self,
        features: StreamingDataFrame,
        method: str = "predict",
        nulls: str = "null",
        version_column: str = "",
        shadow: Model | None = None,
        shadow_column: str = "",
    ) -> Series:
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
        version_column
            A column for the version that gave the prediction, of a model in a registry. Records that are
            written have it in the header `tiderace.model.NAME` all the same.
        shadow
            A second model, called with the same rows by the same method. What it fails on is null, and
            counted; the time that it takes is the rows'.
        shadow_column
            The column of its predictions. Default: the one that the prediction is assigned to, and `-shadow`.

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
        beside = shadow._bind(method) if shadow else None
        bound = self._bind(method)
        return Series(features._frame.predict(bound, nulls == "pass", version_column, beside, shadow_column))


@dataclass(frozen=True)
class _Versions:
    """A model of a registry, as the engine and as Python have it."""

    native: _tiderace.ModelVersions
    source: Source


@answers(ConfigError)
def load_model(
    model: Any,
    sha256: str = "",
    poll_interval: Duration | None = None,
    control_topic: str = "",
    on_lost_version: str = "stop",
) -> Model:
    """A model from a registry, a file, or an object with `predict`.

    Parameters
    ----------
    model
        A registry's model: `"models:/shaking@champion"` of MLflow (`@ALIAS`, `/VERSION`, `/STAGE`,
        `/latest`), `"s3://bucket/models/shaking@champion"`, `"file:models/shaking@champion"` or the path of
        such a folder; `@3` is version 3, no `@` the newest one.
        A file: a pickle or joblib file (by scikit-learn or any other library that is installed), `.onnx`
        (through onnxruntime), `.ubj` or `.json` of XGBoost (by the engine, without Python).
        Or an object with `predict(features)`, and `predict_proba(features)` for that method; one that was
        trained with the names of its features gets a pandas DataFrame, any other a NumPy array.
    sha256
        The hash that the file must have, in hexadecimal; a file that has another is not opened.
    poll_interval : seconds, optional
        Of a registry: how often a stream that runs asks whether the reference names another version. That one
        is loaded beside the old one, tried on a batch beside it, and takes over between two batches; if it
        fails the batch on which it is tried, the old one stays. If the old one fails on a row at which the
        stream would stop, and the new one takes all rows of that batch, it takes over at that row. Default:
        never.
    control_topic
        Of a registry: a topic (made where there is none) that tells of versions: a record with the model's
        name as key and `{"version": "4"}` as value goes before what the registry says; `{}` ends that.
        Anything else is passed over with a warning.
    on_lost_version
        Where the version that scores a partition is gone from the registry when its state is restored:
        `"stop"` with an error, or go on with the `"current"` one. While the registry does not answer, or
        shows no version at all, the partition waits.

    Raises
    ------
    ConfigError
        If the file or version is missing, damaged, has another hash, or is no model that can be run; or if
        its registry cannot be reached.

    Warnings
    --------
    A pickle, and so a joblib file, runs whatever code its maker put into it: load only files from those whom
    you would let run code, and hold them to a `sha256` that you have from them. A registry's own hash shows
    damage, not who published. `.onnx`, `.ubj` and `.json` are data.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> line = LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
    >>> sdf["y"] = tr.load_model(line).predict(sdf[["x"]]).round(6)
    >>> sdf.backtest([{"x": 2}])["y"].to_pylist()
    [5.0]
    """
    watch = _Watch(poll_interval, control_topic, on_lost_version)
    if not isinstance(model, str | os.PathLike):
        if sha256:
            raise ConfigError("load_model: sha256= is for files; an object has no hash")
        return watch.of_fixed(Model(type(model).__name__, of_object(model, type(model).__name__)))
    found = registry.find(model)
    if isinstance(found, Path):
        return watch.of_fixed(_of_file(found, sha256))
    return watch.of_registry(found, sha256)


def _of_file(path: Path, sha256: str) -> Model:
    content = _tiderace.model_bytes(str(path), sha256)
    try:
        return Model(path.name, of_file(content, path.name, path.name))
    except ConfigError as error:
        raise ConfigError(str(error).replace(f"'{path.name}'", f"'{path}'")) from error


@dataclass(frozen=True)
class _Watch:
    """How new versions are heard of."""

    poll_interval: Duration | None
    control_topic: str
    on_lost_version: str

    def of_fixed(self, model: Model) -> Model:
        if self.poll_interval is not None or self.control_topic:
            raise ConfigError(
                f"load_model({model._name}): poll_interval= and control_topic= are for models in a registry, "
                "of which new versions may come; this is a file or an object"
            )
        return model

    def of_registry(self, reference: registry.Reference, sha256: str) -> Model:
        self._check(reference, sha256)
        source = Source(reference, sha256)
        native = _tiderace.model_versions(
            source, reference.registry.name, reference.text, self.poll_interval, self.control_topic,
            self.on_lost_version,
        )  # fmt: skip
        return Model(
            reference.text, lambda method, apart=None: _method(native, method), _Versions(native, source)
        )

    def _check(self, reference: registry.Reference, sha256: str) -> None:
        if self.poll_interval is not None and not reference.moves:
            raise ConfigError(
                f"load_model: {reference.text} is one version, which never changes; poll an alias or @latest"
            )
        if sha256 and (self.poll_interval is not None or self.control_topic):
            raise ConfigError("load_model: a model that is to change cannot have one sha256=; leave it out")


def _method(native: _tiderace.ModelVersions, method: str) -> _tiderace.Model:
    if method not in METHODS:
        raise ConfigError(f"wanted method 'predict' or 'predict_proba', found {method!r}")
    return native.method(method)


@answers(ConfigError)
def publish_model(
    model: Any,
    name: str | os.PathLike[str],
    features: Any = None,
    metrics: Mapping[str, float] | None = None,
    training_range: Any = None,
    alias: str = "",
) -> ModelVersion:
    """Writes a new version of a model to a registry.

    It appears whole or not at all, under the next number, and never changes; any number of publishers may
    write at the same moment. A number is never given again, also where its version is deleted.

    Parameters
    ----------
    model
        An object (stored as `.ubj` if it is XGBoost's and runs without Python, as `.onnx` if it is ONNX's,
        else pickled), or the path of a model file.
    name
        Where: `"models:/shaking"` of MLflow, `"s3://bucket/models/shaking"`, `"file:models/shaking"` or the
        path of a folder, which is made.
    features
        What it was trained on, in order: names (then float64), names to types (`"float64"`, `"int64"`,
        `"bool"`), or the DataFrame or Arrow table that it was trained on. Default: what the model says.
        `predict` refuses a frame that has others.
    metrics
        How good it is, by name.
    training_range
        What it was trained on: times, the range of each feature, or whatever is worth keeping; as JSON.
    alias
        An alias that names the new version once it is there, such as `"champion"`; `@latest` always does.

    Returns
    -------
    ModelVersion
        With the version's number and hash.

    Raises
    ------
    ConfigError
        If the model cannot be stored or would not load again, its features are not known, or the registry
        cannot be reached or written to.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> line = LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
    >>> tr.publish_model(line, "models/line", features=["x"], metrics={"r2": 1.0}, alias="champion").version
    '1'
    >>> sdf["y"] = tr.load_model("models/line@champion").predict(sdf[["x"]]).round(6)
    >>> sdf.backtest([{"x": 2}])["y"].to_pylist()
    [5.0]
    """
    to = registry.to_publish(name)
    content, about = registry.described(
        model, to.name, features=features, metrics=metrics, training_range=training_range
    )
    return to.publish(content, about, alias)


@answers(ConfigError)
def promote_model(name: str | os.PathLike[str], version: str | int, alias: str = "champion") -> None:
    """Lets an alias of a registry's model name another version, from one moment to the next.

    Parameters
    ----------
    name
        The model, as `publish_model` takes it.
    version
        A version that is there.
    alias
        The alias to move; made where there is none.

    Raises
    ------
    ConfigError
        If there is no such version, or the registry cannot be reached or written to.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> line = LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
    >>> version = tr.publish_model(line, "models/line", features=["x"]).version
    >>> tr.promote_model("models/line", version)
    >>> tr.load_model("models/line@champion").version == version
    True
    """
    registry.to_publish(name).point(alias, str(version))
