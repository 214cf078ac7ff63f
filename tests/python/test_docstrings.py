"""The examples of the docstrings run and give what they say."""

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tiderace as tr

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Finder(doctest.DocTestFinder):
    """Looks through decorators, which stand in another module."""

    def _from_module(self, module: ModuleType | None, thing: object) -> bool:
        found: bool = super()._from_module(module, inspect.unwrap(thing))  # type: ignore[misc, arg-type]
        return found


def examples() -> Iterator[doctest.DocTest]:
    finder = Finder(exclude_empty=True)
    for module in pkgutil.iter_modules(tr.__path__, "tiderace."):
        if module.name != "tiderace._tiderace":
            yield from (test for test in finder.find(importlib.import_module(module.name)) if test.examples)
    yield from (test for test in finder.find(tr, "tiderace", module=False) if test.examples)


@pytest.mark.parametrize("example", list(examples()), ids=lambda example: example.name)
def test_example(example: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIDERACE_BROKER_ADDRESS", raising=False)
    app = tr.Application(consumer_group="docs")
    sdf = app.dataframe(app.topic("phone-data"))
    example.globs.update(tr=tr, np=np, app=app, sdf=sdf)
    assert doctest.DocTestRunner(optionflags=FLAGS).run(example).failed == 0


def test_there_are_examples() -> None:
    names = {example.name for example in examples()}
    assert len(names) > 40
    assert {"tiderace.dataframe.StreamingDataFrame.to_topic", "tiderace.models.load_model"} <= names


def test_everything_public_is_documented() -> None:
    for name in tr.__all__:
        if name == "__version__":
            continue
        thing = getattr(tr, name)
        assert thing.__doc__, name
        for member, value in vars(thing).items() if isinstance(thing, type) else ():
            if callable(value) and not member.startswith("_"):
                assert value.__doc__, f"{name}.{member}"
