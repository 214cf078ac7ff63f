"""Versions that are deleted, and registries that are away: no number ever means two models."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import tiderace as tr
from serving import Serving, Times, pipeline, publish, scored, until
from tiderace import registry
from tiderace.registry import objects
from tiderace.registry.files import VersionGone

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

    @contextmanager
    def away(self, below: str = "") -> Iterator[None]:
        """Meanwhile nothing is below the root, or below `below`: not mounted, or another prefix."""
        if self._bucket:
            objects_below = (
                boto3.resource("s3").Bucket(self._bucket).objects.filter(Prefix=f"{self._root}/{below}")
            )
            kept = {each.key: each.get()["Body"].read() for each in objects_below}
            objects_below.delete()
            yield
            for key, content in kept.items():
                boto3.client("s3").put_object(Bucket=self._bucket, Key=key, Body=content)
        else:
            there = Path(self._root) / below
            aside = there.rename(there.with_name("aside"))
            yield
            aside.rename(there)

    def names(self, folder: str) -> list[str]:
        kept = objects.Bucket(self._bucket, self._root) if self._bucket else objects.Folder(Path(self._root))
        return sorted(kept.names(folder))


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "s3":
        return Store(f"s3://{request.getfixturevalue('bucket')}/models/shaking")
    return Store(f"{tmp_path}/models/shaking")


def send(app: tr.Application, x: float) -> None:
    with app.get_producer() as producer:
        producer.produce("input", "key", {"x": x})


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


@pytest.mark.parametrize("lost", ["stop", "current"])
def test_a_registry_without_any_version_is_waited_for(
    make_app: MakeApp, store: Store, lost: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """As a folder that is not mounted for the moment, while 2 is in memory and 1 is wanted."""
    publish(store.address, 1)
    app = make_app()
    pipeline(app, store.address)
    with Serving(app).running() as serving:
        serving.send(1)
    publish(store.address, 2)
    app = make_app()
    pipeline(app, store.address, on_lost_version=lost)
    with ExitStack() as stack:
        with store.away():
            serving = stack.enter_context(Serving(app).running())
            send(app, 2)
            until(lambda: serving.error or "partition 0 waits for version 1" in capfd.readouterr().err)
        until(lambda: serving.error or len(scored(app)) == 2)
    assert [row.version for row in scored(app)] == ["1", "1"]


def test_a_version_is_gone_only_where_others_are(store: Store) -> None:
    for factor in (1, 2):
        publish(store.address, factor)
    found = registry.find(store.address)
    assert isinstance(found, registry.Reference)
    kept = found.registry
    for below in ("", "versions", "blobs"):
        with store.away(below), pytest.raises(tr.ConfigError, match="nothing else is in") as away:
            kept.load("1", "shaking")
        assert not isinstance(away.value, VersionGone)
    with pytest.raises(VersionGone, match=r"has no version 7; it has 1, 2$"):
        kept.load("7", "shaking")
    about, _ = kept.load("1", "shaking")
    store.delete(f"blobs/{about.sha256}.pkl")
    with pytest.raises(VersionGone, match="has no bytes of version 1"):
        kept.load("1", "shaking")
    store.delete("versions/1.json")
    with pytest.raises(VersionGone, match=r"has no version 1; it has 2$"):
        kept.load("1", "shaking")


def test_a_version_that_is_there_again_is_not_gone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It came back after it was not found, and before it was looked for among the others."""
    publish(store.address, 1)
    found = registry.find(store.address)
    assert isinstance(found, registry.Reference)
    for folder in ("versions", "blobs"):
        read = store.kind.read

        def away(kept: Any, key: str, folder: str = folder, read: Any = read) -> bytes | None:
            return None if key.startswith(folder) else read(kept, key)

        with monkeypatch.context() as patched:
            patched.setattr(store.kind, "read", away)
            with pytest.raises(tr.ConfigError, match="was not there a moment ago, and is now") as raised:
                found.registry.load("1", "shaking")
        assert not isinstance(raised.value, VersionGone)


def test_a_program_that_begins_without_a_model_hears_how_to_publish_one(store: Store) -> None:
    address = store.address if store.address.startswith("s3://") else f"file:{store.address}"
    for pointer in ("", "@latest", "@champion", "@1"):
        with pytest.raises(tr.ConfigError, match=r"no model at .*shaking.*publish one with tr.publish_model"):
            tr.load_model(f"{address}{pointer}")
