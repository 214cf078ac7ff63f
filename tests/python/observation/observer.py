"""A run as seen over HTTP: probes, and metrics read by Prometheus' own parser."""

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tiderace as tr
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], Any]) -> Any:
    """What `condition` gives once it holds; conditions ask a server, which takes its time."""
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come within a minute"
    return found


class Observer:
    """Looks at an application with `metrics_port=observer.port, metrics_address="127.0.0.1"`."""

    def __init__(self) -> None:
        self.port = free_port()
        self.options: dict[str, Any] = {"metrics_port": self.port, "metrics_address": "127.0.0.1"}

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Status and body; 0 while nobody listens."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (urllib.error.URLError, ConnectionError):
            return 0, ""

    def metrics(self) -> dict[str, Metric]:
        """By their names; a counter's without `_total`, as the parser has it."""
        status, text = self.get("/metrics")
        assert status == 200, text
        return {metric.name: metric for metric in text_string_to_metric_families(text)}

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples called `name` that have `labels`."""
        return sum(
            sample.value
            for metric in self.metrics().values()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    @contextmanager
    def running(self, app: tr.Application) -> Iterator[list[tr.Summary]]:
        """Runs `app` beside what is inside; then stops it, and its summary is in the list."""
        summaries: list[tr.Summary] = []
        thread = threading.Thread(target=lambda: summaries.append(app.run()))
        thread.start()
        try:
            until(lambda: self.get("/healthz")[0])
            yield summaries
        finally:
            app.stop()
            thread.join()
