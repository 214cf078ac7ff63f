"""Models in MLflow's registry, by its own client: where MLFLOW_TRACKING_URI or MLFLOW_REGISTRY_URI points.

What `publish` stores is a model of MLflow (an `MLmodel` file that names its flavour, beside the model's own
file), so that MLflow's tools load it too, with `tiderace.json`, which has the hash.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tiderace.errors import ConfigError
from tiderace.registry.files import LATEST, VersionGone, check_wanted, checked_alias, damaged
from tiderace.registry.runnable import Bind, of_file, of_object, sha256_of
from tiderace.registry.version import ModelVersion, types_of

ABOUT = "tiderace.json"
_COLUMN_TYPES = {"float64": "double", "int64": "long", "bool": "boolean"}


class MlflowRegistry:
    """The versions of one registered model. Any thread."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._client = _client()

    def __str__(self) -> str:
        return f"models:/{self.name}"

    def resolve(self, pointer: str) -> str:
        """The version that `pointer` (an alias, a number, `latest`, or `/` and a stage) names now."""
        if pointer.isascii() and pointer.isdigit():
            return str(int(pointer))
        with self._translated(f"find {pointer!r} of"):
            if pointer == LATEST:
                return self._last()
            if pointer.startswith("/"):
                return self._of_stage(pointer[1:])
            return str(self._client.get_model_version_by_alias(self.name, pointer).version)

    def load(self, version: str, label: str, sha256: str = "") -> tuple[ModelVersion, Bind]:
        """What is known of a version, and what runs it, under the name `label`."""
        with tempfile.TemporaryDirectory(prefix="tiderace-model-") as directory:
            path = self._download(version, directory)
            about = path / ABOUT
            if about.exists():
                found = ModelVersion.from_json(about.read_bytes(), f"{self} version {version}")
                return self._own(replace(found, version=version), path, label, sha256)
            return _foreign(self.name, version, path, label, sha256)

    def publish(self, content: bytes, about: ModelVersion, alias: str) -> ModelVersion:
        """A new version, of a run of its own or of the active one; there once all its files are."""
        pointer = checked_alias(alias) if alias else ""
        with self._translated("write a version of"), tempfile.TemporaryDirectory() as directory:
            _write_model(Path(directory), content, about)
            version = self._register(directory, about)
        if pointer:
            self.point(pointer, version)
        return replace(about, version=version)

    def point(self, alias: str, version: str) -> None:
        """Moves an alias to a version that is there."""
        with self._translated(f"move the alias {alias!r} of"):
            self._client.set_registered_model_alias(self.name, checked_alias(alias), version)

    def _own(self, about: ModelVersion, path: Path, label: str, sha256: str) -> tuple[ModelVersion, Bind]:
        check_wanted(about, sha256, label)
        content = _read(path, about.file, f"{self} version {about.version}")
        if sha256_of(content) != about.sha256:
            raise damaged(str(self), about, content)
        return about, of_file(content, about.file, label)

    def _download(self, version: str, directory: str) -> Path:
        from mlflow.artifacts import download_artifacts  # type: ignore[import-untyped,unused-ignore]

        with self._translated(f"read version {version} of"):
            uri = self._client.get_model_version_download_uri(self.name, version)
            return Path(download_artifacts(artifact_uri=uri, dst_path=directory))

    def _last(self) -> str:
        versions = [int(found.version) for found in self._client.search_model_versions(f"name='{self.name}'")]
        if not versions:
            raise ConfigError(f"no model at {self}: publish one with tr.publish_model(model, '{self}')")
        return str(max(versions))

    def _of_stage(self, stage: str) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            found = self._client.get_latest_versions(self.name, stages=[stage])
        if not found:
            raise ConfigError(f"{self}: no version in the stage {stage!r}")
        return str(found[0].version)

    def _register(self, directory: str, about: ModelVersion) -> str:
        self._make_model()
        with self._run() as run:
            for name, value in about.metrics.items():
                self._client.log_metric(run.info.run_id, name, value)
            self._client.log_artifacts(run.info.run_id, directory, f"model-{about.sha256[:12]}")
            source = f"{run.info.artifact_uri}/model-{about.sha256[:12]}"
            tags = {"tiderace.sha256": about.sha256, "tiderace.file": about.file}
            made = self._client.create_model_version(self.name, source, run.info.run_id, tags=tags)
        return str(made.version)

    def _make_model(self) -> None:
        from mlflow.exceptions import MlflowException  # type: ignore[import-untyped,unused-ignore]

        try:
            self._client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    @contextmanager
    def _run(self) -> Iterator[Any]:
        """The active run, or one of its own in MLFLOW_EXPERIMENT_NAME."""
        import mlflow  # type: ignore[import-untyped,unused-ignore]

        active = mlflow.active_run()
        run = active or self._client.create_run(self._experiment())
        status = "FAILED"
        try:
            yield run
            status = "FINISHED"
        finally:
            if not active:
                self._client.set_terminated(run.info.run_id, status)

    def _experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "Default")
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name))

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except ConfigError:
            raise
        except Exception as error:
            gone = getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST"
            kind = VersionGone if gone else ConfigError
            raise kind(f"cannot {what} {self}: {type(error).__name__}: {error}") from error


