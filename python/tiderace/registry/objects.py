"""Where a registry of files keeps them: a folder, or a bucket of S3. Each appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from tiderace.errors import ConfigError

S3_TIMEOUTS_S = {"connect_timeout": 5, "read_timeout": 20}


class Objects(Protocol):
    """Named bytes. Every call may raise `ConfigError` that says what could not be reached."""

    def read(self, key: str) -> bytes | None:
        """None if there is no such object."""

    def create(self, key: str, content: bytes) -> bool:
        """False, and nothing changed, if there is one already, also one that came at the same moment."""

    def replace(self, key: str, content: bytes) -> None:
        """Whoever reads meanwhile gets the old or the new one, never a mixture."""

    def names(self, folder: str) -> list[str]:
        """Of the objects directly in `folder`."""


class Folder:
    """Files below a directory. A file is written beside, synced, and then given its name."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __str__(self) -> str:
        return str(self._root)

    def read(self, key: str) -> bytes | None:
        try:
            return (self._root / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._failed("read", key, error) from error

    def create(self, key: str, content: bytes) -> bool:
        try:
            with self._written(key, content) as temporary:
                os.link(temporary, self._root / key)
        except FileExistsError:
            return False
        except OSError as error:
            raise self._failed("write", key, error) from error
        return True

    def replace(self, key: str, content: bytes) -> None:
        try:
            with self._written(key, content) as temporary:
                temporary.rename(self._root / key)
        except OSError as error:
            raise self._failed("write", key, error) from error

    def names(self, folder: str) -> list[str]:
        try:
            return os.listdir(self._root / folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._failed("list", folder, error) from error

    @contextmanager
    def _written(self, key: str, content: bytes) -> Iterator[Path]:
        """A synced file beside `key`, gone afterwards; then what was done in its folder is synced."""
        folder = (self._root / key).parent
        folder.mkdir(parents=True, exist_ok=True)
        temporary = _write_synced(folder, content)
        try:
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)
        _sync(folder)

    def _failed(self, what: str, key: str, error: OSError) -> ConfigError:
        return ConfigError(f"cannot {what} '{self._root / key}': {error.strerror or error}")


def _write_synced(folder: Path, content: bytes) -> Path:
    number, name = tempfile.mkstemp(dir=folder, prefix=".writing-")
    with os.fdopen(number, "wb") as file:
        os.fchmod(number, 0o644)
        file.write(content)
        file.flush()
        os.fsync(number)
    return Path(name)


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


class Bucket:
    """Objects of S3, or of a store that speaks its API. A put is whole or not at all by itself."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix.strip("/")
        self._client = _s3_client()

    def __str__(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}"

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}/{key}"}

    def read(self, key: str) -> bytes | None:
        with self._translated("read", key):
            try:
                content: bytes = self._client.get_object(**self._at(key))["Body"].read()
            except self._client.exceptions.NoSuchKey:
                return None
            return content

    def create(self, key: str, content: bytes) -> bool:
        with self._translated("write", key):
            try:
                self._client.put_object(**self._at(key), Body=content, IfNoneMatch="*")
            except self._client.exceptions.ClientError as error:
                # 409: another one is being written at the same moment.
                if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (409, 412):
                    raise
                return False
            return True

    def replace(self, key: str, content: bytes) -> None:
        with self._translated("write", key):
            self._client.put_object(**self._at(key), Body=content)

    def names(self, folder: str) -> list[str]:
        where = f"{self._prefix}/{folder}/"
        with self._translated("list", folder):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=where, Delimiter="/"
            )
            return [found["Key"].removeprefix(where) for page in pages for found in page.get("Contents", ())]

    @contextmanager
    def _translated(self, what: str, key: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise ConfigError(f"cannot {what} {self}/{key}: {error}") from error


def _s3_client() -> Any:
    try:
        import boto3  # type: ignore[import-untyped]
        from botocore.config import Config  # type: ignore[import-untyped]
    except ImportError:
        raise ConfigError('a registry on S3 needs boto3: pip install "tiderace[s3]"') from None
    try:
        return boto3.client("s3", config=Config(**S3_TIMEOUTS_S, retries={"max_attempts": 2}))
    except Exception as error:
        raise ConfigError(f"cannot make a client of S3: {error}") from error
