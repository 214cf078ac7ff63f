"""Registries that are away, versions that are broken, rows that stop a service: what comes of models then."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiderace as tr
from serving import POLL, Serving, Times, always, negative, pipeline, publish, scored, until
from tiderace.registry.objects import Folder

MakeApp = Callable[..., tr.Application]
GUARANTEES = pytest.mark.parametrize("guarantee", ["at-least-once", "exactly-once"])


@pytest.fixture
def address(tmp_path: Path) -> str:
    publish(f"{tmp_path}/models/shaking", 1)
    return f"{tmp_path}/models/shaking"


def send(app: tr.Application, *rows: float) -> None:
    with app.get_producer() as producer:
        for x in rows:
            producer.produce("input", "key", {"x": x})


def serve_version_1(make_app: MakeApp, address: str) -> None:
    """A row is scored by version 1; then version 2 is published."""
    app = make_app()
    pipeline(app, address)
    with Serving(app).running() as serving:
        serving.send(1)
    publish(address, 2)


def announce_far_ahead(app: tr.Application, version: str) -> None:
    """Lets the state of partition 0 say that `version` takes over at offset 1,000,000."""
    changelog = "group-input-changelog"
    records = [each for each in app.get_reader(changelog, until_end=True) if b"model(" in (each.key or b"")]
    entry = b"\x80\x89\x7a" + bytes([len(version)]) + version.encode()
    with app.get_producer() as producer:
        producer.produce(changelog, records[-1].key, (records[-1].value or b"") + entry)


@GUARANTEES
def test_a_row_that_stops_a_service_whose_next_version_is_announced_ahead(
    make_app: MakeApp, address: str, guarantee: str
) -> None:
    """The version that is to take over at a far offset takes the row, and takes over there and then."""
    publish(address, 2, negative)
    app = make_app(processing_guarantee=guarantee)
    pipeline(app, address)
    send(app, 1)
    app.run(until_end=True)
    publish(address, 3)
    announce_far_ahead(app, "3")
    send(app, 2, -1, 3)
    app = make_app(processing_guarantee=guarantee)
    pipeline(app, address)
    app.run(until_end=True)
    assert [(row.x, row.version) for row in scored(app)] == [(1, "2"), (2, "2"), (-1, "3"), (3, "3")]


@GUARANTEES
def test_a_row_on_which_what_is_announced_fails_too(make_app: MakeApp, address: str, guarantee: str) -> None:
    """What was published for it takes over, though another version was to be next."""
    publish(address, 2, negative)
    app = make_app(processing_guarantee=guarantee)
    pipeline(app, address)
    send(app, 1)
    app.run(until_end=True)
    publish(address, 3, negative)
    announce_far_ahead(app, "3")
    send(app, 2, -1, 3)
    app = make_app(processing_guarantee=guarantee)
    pipeline(app, address)
    with pytest.raises(tr.BadRowError, match="version of factor 2 fails"):
        app.run(until_end=True)
    publish(address, 4)
    app = make_app(processing_guarantee=guarantee)
    pipeline(app, address)
    app.run(until_end=True)
    assert [(row.x, row.version) for row in scored(app)] == [(1, "2"), (2, "2"), (-1, "4"), (3, "4")]


@GUARANTEES
def test_a_row_in_the_first_checkpoint_stops_and_the_state_says_which_version_it_was(
    make_app: MakeApp, tmp_path: Path, guarantee: str
) -> None:
    address = f"{tmp_path}/models/shaking"
    publish(address, 1, negative)
    app = make_app(processing_guarantee=guarantee)
    pipeline(app, address)
    send(app, 1, -1, 2)
    with pytest.raises(tr.BadRowError, match="version of factor 1 fails"):
        app.run(until_end=True)
    publish(address, 2, negative)
    app = make_app(processing_guarantee=guarantee)
    pipeline(app, address)
    with pytest.raises(tr.BadRowError, match="version of factor 1 fails"):
        app.run(until_end=True)
    assert [(row.x, row.version) for row in scored(app)] == [(1, "1")]


@GUARANTEES
def test_a_row_that_stops_a_running_service_is_scored_by_what_is_published_meanwhile(
    make_app: MakeApp, address: str, guarantee: str
) -> None:
    """The new version is loaded and not tried yet when the row comes: nothing stops."""
    publish(address, 2, negative)
    app = make_app(processing_guarantee=guarantee)
    model = pipeline(app, address)
    with Serving(app).running() as serving:
        serving.send(1)
        publish(address, 3)
        until(lambda: model.version == "3")
        send(app, 2, -1, 3)
        until(lambda: any(row.x == 3 for row in scored(app)))
    rows = [(row.x, row.version) for row in scored(app)]
    if guarantee == "at-least-once" and rows[1] == rows[0]:
        del rows[0]  # it was not committed, and comes again as it was
    assert rows == [(1, "2"), (2, "2"), (-1, "3"), (3, "3")]


class Kept(tr.Sink):
    """Rows and offsets in memory."""

    def __init__(self) -> None:
        super().__init__("kept")
        self.rows: list[dict[str, Any]] = []
        self.offsets: dict[tuple[str, int], int] = {}

    def open(self, group: str, partitions: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
        return self.offsets

    def write(self, group: str, parts: list[tr.SinkPart]) -> None:
        for part in parts:
            assert self.offsets.get((part.topic, part.partition), part.begin) == part.begin
            self.rows += part.table.to_pylist()
            self.offsets[part.topic, part.partition] = part.end


@GUARANTEES
def test_a_sink_has_each_row_once_where_a_version_takes_over_at_once(
    make_app: MakeApp, address: str, guarantee: str
) -> None:
    publish(address, 2, negative)
    app = make_app(processing_guarantee=guarantee)
    model = tr.load_model(f"{address}@champion", poll_interval=POLL)
    sdf = app.dataframe(app.topic("input"))
    sdf["n"] = sdf["x"].rolling(10, min_periods=1).count()
    sdf["y"] = model.predict(sdf[["x"]])
    sink = Kept()
    sdf.sink(sink)
    send(app, 1)
    app.run(until_end=True)
    publish(address, 3)
    send(app, 2, -1, 3)
    app.run(until_end=True)
    assert [(row["x"], row["y"], row["n"]) for row in sink.rows] == [
        (1, 2, 1), (2, 4, 2), (-1, -3, 3), (3, 9, 4)
    ]  # fmt: skip


@GUARANTEES
def test_a_number_of_rows_where_a_version_takes_over_at_once(
    make_app: MakeApp, address: str, guarantee: str
) -> None:
    """What was read again counts once."""
    publish(address, 2, negative)
    app = make_app(processing_guarantee=guarantee)
    pipeline(app, address)
    send(app, 1)
    app.run(count=1)
    publish(address, 3)
    send(app, 2, -1, 3, 4, 5)
    assert app.run(count=4).rows_out == 4
    assert [(row.x, row.version) for row in scored(app)] == [
        (1, "2"), (2, "2"), (-1, "3"), (3, "3"), (4, "3")
    ]  # fmt: skip


class Twofold(Times):
    """The same by two methods."""

    def predict_proba(self, features: Any) -> Any:
        return self.predict(features) + 0.5


@GUARANTEES
def test_a_version_that_takes_a_row_that_stopped_one_of_two_steps(
    make_app: MakeApp, tmp_path: Path, guarantee: str
) -> None:
    address = f"{tmp_path}/shaking"

    def service() -> tr.Application:
        app = make_app(processing_guarantee=guarantee)
        model = tr.load_model(f"{address}@champion", poll_interval=POLL)
        sdf = app.dataframe(app.topic("input"))
        sdf["y"] = model.predict(sdf[["x"]])
        sdf["p"] = model.predict(sdf[["x"]], method="predict_proba")
        sdf.to_topic(app.topic("output"))
        return app

    tr.publish_model(Twofold(1, negative), address, features=["x"], alias="champion")
    app = service()
    send(app, 1, -1, 2)
    with pytest.raises(tr.BadRowError, match="version of factor 1 fails"):
        app.run(until_end=True)
    tr.publish_model(Twofold(2), address, features=["x"], alias="champion")
    service().run(until_end=True)
    assert [row.row for row in scored(app)] == [
        {"x": 1, "y": 1.0, "p": 1.5},
        {"x": -1, "y": -2.0, "p": -1.5},
        {"x": 2, "y": 4.0, "p": 4.5},
    ]


@GUARANTEES
def test_a_broken_version_that_came_while_the_service_was_down_is_taken_back(
    make_app: MakeApp, address: str, guarantee: str, capfd: pytest.CaptureFixture[str]
) -> None:
    app = make_app(processing_guarantee=guarantee)
    pipeline(app, address)
    with Serving(app).running() as serving:
        serving.send(1)
    publish(address, 2, always)
    app = make_app(processing_guarantee=guarantee)
    model = pipeline(app, address)
    assert model.version == "2"
    with Serving(app).running():
        send(app, 2)
        until(lambda: model.version == "1")
        send(app, 3)
        until(lambda: len(scored(app)) == 3)
        publish(address, 3)
        until(lambda: model.version == "3")
        send(app, 4)
        until(lambda: len(scored(app)) == 4)
        send(app, 5)
        until(lambda: len(scored(app)) == 5)
    assert [row.version for row in scored(app)] == ["1", "1", "1", "1", "3"]
    assert capfd.readouterr().err.count("version 2 failed the first batch") == 1


def test_a_version_that_takes_rows_which_are_skipped_by_the_present_one(
    make_app: MakeApp, tmp_path: Path
) -> None:
    """It is tried on all of them, and takes over between two batches; the same of a shadow."""
    address = f"{tmp_path}/shaking"
    publish(address, 1, always)
    app = make_app(on_error="skip")
    model, shadow = (tr.load_model(f"{address}@champion", poll_interval=POLL) for _ in range(2))
    sdf = app.dataframe(app.topic("input"))
    sdf["plain"] = tr.load_model(Times(10)).predict(sdf[["x"]], shadow=shadow)
    sdf.to_topic(app.topic("shadowed"))
    sdf["y"] = model.predict(sdf[["x"]])
    sdf.to_topic(app.topic("output"))
    with Serving(app).running():
        send(app, 1)
        until(lambda: len(scored(app, "shadowed")) == 1)
        publish(address, 2)
        until(lambda: (model.version, shadow.version) == ("2", "2"))
        send(app, 2)
        until(lambda: len(scored(app, "shadowed")) == 2)
        send(app, 3)
        until(lambda: len(scored(app)) == 1)
    assert [row.row.get("plain-shadow") for row in scored(app, "shadowed")] == [None, None, 6.0]
    assert scored(app)[0].row == {"x": 3, "plain": 30.0, "plain-shadow": 6.0, "y": 6.0}
    assert app.summary.bad == 2


def test_a_control_topic_names_a_version_that_comes_later(
    make_app: MakeApp, address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing is polled: what could not be loaded is tried again all the same."""
    app = make_app()
    model = pipeline(app, address, control_topic="control")
    with Serving(app).running() as serving:
        serving.send(1)
        with app.get_producer() as producer:
            producer.produce("control", "shaking", {"version": "2"})
        until(lambda: "no new version" in capfd.readouterr().err)  # it has been looked for in vain
        publish(address, 2)
        until(lambda: model.version == "2")


