"""Models that change while the stream runs: which row is scored by which version."""

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiderace as tr
from serving import POLL, Serving, Times, always, metrics, negative, pipeline, publish, scored, until

MakeApp = Callable[..., tr.Application]
GUARANTEES = ["at-least-once", "exactly-once"]


@pytest.fixture
def address(tmp_path: Path) -> str:
    publish(f"{tmp_path}/models/shaking", 1)
    return f"{tmp_path}/models/shaking"


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_a_new_version_takes_over_between_two_batches(
    make_app: MakeApp, address: str, guarantee: str
) -> None:
    app = make_app(processing_guarantee=guarantee, commit_interval=0.01)
    model = pipeline(app, address)
    with Serving(app).running() as serving:
        assert serving.send(1, 2).version == "1"
        publish(address, 2)
        until(lambda: model.version == "2")
        tried = serving.send(3)  # both score it, the old one's goes out
        assert (tried.y, tried.version) == (3, "1")
        after = serving.send(4)
        assert (after.y, after.version) == (8, "2")
        publish(address, 3)
        until(lambda: model.version == "3")
        assert serving.send(5, 6).y == 18
        assert "(version 3)" in app.explain()
    assert [row.y / row.x for row in scored(app) if row.y] == [1, 1, 1, 2, 2, 3]
    assert all(row.y == row.x * float(row.version) for row in scored(app))


