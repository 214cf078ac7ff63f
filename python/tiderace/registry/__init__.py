"""Where models are kept with versions: MLflow, a bucket of S3, a folder."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from tiderace.errors import ConfigError
from tiderace.registry.files import LATEST, FileRegistry
from tiderace.registry.objects import Bucket, Folder
from tiderace.registry.runnable import Bind, known_features, of_file, packed, sha256_of
from tiderace.registry.version import ModelVersion, types_of


class Registry(Protocol):
    """The versions of one model. Every call may raise `ConfigError`."""

    name: str

    def resolve(self, pointer: str) -> str:
        """The version that `pointer` names now."""

    def load(self, version: str, label: str, sha256: str = "") -> tuple[ModelVersion, Bind]:
        """What is known of a version, and what runs it under the name `label`.

        Nothing of a version that has another hash than `sha256`, if one is given, is unpacked. Raises
        `VersionGone`.
        """

    def publish(self, content: bytes, about: ModelVersion, alias: str) -> ModelVersion:
        """A new version."""

    def point(self, alias: str, version: str) -> None:
        """Moves an alias."""


# `gs://bucket/model`, and MLflow's `runs:/...`: as the name of a folder a mistake would not be seen.
_OTHER_SCHEME = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+:/")


@dataclass(frozen=True)
class Reference:
    """A model in a registry, as a text names it: `models:/shaking@champion`."""

    text: str
    registry: Registry
    pointer: str  # an alias, a number, `latest`; in MLflow also `/` and a stage

    @property
    def moves(self) -> bool:
        """Whether it may name another version later."""
        return not self.pointer.isdigit()


def find(model: str | os.PathLike[str]) -> Reference | Path:
    """The model that a text or path names: in a registry, or a file."""
    text = os.fspath(model)
    if text.startswith("models:/"):
        return _of_mlflow(text)
    address, pointer = _cut_pointer(text)
    if text.startswith("s3://"):
        return Reference(text, _of_bucket(address), pointer)
    path, whole = _local(address), _local(text)
    if whole.is_file() or not (path.is_dir() or text.startswith("file:")):
        return whole
    return Reference(text, FileRegistry(Folder(path), path.resolve().name), pointer)


def _cut_pointer(text: str) -> tuple[str, str]:
    """`file:shaking@champion` as its two parts; an `@` in the name of a folder is part of it."""
    address, at, pointer = text.rpartition("@")
    return (address, pointer) if at and "/" not in pointer else (text, LATEST)


def _local(text: str) -> Path:
    """`file:folder`, `file:///folder`, or a plain path."""
    if _OTHER_SCHEME.match(text):
        raise ConfigError(f"wanted models:/NAME, s3://BUCKET/PREFIX, file:FOLDER or a path, found '{text}'")
    path = _path_of_url(text) if text.startswith("file://") else text.removeprefix("file:")
    if not path:
        raise ConfigError(f"wanted the folder or file of a model, file:models/NAME or a path, found '{text}'")
    return Path(path)


def _path_of_url(text: str) -> str:
    host, path = urlsplit(text).netloc, unquote(urlsplit(text).path)
    if host not in ("", "localhost"):
        raise ConfigError(
            f"'{text}': wanted a folder of this machine, found the host '{host}'; "
            f"write file:{host}{path}, or file:///{host}{path} for one below the root"
        )
    return path


def _of_bucket(address: str) -> Registry:
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    if not bucket or not prefix.strip("/"):
        raise ConfigError(f"wanted s3://BUCKET/PREFIX, found '{address}'")
    return FileRegistry(Bucket(bucket, prefix), prefix.strip("/").rpartition("/")[2])


def _of_mlflow(text: str) -> Reference:
    from tiderace.registry.mlflow import MlflowRegistry

    rest = text.removeprefix("models:/").lstrip("/")
    name, slash, pointer = rest.partition("/") if "/" in rest else rest.partition("@")
    if not name or (slash and not pointer):
        raise ConfigError(f"wanted models:/NAME@ALIAS, /VERSION, /STAGE or /latest, found '{text}'")
    known = pointer.isdigit() or pointer == LATEST or slash != "/"
    return Reference(text, MlflowRegistry(name), (pointer if known else f"/{pointer}") or LATEST)


def to_publish(address: str | os.PathLike[str]) -> Registry:
    """The registry that `publish_model` was told; a path that is no folder yet becomes one."""
    text = os.fspath(address)
    if not text.startswith(("models:/", "s3://", "file:")) and not _OTHER_SCHEME.match(text):
        text = f"file:{text}"
    found = find(text)
    if isinstance(found, Path):
        raise ConfigError(f"wanted a folder for the versions of a model, found the file '{found}'")
    if found.pointer != LATEST or text.endswith(LATEST):
        raise ConfigError(f"'{text}': wanted a model without a version; leave {found.pointer!r} out")
    return found.registry


def described(model: Any, name: str, **given: Any) -> tuple[bytes, ModelVersion]:
    """The bytes of `model` and what is to be stored of it. `given`: features, metrics, training_range."""
    content, suffix = packed(model)
    file = f"model{suffix}"
    bind = of_file(content, file, name)  # what does not load is not published
    features = types_of(given["features"] if given["features"] is not None else _own_features(model))
    _check_features(bind, features)
    about = ModelVersion(
        name, "", sha256_of(content), file, len(content), features, _numbers(given["metrics"] or {}),
        _plain(given["training_range"]), _libraries(model), datetime.now(UTC).isoformat(),
    )  # fmt: skip
    return content, about


def _own_features(model: Any) -> Sequence[str]:
    if known := known_features(model):
        return known
    raise ConfigError(
        "features: the model does not say the names of its features; give them in the order of training: "
        'features=["speed", "x"], or the table that it was trained on'
    )


def _check_features(bind: Bind, features: dict[str, str]) -> None:
    """A version that no frame could satisfy is not published."""
    if mismatch := bind("predict").mismatch(list(features.items())):
        raise ConfigError(
            f"features: {list(features)!r:.200} would be refused by the model itself: {mismatch}"
        )


def _numbers(metrics: dict[str, Any]) -> dict[str, float]:
    try:
        numbers = {str(name): float(value) for name, value in metrics.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigError(f"metrics: wanted numbers by name, found {metrics!r:.200}") from error
    if not all(map(math.isfinite, numbers.values())):
        raise ConfigError(f"metrics: wanted finite numbers by name, found {metrics!r:.200}")
    return numbers


def _plain(value: Any) -> Any:
    """As JSON has it: numpy's numbers and arrays become Python's, tuples lists, times text."""
    value = value.tolist() if type(value).__module__ == "numpy" and hasattr(value, "tolist") else value
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"training_range: wanted finite numbers, found {value!r}, which JSON does not have")
    return value if isinstance(value, str | int | float | bool | None) else _time(value)


def _time(value: Any) -> str:
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


def _libraries(model: Any) -> dict[str, str]:
    """What made the model, and what it is run with here."""
    root = type(model).__module__.partition(".")[0]
    wanted = {"tiderace", "numpy", {"sklearn": "scikit-learn"}.get(root, root)}
    found = {}
    for name in sorted(wanted):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
