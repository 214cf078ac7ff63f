"""A registry of plain files, in a folder or a bucket.

What is below the model's root, with `/` between the parts of a name:

    blobs/SHA256.SUFFIX   the bytes of a model under their own hash, never changed
    taken/N               says that N was given to a version, whose hash it has; never changed, never deleted
    versions/N.json       version N (1, 2, ...): `ModelVersion` as JSON; written last, never changed
    aliases/NAME          the number of a version as text; replaced whole when the alias moves

A version exists as soon as its JSON does, and its blob is whole by then. Numbers are taken by creating
`taken/N`, which fails where somebody else took the number, so that publishers need not know of each other.
A version may be deleted, its number is not given again. A publisher that dies may leave a number without a
version; versions of publishers that did not know of `taken` have none, and are passed over all the same.
"""

from __future__ import annotations

import re
from dataclasses import replace

from tiderace.errors import ConfigError
from tiderace.registry.objects import Objects
from tiderace.registry.runnable import Bind, of_file, sha256_of
from tiderace.registry.version import ModelVersion

LATEST = "latest"
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")


class FileRegistry:
    """The versions of one model. Any thread, any number of processes."""

    def __init__(self, objects: Objects, name: str) -> None:
        self.name = name
        self._objects = objects

    def __str__(self) -> str:
        return str(self._objects)

    def resolve(self, pointer: str) -> str:
        """The version that `pointer` (an alias, `latest` or a number) names now."""
        if pointer.isascii() and pointer.isdigit():
            return str(int(pointer))
        if pointer == LATEST:
            return str(self._last())
        content = self._objects.read(f"aliases/{checked_alias(pointer)}")
        if content is None:
            self._last()  # says so where there is no model at all
            raise ConfigError(f"{self}: no alias {pointer!r}; there are {self._aliases()}")
        return str(self._number(content, pointer))

    def load(self, version: str, label: str, sha256: str = "") -> tuple[ModelVersion, Bind]:
        """What is known of a version, and what runs it, under the name `label`."""
        about = self.about(version)
        check_wanted(about, sha256, label)
        return about, of_file(self.content(about), about.file, label)

    def about(self, version: str) -> ModelVersion:
        """What is known of a version. Raises `ConfigError` if there is none, or it is damaged."""
        key = f"versions/{version}.json"
        content = self._objects.read(key)
        if content is None:
            raise self._missing(key, f"no version {version}")
        return ModelVersion.from_json(content, f"{self}/{key}")

    def content(self, about: ModelVersion) -> bytes:
        """The bytes of a version, which have its hash."""
        key = _blob(about.sha256, about.file)
        content = self._objects.read(key)
        if content is None:
            raise self._missing(key, f"no bytes of version {about.version} ({key})")
        if sha256_of(content) != about.sha256:
            raise damaged(str(self), about, content)
        return content

    def publish(self, content: bytes, about: ModelVersion, alias: str) -> ModelVersion:
        """A new version; the alias, if one is given, names it once it is there."""
        pointer = checked_alias(alias) if alias else ""
        self._store(_blob(about.sha256, about.file), content)
        published = self._create(about)
        if pointer:
            self.point(pointer, published.version)
        return published

    def point(self, alias: str, version: str) -> None:
        """Moves an alias to a version that is there."""
        self.about(version)
        self._objects.replace(f"aliases/{checked_alias(alias)}", f"{version}\n".encode())

    def _missing(self, key: str, what: str) -> ConfigError:
        """What to raise where `key` was not found. It is gone only if others are still beside it.

        A folder without any may be one that is not mounted for the moment.
        """
        folder, _, name = key.partition("/")
        names = [found for found in self._objects.names(folder) if found and not found.startswith(".")]
        if not names:
            return self._away(f"it has {what}, and nothing else is in {folder}/")
        if name in names:
            return ConfigError(f"{self}/{key} was not there a moment ago, and is now")
        listed = f"; it has {self._listed()}" if folder == "versions" else ""
        return VersionGone(f"{self} has {what}{listed}")

    def _away(self, found: str) -> ConfigError:
        return ConfigError(
            f"no model at {self}: {found}; is it the right place, and mounted? If it is new, publish one "
            f"with tr.publish_model(model, {str(self)!r})"
        )

    def _create(self, about: ModelVersion) -> ModelVersion:
        """`about` under the first number above all that were ever given."""
        number = max([*self._taken(), *self._numbers()], default=0)
        while True:
            number += 1
            version = _numbered(about, number)
            if self._objects.create(f"taken/{number}", f"{about.sha256}\n".encode()) and self._objects.create(
                f"versions/{number}.json", version.to_json()
            ):
                return version

    def _store(self, key: str, content: bytes) -> None:
        """A blob that is there already has the same bytes, unless it is damaged."""
        if not self._objects.create(key, content) and self._objects.read(key) != content:
            self._objects.replace(key, content)

    def _number(self, content: bytes, pointer: str) -> int:
        text = content.decode(errors="replace").strip()
        if not (text.isascii() and text.isdigit()):
            raise ConfigError(
                f"{self}: the alias {pointer!r} is damaged: it says {text!r:.50}; move it again"
            )
        return int(text)

    def _numbers(self) -> list[int]:
        names = self._objects.names("versions")
        return [int(name[:-5]) for name in names if name.endswith(".json") and name[:-5].isdigit()]

    def _taken(self) -> list[int]:
        return [int(name) for name in self._objects.names("taken") if name.isascii() and name.isdigit()]

    def _last(self) -> int:
        numbers = self._numbers()
        if not numbers:
            raise ConfigError(f"no model at {self}: publish one with tr.publish_model(model, {str(self)!r})")
        return max(numbers)

    def _listed(self) -> str:
        numbers = sorted(self._numbers())
        return ", ".join(map(str, numbers[-10:])) if numbers else "none"

    def _aliases(self) -> str:
        names = [name for name in sorted(self._objects.names("aliases")) if not name.startswith(".")]
        return ", ".join([*names, LATEST])


def damaged(registry: str, about: ModelVersion, content: bytes) -> ConfigError:
    """What to raise where a version has other bytes than were published."""
    return ConfigError(
        f"{registry}: version {about.version} is damaged: wanted SHA-256 {about.sha256} "
        f"({about.size_bytes} bytes), found {sha256_of(content)} ({len(content)} bytes); publish it again"
    )


def check_wanted(about: ModelVersion, sha256: str, label: str) -> None:
    """Before anything is unpacked: raises `ConfigError` if a hash is wanted and `about` has another."""
    if sha256 and sha256 != about.sha256:
        raise ConfigError(
            f"{label} is not the one that was asked for: wanted SHA-256 {sha256}, "
            f"version {about.version} has "
            + (about.sha256 or "none on record, so that it is not unpacked")
            + "; change sha256 if it is meant"
        )


class VersionGone(ConfigError):
    """A version that was there, or was said to be, is not."""


def checked_alias(alias: str) -> str:
    """`alias`, or `ConfigError` if it cannot be one."""
    if not _ALIAS.fullmatch(alias) or alias == LATEST:
        raise ConfigError(
            f"wanted a letter, then letters, digits, '_', '.' and '-' as an alias, and not {LATEST!r}, "
            f"which is always the newest version; found {alias!r}"
        )
    return alias


def _blob(sha256: str, file: str) -> str:
    return f"blobs/{sha256}{file[file.rindex('.') :]}"


def _numbered(about: ModelVersion, number: int) -> ModelVersion:
    return replace(about, version=str(number))