def test_nothing_changes_unless_asked_for(make_app: MakeApp, address: str) -> None:
    app = make_app()
    model = tr.load_model(f"{address}@champion")
    sdf = app.dataframe(app.topic("input"))
    sdf["y"] = model.predict(sdf[["x"]])
    sdf.to_topic(app.topic("output"))
    with Serving(app).running() as serving:
        assert serving.send(1).version == "1"
        publish(address, 2)
        assert serving.send(1, 1).version == "1"
    assert "group-input-changelog" not in str(app.explain())
    with pytest.raises(tr.ConfigError, match="no topic"):
        app.get_reader("group-input-changelog")  # nothing that changes needs no state


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_a_version_that_fails_its_first_batch_is_taken_back(
    make_app: MakeApp, address: str, guarantee: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = make_app(processing_guarantee=guarantee, metrics_port=port, metrics_address="127.0.0.1")
    model = pipeline(app, address)
    with Serving(app).running() as serving:
        serving.send(1)
        publish(address, 2, always)
        until(lambda: model.version == "2")
        assert [serving.send(x).y for x in (2, 3, 4)] == [2, 3, 4]
        assert model.version == "1"
        found = metrics(port)
        assert found["tiderace_model_rollbacks_total", ""] == 1
        assert found["tiderace_model_swaps_total", ""] == 0
        assert found["tiderace_model_partitions", "1"] == 1
        publish(address, 3)
        until(lambda: model.version == "3")
        assert serving.send(5, 6).y == 18
        found = metrics(port)
        assert found["tiderace_model_swaps_total", ""] == 1
        assert found["tiderace_model_partitions", "3"] == 1
        assert ("tiderace_model_partitions", "1") not in found
    told = capfd.readouterr().err
    assert len(re.findall(r"version 2 failed the first batch that it was tried on", told)) == 1
    assert "version of factor 2 fails" in told
    assert app.summary.bad == 0


def test_rows_that_both_fail_on_do_not_count_against_the_new_one(make_app: MakeApp, address: str) -> None:
    publish(address, 2, negative)
    app = make_app(on_error="skip")
    model = pipeline(app, address)
    with app.get_producer() as producer:
        for x in (1, -1, 2):
            producer.produce("input", "key", {"x": x})
    app.run(until_end=True)
    publish(address, 3, negative)
    assert model.version == "2"
    with Serving(app).running() as serving:
        until(lambda: model.version == "3")
        with app.get_producer() as producer:
            for x in (3, -1, 4):
                producer.produce("input", "key", {"x": x})
        until(lambda: len(scored(app)) == 4)
        serving.app.stop()
    with app.get_producer() as producer:
        producer.produce("input", "key", {"x": 5})
    app.run(until_end=True)
    assert [(row.x, row.version) for row in scored(app)] == [
        (1, "2"), (2, "2"), (3, "2"), (4, "2"), (5, "3")
    ]  # fmt: skip


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_a_version_that_takes_a_row_that_stopped_the_service(
    make_app: MakeApp, address: str, guarantee: str
) -> None:
    """A restart goes on with the version that it was on, and the row would stop it again and again."""
    publish(address, 2, negative)

    def service() -> tr.Application:
        app = make_app(processing_guarantee=guarantee)
        pipeline(app, address)
        return app

    app = service()
    with app.get_producer() as producer:
        for x in (1, -1, 2):
            producer.produce("input", "key", {"x": x})
    for _ in range(2):
        with pytest.raises(tr.BadRowError, match="version of factor 2 fails"):
            service().run(until_end=True)
    publish(address, 3)
    app = service()
    app.run(until_end=True)
    assert [(row.x, row.y, row.version) for row in scored(app)] == [(1, 2, "2"), (-1, -3, "3"), (2, 6, "3")]


def test_what_cannot_be_loaded_changes_nothing(
    make_app: MakeApp, address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    app = make_app()
    model = pipeline(app, address)
    with Serving(app).running() as serving:
        serving.send(1)
        about = tr.publish_model(Times(2), address, features=["x"])  # not the champion yet
        blob = Path(address) / "blobs" / f"{about.sha256}.pkl"
        whole = blob.read_bytes()
        blob.write_bytes(whole[:-1])
        tr.promote_model(address, 2)
        until(lambda: "version 2 is damaged" in capfd.readouterr().err)
        assert serving.send(2, 3).version == "1"
        tr.publish_model(Times(3), address, features=["x", "z"], alias="champion")
        until(lambda: "not known to it" in (told := capfd.readouterr().err) or "missing: z" in told)
        assert serving.send(4, 5).version == "1"
        blob.write_bytes(whole)
        tr.promote_model(address, 2)
        until(lambda: model.version == "2")
        assert serving.send(6, 7).y == 14


def test_an_alias_that_goes_back(make_app: MakeApp, address: str) -> None:
    publish(address, 2)
    app = make_app()
    model = pipeline(app, address)
    with Serving(app).running() as serving:
        assert serving.send(1).version == "2"
        tr.promote_model(address, 1)
        until(lambda: model.version == "1")
        assert serving.send(2, 3).y == 3


def test_a_control_topic(make_app: MakeApp, address: str) -> None:
    publish(address, 2)
    publish(address, 3)
    app = make_app()

    def tell(value: Any) -> None:
        with app.get_producer() as producer:
            producer.produce("control", "other", {"version": "1"})
            producer.produce("control", "shaking", value)

    tell({"version": 2})
    model = pipeline(app, address, control_topic="control")
    assert model.version == "3"
    with Serving(app).running() as serving:
        serving.send(1)
        until(lambda: model.version == "2")
        assert serving.send(2, 3).y == 6
        tell({"version": "1"})
        until(lambda: model.version == "1")
        assert serving.send(4, 5).y == 5
        tell("no JSON")
        tell({})
        until(lambda: model.version == "3")
        assert serving.send(6, 7).y == 21
        tell(None)
        assert serving.send(8).version == "3"


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_a_restart_goes_on_with_its_version(make_app: MakeApp, address: str, guarantee: str) -> None:
    app = make_app(processing_guarantee=guarantee)
    pipeline(app, address)
    with Serving(app).running() as serving:
        serving.send(1)
    publish(address, 2)
    app = make_app(processing_guarantee=guarantee)
    model = pipeline(app, address)
    assert model.version == "2"
    with app.get_producer() as producer:
        producer.produce("input", "key", {"x": 2})
    app.run(until_end=True)
    with app.get_producer() as producer:
        producer.produce("input", "key", {"x": 3})
    app.run(until_end=True)
    assert [row.version for row in scored(app)] == ["1", "1", "2"]


def test_a_version_that_was_trained_on_other_features(make_app: MakeApp, address: str) -> None:
    app = make_app()
    pipeline(app, address)
    with Serving(app).running() as serving:
        serving.send(1)
    tr.publish_model(Times(2), address, features=["z"], alias="champion")
    app = make_app()
    sdf = app.dataframe(app.topic("input"))
    sdf["y"] = tr.load_model(f"{address}@champion", poll_interval=POLL).predict(sdf[["z"]])
    sdf.to_topic(app.topic("output"))
    with pytest.raises(
        tr.StateError,
        match=r"scored by version 1 of .* cannot be loaded: .* trained on the features \(x\), the pipeline "
        r'gives \(z\).*\. Give predict\(\) the features of before, or say on_lost_version="current"',
    ):
        app.run(until_end=True)


def test_a_version_that_is_gone(make_app: MakeApp, address: str) -> None:
    app = make_app()
    pipeline(app, address)
    with Serving(app).running() as serving:
        serving.send(1)
    publish(address, 2)
    (Path(address) / "versions" / "1.json").unlink()
    app = make_app()
    pipeline(app, address)
    with pytest.raises(
        tr.StateError,
        match=r"input partition 0 is scored by version 1 of .*shaking@champion from offset 0 on, which "
        r"cannot be loaded: .* has no version 1; it has 2\. Put that version back into the registry, or say "
        r'on_lost_version="current"',
    ):
        app.run(until_end=True)
    app = make_app()
    model = tr.load_model(f"{address}@champion", poll_interval=POLL, on_lost_version="current")
    sdf = app.dataframe(app.topic("input"))
    sdf["y"] = model.predict(sdf[["x"]])
    sdf.to_topic(app.topic("output"))
    with app.get_producer() as producer:
        producer.produce("input", "key", {"x": 2})
    app.run(until_end=True)
    assert [row.version for row in scored(app)] == ["1", "2"]


def test_partitions_and_workers_come_along(make_app: MakeApp, address: str) -> None:
    app = make_app(workers=2)
    model = tr.load_model(f"{address}@champion", poll_interval=POLL)
    sdf = app.dataframe(app.topic("input", num_partitions=4))
    sdf["y"] = model.predict(sdf[["x"]])
    sdf.to_topic(app.topic("output"))
    sent = 0

    def send() -> None:
        nonlocal sent
        with app.get_producer() as producer:
            for key in range(40):
                producer.produce("input", f"key-{key}", {"x": 1.0})
        sent += 40
        until(lambda: len(scored(app)) == sent)

    with Serving(app).running():
        send()
        publish(address, 2, always)
        until(lambda: model.version == "2")
        send()
        until(lambda: model.version == "1")
        publish(address, 3)
        until(lambda: model.version == "3")
        send()
        send()
    assert [row.version for row in scored(app)][-40:] == ["3"] * 40
    assert all(row.y == float(row.version) for row in scored(app))
    assert "2" not in {row.version for row in scored(app)}


def test_a_column_and_headers(make_app: MakeApp, address: str) -> None:
    app = make_app()
    pipeline(app, address, version_column="model_version")
    with Serving(app).running() as serving:
        plain = serving.send(1)
        assert plain.headers == {"tiderace.model.shaking": "1"}
        assert plain.row == {"x": 1, "y": 1.0, "model_version": "1"}
        kept = serving.send(2, trace="abc")
        assert kept.headers == {"trace": "abc", "tiderace.model.shaking": "1"}
        replaced = serving.send(3, **{"tiderace.model.shaking": "9", "tiderace.model.other": "7"})
        assert replaced.headers == {"tiderace.model.shaking": "1", "tiderace.model.other": "7"}
        with app.get_producer() as producer:
            producer.produce("input", "key", {"x": None})
        nulls = until(lambda: len(found := scored(app)) == 4 and found[-1])
        assert nulls.row == {"x": None, "y": None, "model_version": None}
        assert nulls.version == "1"
    rows = app.dataframe(app.topic("input"))
    fixed = tr.load_model(f"{address}@champion")
    rows["y"] = fixed.predict(rows[["x"]], version_column="v")
    assert rows.backtest([{"x": 2.0}]).to_pylist() == [{"x": 2.0, "y": 2.0, "v": "1"}]
    with pytest.raises(tr.PlanError, match="has no version; publish it to a registry"):
        tr.load_model(Times(1)).predict(rows[["x"]], version_column="v")


def test_a_backtest_takes_the_version_that_is_loaded(make_app: MakeApp, address: str) -> None:
    app = make_app()
    model = tr.load_model(f"{address}@champion", poll_interval=POLL)
    sdf = app.dataframe(app.topic("input"))
    sdf["y"] = model.predict(sdf[["x"]], version_column="v")
    publish(address, 2)
    table = sdf.backtest([{"x": float(x)} for x in range(1000)], batch_rows=10)
    assert set(table["v"].to_pylist()) == {"1"}


class Named(Times):
    """The same by two methods."""

    def predict_proba(self, features: Any) -> Any:
        return features[:, 0] * self.factor + 0.5


def test_two_methods_change_together(make_app: MakeApp, tmp_path: Path) -> None:
    address = f"{tmp_path}/shaking"
    tr.publish_model(Named(1), address, features=["x"], alias="champion")
    app = make_app()
    model = tr.load_model(f"{address}@champion", poll_interval=POLL)
    sdf = app.dataframe(app.topic("input"))
    sdf["y"] = model.predict(sdf[["x"]])
    sdf["p"] = model.predict(sdf[["x"]], method="predict_proba")
    sdf.to_topic(app.topic("output"))
    assert 'method="predict_proba"' in app.explain()
    with Serving(app).running() as serving:
        assert serving.send(1).row == {"x": 1, "y": 1.0, "p": 1.5}
        tr.publish_model(Named(2), address, features=["x"], alias="champion")
        until(lambda: model.version == "2")
        assert serving.send(2, 3).row == {"x": 3, "y": 6.0, "p": 6.5}


def test_mistakes(make_app: MakeApp, address: str, sdf: tr.StreamingDataFrame) -> None:
    with pytest.raises(tr.ConfigError, match="never changes"):
        tr.load_model(f"{address}@1", poll_interval=1)
    with pytest.raises(tr.ConfigError, match="for models in a registry"):
        tr.load_model(Times(1), poll_interval=1)
    with pytest.raises(tr.ConfigError, match="cannot have one sha256"):
        tr.load_model(address, poll_interval=1, sha256="0" * 64)
    with pytest.raises(tr.ConfigError, match="poll_interval: wanted a time above 0"):
        tr.load_model(address, poll_interval=0)
    with pytest.raises(tr.ConfigError, match='on_lost_version: wanted "stop" or "current"'):
        tr.load_model(address, on_lost_version="latest")
    with pytest.raises(tr.ConfigError, match="found 'transform'"):
        tr.load_model(address).predict(sdf[["x"]], method="transform")
    with pytest.raises(tr.ConfigError, match="predict_proba"):
        tr.load_model(address).predict(sdf[["x"]], method="predict_proba")
