"""What a registry keeps of one version of a model beside its bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tiderace.errors import ConfigError

FORMAT = 1  # of the JSON below; a later library reads earlier ones


@dataclass(frozen=True)
class ModelVersion:
    """One version of a model as a registry has it: what `publish_model` returns, and `Model.about`.

    Attributes
    ----------
    name : str
        The model's, without the registry's address.
    version : str
        Its number, counted from `"1"`.
    sha256 : str
        Of the model's bytes, in hexadecimal; empty where the registry keeps none.
    file : str
        The name of the model's file; its ending says what it is: `.pkl`, `.joblib`, `.onnx`, `.ubj`, `.json`.
    size_bytes : int
        Of that file.
    features : dict
        What it was trained on, in order: name to type (`"float64"`, `"int64"` or `"bool"`).
    metrics : dict
        How good it is, by the names that the publisher gave.
    training_range
        What it was trained on: whatever the publisher gave, as JSON has it.
    libraries : dict
        The versions of what made it.
    created : str
        When it was published, ISO 8601, UTC.
    """

    name: str
    version: str
    sha256: str
    file: str
    size_bytes: int
    features: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    training_range: Any = None
    libraries: dict[str, str] = field(default_factory=dict)
    created: str = ""

    def to_json(self) -> bytes:
        """As it is stored: one JSON object, the order of the features in it."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False, allow_nan=False)
        return text.encode() + b"\n"

    @classmethod
    def from_json(cls, content: bytes, where: str) -> ModelVersion:
        """Raises `ConfigError` that says `where` it is if it is damaged, or a later library's."""
        try:
            fields = json.loads(content)
            found = fields.pop("format")
            version = cls(**fields) if found == FORMAT else None
        except Exception as error:
            raise ConfigError(f"{where} is damaged: {error}; publish the model again") from error
        if version is None:
            raise ConfigError(f"{where} has format {found!r}, this library reads {FORMAT}; use a later one")
        return version


def types_of(features: Any) -> dict[str, str]:
    """Names to types, of a mapping, a list of names, a pandas DataFrame or a pyarrow table or schema."""
    if isinstance(features, str):
        raise ConfigError(f'features: wanted names, for example ["x", "y"], found the text {features!r}')
    schema = getattr(features, "schema", features)
    if hasattr(schema, "names") and hasattr(schema, "types"):
        pairs = list(zip(schema.names, schema.types, strict=True))
    else:
        pairs = _pairs(getattr(features, "dtypes", features))
    return {str(name): _type(str(name), str(kind)) for name, kind in pairs}


def _pairs(features: Any) -> list[tuple[str, Any]]:
    if isinstance(features, Mapping) or type(features).__module__.startswith("pandas"):
        return list(features.items())
    names = list(features) if isinstance(features, Iterable) else []
    texts = all(isinstance(name, str) for name in names)
    if not names or not texts or len(set(names)) != len(names):
        raise ConfigError(f"features: wanted names, at least one and each once, found {features!r:.200}")
    return [(name, "float64") for name in names]


def _type(name: str, kind: str) -> str:
    lower = kind.lower().rstrip("_")
    known = {"float64": ("float", "double"), "int64": ("int", "uint", "long"), "bool": ("bool",)}
    for type_, beginnings in known.items():
        if lower.startswith(beginnings):
            return type_
    raise ConfigError(f"features: wanted float64, int64 or bool as the type of {name!r}, found {kind!r}")
