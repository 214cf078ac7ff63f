"""A service that scores rows while versions of its model come and go."""

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import tiderace as tr
from prometheus_client.parser import text_string_to_metric_families

POLL = "5ms"


class Times:
    """Predicts the first feature times a factor; fails on features that it is told to fail on."""

    def __init__(self, factor: float, fails_on: Callable[[Any], Any] | None = None) -> None:
        self.factor = factor
        self.fails_on = fails_on

    def predict(self, features: Any) -> Any:
        if self.fails_on is not None and self.fails_on(features[:, 0]).any():
            raise ValueError(f"version of factor {self.factor} fails")
        return features[:, 0] * self.factor


def always(x: Any) -> Any:
    return x == x


def negative(x: Any) -> Any:
    return x < 0


@dataclass(frozen=True)
class From:
    """Rows whose `x` is `limit` or more."""

    limit: float

    def __call__(self, x: Any) -> Any:
        return x >= self.limit


def publish(address: str, factor: float, fails_on: Callable[[Any], Any] | None = None) -> str:
    """Predictions tell the version apart: `x` times its number, where that is the factor."""
    return tr.publish_model(Times(factor, fails_on), address, features=["x"], alias="champion").version


def pipeline(app: tr.Application, address: str, **options: Any) -> tr.Model:
    """Rows of `input` with the prediction `y`, in `output`."""
    names = ("control_topic", "poll_interval", "on_lost_version")
    how = {name: options.pop(name) for name in names if name in options}
    if "control_topic" not in how:
        how.setdefault("poll_interval", POLL)
    model = tr.load_model(f"{address}@champion", **how)
    sdf = app.dataframe(app.topic("input"))
    sdf["y"] = model.predict(sdf[["x"]], **options)
    sdf.to_topic(app.topic("output"))
    app.topic("output")
    return model


def until(condition: Callable[[], Any]) -> Any:
    """What `condition` gives once it holds; other threads take their time."""
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come within a minute"
        time.sleep(0.001)
    return found


@dataclass(frozen=True)
class Scored:
    """A row that was written: its input, its prediction, and what its headers say."""

    x: float
    y: float | None
    headers: dict[str, str]
    row: dict[str, Any]

    @property
    def version(self) -> str:
        return self.headers["tiderace.model.shaking"]


def scored(app: tr.Application, topic: str = "output", count: int | None = None) -> list[Scored]:
    """All rows of a topic, or the first `count`, which are waited for."""
    found: list[Scored] = []
    reader: Iterator[Any] = iter(until(lambda: _reader(app, topic, count is None)))
    while count is None or len(found) < count:
        record = next(reader, None)
        if record is None:
            break
        row = record.json()
        headers = {name: (value or b"").decode() for name, value in record.headers}
        found.append(Scored(row["x"], row.get("y"), headers, row))
    return found


def _reader(app: tr.Application, topic: str, until_end: bool) -> tr.Reader | None:
    try:
        return app.get_reader(topic, until_end=until_end)
    except tr.ConfigError:
        return None  # the service makes it


class Serving:
    """Runs an application on a thread, and hands it rows one at a time."""

    def __init__(self, app: tr.Application, topic: str = "input", output: str = "output") -> None:
        self.app = app
        self._topic = topic
        self._output = output
        self._sent = 0
        self.error: BaseException | None = None

    @contextmanager
    def running(self) -> Iterator["Serving"]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield self
        finally:
            self.app.stop()
            thread.join()
        if self.error:
            raise self.error

    def _run(self) -> None:
        try:
            self.app.run()
        except BaseException as error:
            self.error = error

    def send(self, *rows: float, **headers: str) -> Scored:
        """Each row a batch of its own; gives what came of the last."""
        for x in rows:
            with self.app.get_producer() as producer:
                producer.produce(self._topic, "key", {"x": x}, headers=headers or None)
            self._sent += 1
            last = scored(self.app, self._output, self._sent)[-1]
        return last


def metrics(port: int) -> dict[tuple[str, str], float]:
    """What counts of models: by name and, where there is one, version."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, sample.labels.get("version", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "model" in sample.name or "shadow" in sample.name
    }