def _client() -> Any:
    try:
        from mlflow import MlflowClient
    except ImportError:
        raise ConfigError('models:/ needs MLflow: pip install "tiderace[mlflow]", or mlflow') from None
    try:
        return MlflowClient()
    except Exception as error:
        raise ConfigError(f"cannot make a client of MLflow: {type(error).__name__}: {error}") from error


def _read(path: Path, file: str, where: str) -> bytes:
    try:
        return (path / Path(file).name).read_bytes()
    except OSError as error:
        raise ConfigError(f"{where}: cannot read {file}: {error.strerror or error}") from error


def _foreign(name: str, version: str, path: Path, label: str, sha256: str) -> tuple[ModelVersion, Bind]:
    """What others have logged, by the flavour that they logged it with."""
    described = _described(path, f"models:/{name} version {version}")
    flavors: dict[str, Any] = described.get("flavors") or {}
    about = ModelVersion(name, version, "", "MLmodel", 0, _signed(described))
    if file := _data_file(flavors):
        content = _read(path, file, label)
        about = replace(about, file=file, size_bytes=len(content), sha256=sha256_of(content))
        check_wanted(about, sha256, label)
        return about, of_file(content, file, label)
    check_wanted(about, sha256, label)
    return about, of_object(_by_flavor(flavors, path, label), label)


def _data_file(flavors: dict[str, Any]) -> str:
    """The file of a model that runs no code; empty if it has none."""
    files = [str((flavors.get(flavor) or {}).get("data", "")) for flavor in ("xgboost", "onnx")]
    return next((file for file in files if file.endswith((".ubj", ".json", ".onnx"))), "")


def _described(path: Path, where: str) -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]

    try:
        found = yaml.safe_load((path / "MLmodel").read_text())
        return dict(found)
    except Exception as error:
        raise ConfigError(f"{where} is no model of MLflow, or damaged: {error}") from error


def _by_flavor(flavors: dict[str, Any], path: Path, label: str) -> Any:
    try:
        if "sklearn" in flavors:
            import mlflow.sklearn  # type: ignore[import-untyped,unused-ignore]

            return mlflow.sklearn.load_model(str(path))
        return Pyfunc(path)
    except Exception as error:
        raise ConfigError(f"cannot load {label}: {type(error).__name__}: {error}") from error


class Pyfunc:
    """A model of MLflow's `pyfunc`, and its files: it may read them whenever it is called."""

    takes_frames = True

    def __init__(self, path: Path) -> None:
        import mlflow.pyfunc  # type: ignore[import-untyped,unused-ignore]

        folder = tempfile.mkdtemp(prefix="tiderace-model-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._model = mlflow.pyfunc.load_model(shutil.move(path, folder))
        schema = self._model.metadata.get_input_schema()
        self._tensors = schema is not None and schema.is_tensor_spec()
        named = schema is not None and not self._tensors and schema.has_input_names()
        self._types = dict(zip(schema.input_names(), schema.pandas_types(), strict=True)) if named else {}

    def predict(self, frame: Any) -> Any:
        """Of a DataFrame whose columns are float64, which MLflow holds against the model's own types."""
        types = {name: kind for name, kind in self._types.items() if name in frame}
        return self._model.predict(frame.to_numpy() if self._tensors else frame.astype(types))


def _signed(described: dict[str, Any]) -> dict[str, str]:
    """The features of MLflow's signature; none where it has none, or names no columns."""
    inputs = json.loads((described.get("signature") or {}).get("inputs") or "[]")
    return (
        types_of({column["name"]: column["type"] for column in inputs if "name" in column}) if inputs else {}
    )


def _write_model(directory: Path, content: bytes, about: ModelVersion) -> None:
    columns = [
        {"type": _COLUMN_TYPES[kind], "name": name, "required": True} for name, kind in about.features.items()
    ]
    described = {"flavors": _flavors(about), "signature": {"inputs": json.dumps(columns), "outputs": None}}
    (directory / about.file).write_bytes(content)
    (directory / ABOUT).write_bytes(about.to_json())
    (directory / "MLmodel").write_text(json.dumps(described, indent=1))  # JSON is YAML


def _flavors(about: ModelVersion) -> dict[str, Any]:
    """How MLflow's own tools load it."""
    file = about.file
    learned = {"pickled_model": file, "sklearn_version": about.libraries.get("scikit-learn")}
    known: dict[str, tuple[str, dict[str, Any]]] = {
        ".pkl": ("sklearn", {**learned, "serialization_format": "pickle"}),
        ".ubj": ("xgboost", {"data": file, "model_format": "ubj", "model_class": "xgboost.core.Booster"}),
        ".onnx": ("onnx", {"data": file}),
    }
    name, flavor = known.get(file[file.rindex(".") :], ("", {}))
    known_to_mlflow = {name: flavor} if name and (name != "sklearn" or learned["sklearn_version"]) else {}
    return {"tiderace": {"file": file, "sha256": about.sha256}, **known_to_mlflow}