@pytest.mark.parametrize(
    "slip", ['{"Version": "3"}', '{"version": null}', "[]", '{"version": 2.6}', '{"version": ""}', "3"]
)
def test_a_control_record_with_a_slip_changes_nothing(
    make_app: MakeApp, address: str, slip: str, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in (2, 3):
        publish(address, number)
    app = make_app()
    with app.get_producer() as producer:
        producer.produce("control", "shaking", {"version": 1})
        producer.produce("control", "shaking", slip)
    model = pipeline(app, address, control_topic="control")
    with Serving(app).running() as serving:
        serving.send(1)
        until(lambda: model.version == "1")
        with app.get_producer() as producer:
            producer.produce("control", "shaking", {})
        until(lambda: model.version == "3")
    assert "is passed over; wanted" in capfd.readouterr().err


@pytest.mark.parametrize("lost", ["stop", "current"])
def test_a_registry_that_is_away_for_a_while_costs_time_alone(
    make_app: MakeApp, address: str, lost: str, capfd: pytest.CaptureFixture[str]
) -> None:
    serve_version_1(make_app, address)
    app = make_app()
    pipeline(app, address, on_lost_version=lost)
    stored = Path(address) / "versions" / "1.json"
    aside = stored.rename(stored.with_suffix(".aside"))
    stored.mkdir()  # it is there, and cannot be read
    with Serving(app).running():
        send(app, 2)
        until(lambda: "input partition 0 waits for version 1" in capfd.readouterr().err)
        stored.rmdir()
        aside.rename(stored)
        until(lambda: len(scored(app)) == 2)
    assert [row.version for row in scored(app)] == ["1", "1"]


class Hanging:
    """Registries of files that do not answer while it is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer = threading.Event()
        self.answer.set()
        self.waiting: list[str] = []  # what was asked for while it did not answer
        read = Folder.read

        def wait(folder: Folder, key: str) -> bytes | None:
            if not self.answer.is_set():
                self.waiting.append(key)
            self.answer.wait(60)
            return read(folder, key)

        monkeypatch.setattr(Folder, "read", wait)

    def begin(self) -> None:
        self.answer.clear()

    def end(self) -> None:
        self.answer.set()


def test_a_registry_that_hangs_holds_up_no_rows_and_no_end(
    make_app: MakeApp, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Hanging(monkeypatch)
    app = make_app(workers=2)
    model = tr.load_model(f"{address}@champion", poll_interval=POLL)
    sdf = app.dataframe(app.topic("input", num_partitions=8))
    sdf["y"] = model.predict(sdf[["x"]])
    sdf.to_topic(app.topic("output"))
    registry.begin()
    begin = time.monotonic()
    with Serving(app).running() as serving:
        serving.send(1)
        assert time.monotonic() - begin < 10
    with Serving(app).running() as serving:  # the version that the state names is in memory
        send(app, 2)
        until(lambda: len(scored(app)) == 2)
    assert time.monotonic() - begin < 20
    registry.end()


def test_a_run_that_waits_for_a_registry_that_hangs_ends_when_it_is_told(
    make_app: MakeApp, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_version_1(make_app, address)
    registry = Hanging(monkeypatch)
    app = make_app()
    pipeline(app, address)  # 2 is in memory, 1 is wanted
    registry.begin()
    with Serving(app).running():
        send(app, 2)
        until(lambda: registry.waiting)
        begin = time.monotonic()
    assert time.monotonic() - begin < 5
    assert [row.version for row in scored(app)] == ["1"]
    registry.end()


SERVICE_THAT_ENDS = """
import threading, time
import tiderace as tr

class Good:
    def predict(self, x):
        return x[:, 0]

class Hangs:
    def predict(self, x):
        called.set()
        while True:
            time.sleep(0.001)  # each time Python's lock is asked for, also once the interpreter ends

def next_version():
    tr.publish_model(Hangs(), "file:models/m", features=["x"])
    called.wait()
    app.stop()

called = threading.Event()
tr.publish_model(Good(), "file:models/m", features=["x"])
app = tr.Application(consumer_group="service")
sdf = app.dataframe(app.topic("input"))
sdf["y"] = tr.load_model("file:models/m", poll_interval="1ms").predict(sdf[["x"]])
sdf.to_topic(app.topic("output"))
threading.Thread(target=next_version).start()
print(app.run())
"""


def test_a_version_that_never_answers_keeps_no_run_and_no_process_from_ending(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVICE_THAT_ENDS]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("rows in 0")


def beside(make_app: MakeApp, address: str) -> tr.Application:
    """Partitions of `input` are scored by version 1, which is not in memory, and that of `other` by 2."""
    app = make_app()
    app.topic("input", num_partitions=6)
    app.create_topics()
    serve_version_1(make_app, address)
    app = make_app()
    pipeline(app, address)
    sdf = app.dataframe(app.topic("other"))
    sdf["y"] = tr.load_model(f"{address}@champion", poll_interval=POLL).predict(sdf[["x"]])
    sdf.to_topic(app.topic("output-of-other"))
    with app.get_producer() as producer:
        producer.produce("other", "key", {"x": 1})
    return app


def test_a_registry_that_hangs_holds_up_only_the_partitions_that_wait_for_it(
    make_app: MakeApp, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = beside(make_app, address)
    registry = Hanging(monkeypatch)
    registry.begin()
    send(app, 2)
    with Serving(app).running():
        until(lambda: len(scored(app, "output-of-other")) == 1)
        assert len(scored(app)) == 1
        registry.end()
        until(lambda: len(scored(app)) == 2)
    assert [row.version for row in scored(app)] == ["1", "1"]


@pytest.mark.parametrize("limit", [{"timeout": 3}, {"count": 1}], ids=["timeout", "count"])
def test_a_run_ends_at_its_limit_though_a_registry_hangs(
    make_app: MakeApp, address: str, limit: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = beside(make_app, address)
    registry = Hanging(monkeypatch)
    registry.begin()
    begin = time.monotonic()
    app.run(**limit)
    assert time.monotonic() - begin < 20
    assert [row.version for row in scored(app, "output-of-other")] == ["2"]
    registry.end()


def test_two_models_of_one_name_and_one_control_topic(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app()
    sdf = app.dataframe(app.topic("input"))
    for number, folder in enumerate(("a", "b")):
        publish(f"{tmp_path}/{folder}/shaking", 1)
        model = tr.load_model(f"{tmp_path}/{folder}/shaking@champion", control_topic="control")
        sdf[f"y{number}"] = model.predict(sdf[["x"]])
    sdf.to_topic(app.topic("output"))
    with pytest.raises(tr.PlanError, match="are both called shaking and hear of versions from control"):
        app.run(until_end=True)


def test_an_alias_of_a_registry_without_models_says_that_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(tr.ConfigError, match=r"no model at .*: publish one with"):
        tr.load_model(f"file:{tmp_path}/none@champion")


@pytest.mark.parametrize("name", ["", "file:", "file://", "file:@champion"])
def test_a_model_without_a_place_is_refused(name: str) -> None:
    with pytest.raises(tr.ConfigError, match="wanted the folder or file of a model"):
        tr.load_model(name)
    with pytest.raises(tr.ConfigError, match="wanted the folder or file of a model"):
        tr.publish_model(Times(1, always), name, features=["x"])


def test_a_folder_of_another_host_is_refused(tmp_path: Path) -> None:
    wanted = "found the host 'models'; write file:models/shaking, or file:///models/shaking"
    for act in (tr.load_model, lambda name: tr.promote_model(name, 1)):
        with pytest.raises(tr.ConfigError, match=wanted):
            act("file://models/shaking")
    publish(f"file://localhost{tmp_path}/shaking", 1)
    assert tr.load_model(f"file://{tmp_path}/shaking").version == "1"


def test_a_model_that_does_not_know_its_features(tmp_path: Path) -> None:
    with pytest.raises(tr.ConfigError, match=r"does not say the names of its features; .*features=\["):
        tr.publish_model(Times(1, always), tmp_path / "shaking")


@pytest.mark.parametrize("file", ["wrong.ubj", "wrong.json"])
def test_a_file_that_is_no_model_is_named(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text("junk")
    with pytest.raises(tr.ConfigError, match=f"cannot load the model '.*{file}': byte 0: wanted"):
        tr.load_model(tmp_path / file)
