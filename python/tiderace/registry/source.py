"""What the engine asks a registry while a stream runs, on threads of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from tiderace import _tiderace
from tiderace.errors import ConfigError
from tiderace.registry import Reference
from tiderace.registry.runnable import Bind
from tiderace.registry.version import ModelVersion

T = TypeVar("T")
NOTICE_S = 0.05  # how soon a call that is to end does


class Source:
    """One model of a registry. The engine makes one call of it at a time."""

    def __init__(self, reference: Reference, sha256: str) -> None:
        self._reference = reference
        self._sha256 = sha256.lower()
        self._loaded: tuple[ModelVersion, Bind] | None = None
        self._interrupted = threading.Event()
        self.about: dict[str, ModelVersion] = {}

    def resolve(self) -> str:
        """The version that the reference names now."""
        return self._apart(lambda: self._reference.registry.resolve(self._reference.pointer))

    def load(self, version: str, methods: list[str]) -> list[_tiderace.Model]:
        """That version, by each of `methods`."""
        if self._loaded is None or self._loaded[0].version != version:
            self._loaded = self._apart(lambda: self._load(version))
        about, bind = self._loaded
        self.about[version] = about
        label = f"{self._reference.text} version {version}"
        features = list(about.features.items())
        # Code of the user's that never answers must not keep a run from ending.
        models = [bind(method, self._apart) for method in methods]
        return [_tiderace.with_features(each, label, features) if features else each for each in models]

    def interrupt(self, on: bool) -> None:
        """While `on`, calls end soon, and fail."""
        if on:
            self._interrupted.set()
        else:
            self._interrupted.clear()

    def _load(self, version: str) -> tuple[ModelVersion, Bind]:
        return self._reference.registry.load(version, self._reference.text, self._sha256)

    def _apart(self, call: Callable[[], T]) -> T:
        """`call()`; where Ctrl-C does not reach it, on a thread that can be left to itself."""
        if threading.current_thread() is threading.main_thread():
            return call()
        outcome: Future[T] = Future()
        threading.Thread(target=_settle, args=(outcome, call), name="tiderace-registry", daemon=True).start()
        while not wait([outcome], timeout=NOTICE_S).done:
            if self._interrupted.is_set():
                raise ConfigError("the run ended before there was an answer")
        return outcome.result()


def _settle(outcome: Future[T], call: Callable[[], T]) -> None:
    try:
        outcome.set_result(call())
    except BaseException as error:
        outcome.set_exception(error)
