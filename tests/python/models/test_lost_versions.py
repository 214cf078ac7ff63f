"""Versions that are deleted, and registries that are away: no number ever means two models."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
import tiderace as tr
from serving import Serving, Times, pipeline, publish, scored, until
from tiderace.registry import objects

MakeApp = Callable[..., tr.Application]


class Store:
    """The files of a registry in a folder or a bucket, by their keys below its root."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._bucket = address.split("/")[2] if address.startswith("s3://") else ""
        self._root = address.split("/", 3)[3] if self._bucket else address
        self.kind: Any = objects.Bucket if self._bucket else objects.Folder

    def delete(self, key: str) -> None:
        if self._bucket:
            boto3.client("s3").delete_object(Bucket=self._bucket, Key=f"{self._root}/{key}")
        else:
            (Path(self._root) / key).unlink()

    def names(self, folder: str) -> list[str]:
        kept = objects.Bucket(self._bucket, self._root) if self._bucket else objects.Folder(Path(self._root))
        return sorted(kept.names(folder))


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "s3":
        return Store(f"s3://{request.getfixturevalue('bucket')}/models/shaking")
    return Store(f"{tmp_path}/models/shaking")


@pytest.fixture
def address(tmp_path: Path) -> str:
    publish(f"{tmp_path}/models/shaking", 1)
    return f"{tmp_path}/models/shaking"


def test_a_number_is_never_given_again(store: Store) -> None:
    assert [publish(store.address, factor) for factor in (1, 2)] == ["1", "2"]
    store.delete("versions/2.json")
    assert publish(store.address, 33) == "3"
    for number in (1, 3):
        store.delete(f"versions/{number}.json")
    assert publish(store.address, 4) == "4"
    assert store.names("versions") == ["4.json"]
    assert store.names("taken") == ["1", "2", "3", "4"]


def test_a_registry_without_marks_of_its_numbers_goes_on(store: Store) -> None:
    """As publishers wrote it that did not know of them."""
    for factor in (1, 2):
        publish(store.address, factor)
        store.delete(f"taken/{factor}")
    assert publish(store.address, 3) == "3"
    store.delete("versions/3.json")
    assert publish(store.address, 4) == "4"
    assert tr.load_model(f"{store.address}@2").version == "2"


def test_a_number_of_a_publisher_that_died_is_passed_over(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store.address, 1)
    create = store.kind.create

    def die(kept: Any, key: str, content: bytes) -> bool:
        if key.startswith("versions/"):
            raise tr.ConfigError("no space")
        return create(kept, key, content)

    with monkeypatch.context() as patched:
        patched.setattr(store.kind, "create", die)
        with pytest.raises(tr.ConfigError, match="no space"):
            publish(store.address, 2)
    assert tr.load_model(store.address).version == "1"
    assert publish(store.address, 3) == "3"


def test_an_older_publisher_at_the_same_moment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes a version whose number it has not marked, after the numbers were listed."""
    publish(store.address, 1)
    create = store.kind.create

    def meet(kept: Any, key: str, content: bytes) -> bool:
        if key == "taken/2":
            create(kept, "versions/2.json", b"{}")
        return create(kept, key, content)

    monkeypatch.setattr(store.kind, "create", meet)
    assert publish(store.address, 2) == "3"
    assert store.names("versions") == ["1.json", "2.json", "3.json"]


def test_publishers_and_deletions_at_the_same_moment(store: Store) -> None:
    lock = threading.Lock()
    given: list[str] = []

    def publish_and_delete(factor: int) -> None:
        number = tr.publish_model(Times(factor), store.address, features=["x"]).version
        with lock:
            given.append(number)
        store.delete(f"versions/{number}.json")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(publish_and_delete, range(24)))
    assert sorted(map(int, given)) == list(range(1, 25))


def test_a_stream_takes_the_version_after_one_that_was_deleted(make_app: MakeApp, address: str) -> None:
    publish(address, 2)
    app = make_app()
    model = pipeline(app, address)
    with Serving(app).running() as serving:
        assert serving.send(1).y == 2
        (Path(address) / "versions" / "2.json").unlink()
        assert publish(address, 33) == "3"
        until(lambda: model.version == "3")
        after = serving.send(1, 1)
    assert (after.y, after.version) == (33, "3")
    app = make_app()
    pipeline(app, address)
    with Serving(app).running() as serving:
        serving.send(1)
    assert {(row.version, row.y) for row in scored(app)} == {("2", 2), ("3", 33)}
