"""Answers to arguments of a wrong type: which parameter it is, what was wanted, what was found."""

from __future__ import annotations

import functools
import inspect
import json
import os
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tiderace.errors import Error

T = TypeVar("T", bound=Callable[..., Any])

_HERE = os.path.join(os.path.dirname(__file__), "")
_MEMBERS = ("__init__", "__getitem__", "__setitem__")
# What may hold a password: its type is shown, not its value.
_SECRET = ("security", "url", "query", "consumer_config", "producer_config")
_OWNERS = {"StreamingDataFrame": "sdf", "Application": "app", "Series": "series", "Strings": "series.str"}
_WORDS = {str: "text", int: "an integer", float: "a number", bool: "True or False", type(None): "None"}
_CONTAINERS = {"Mapping": "a dict from {} to {}", "dict": "a dict from {} to {}", "PathLike": "a path"}
_CONTAINERS |= {"Sequence": "a list of {}", "Iterable": "a list of {}", "tuple": "a tuple of {} and {}"}
_SOURCES = {".parquet": "Parquet", ".ndjson": "Ndjson", ".jsonl": "Ndjson", ".json": "Ndjson"}


def answers(kind: type[Error], itself: str = "") -> Callable[[T], T]:
    """Lets a function, or all methods of a class, raise `kind` for an argument that is of a wrong type.

    The types are those of its annotations. They are looked at once a call has failed, so that what the engine
    can take is taken. What code of the user's raises is left as it is, and so are methods that have been told
    another `kind`, and the one called `itself`, which is too fast for a call around it and asks `explained`.
    """

    def decorate(what: T) -> T:
        if not isinstance(what, type):
            return _answering(what, kind)
        for name, member in list(vars(what).items()):
            public = name in _MEMBERS or not name.startswith("_")
            done = name == itself or hasattr(member, "__wrapped__")
            if public and not done and inspect.isfunction(member):
                setattr(what, name, _answering(member, kind))
        return what

    return decorate


def explained(error: Exception, kind: type[Error], function: Callable[..., Any], *args: Any) -> Exception:
    """What `function`, which met `error`, is to raise: `kind` if it is about `args`, else the error."""
    return _explained(error, _files_of(error), kind, function, args, {}) or error


def _answering(function: T, kind: type[Error]) -> T:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (TypeError, ValueError, AttributeError) as error:
            better = _explained(error, _files_of(error)[1:], kind, function, args, kwargs)
            if better is None:
                raise
            raise better from None

    return typing.cast(T, call)


def _explained(
    error: Exception,
    files: list[str],
    kind: type[Error],
    function: Callable[..., Any],
    args: Any,
    kwargs: Any,
) -> Error | None:
    """None if it is not the arguments that `error`, met in `files` from `function` on, is about."""
    if not files or not all(file.startswith(_HERE) for file in files):
        return None  # the arguments do not fit the signature, or code of the user's failed
    given = list(_given(function, args, kwargs))
    mistake = _mistake(given)
    if not mistake and len(files) == 1 and "incompatible function arguments" in str(error):
        mistake = _beyond_limits(given)
    return kind(f"{_shown(function, args)}: {mistake}") if mistake else None


def _mistake(given: list[tuple[str, Any, Any]]) -> str | None:
    for name, value, hint in given:
        if not _matches(value, hint):
            return f"{name}: wanted {_wanted(hint, value)}, found {_found(name, value)}"
    return None


def _beyond_limits(given: list[tuple[str, Any, Any]]) -> str:
    found = ", ".join(f"{name}={_found(name, value)}" for name, value, _ in given)
    return f"wanted values that the engine can hold (a number may be out of its range), found {found}"


def _files_of(error: Exception) -> list[str]:
    """Of the frames that the error went through."""
    files = []
    at = error.__traceback__
    while at is not None:
        files.append(at.tb_frame.f_code.co_filename)
        at = at.tb_next
    return files


def _given(function: Callable[..., Any], args: Any, kwargs: Any) -> Iterator[tuple[str, Any, Any]]:
    """Name, value and type of every argument that was given, but `self`."""
    signature = inspect.signature(function)
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        parameter = signature.parameters[name]
        hint = _hint(parameter.annotation, function)
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            yield from ((each, found, hint) for each, found in value.items())
        elif name != "self":
            yield name, value, hint


def _hint(annotation: Any, function: Callable[..., Any]) -> Any:
    """The type that an annotation names; Any where it stands for types that are not imported."""
    if annotation is inspect.Parameter.empty:
        return Any
    try:
        return eval(annotation, function.__globals__) if isinstance(annotation, str) else annotation
    except NameError:
        return Any


def _alternatives(hint: Any) -> tuple[Any, ...]:
    is_union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    return typing.get_args(hint) if is_union else (hint,)


def _matches(value: Any, hint: Any) -> bool:
    return any(_is(value, each) for each in _alternatives(hint))


def _is(value: Any, hint: Any) -> bool:
    if hint is None:
        return value is None
    if hint is int:
        return hasattr(value, "__index__")
    if hint is float:
        return hasattr(value, "__float__")
    wanted = typing.get_origin(hint) or hint
    if wanted is Any or not isinstance(wanted, type):
        return True  # or a type variable
    return isinstance(value, wanted) and _holds(value, typing.get_args(hint))


def _holds(value: Any, parts: tuple[Any, ...]) -> bool:
    """Whether what is in a dict, list or tuple is of the types that are wanted."""
    if isinstance(value, Mapping) and len(parts) == 2:
        return all(_matches(k, parts[0]) and _matches(v, parts[1]) for k, v in value.items())
    if isinstance(value, tuple) and len(parts) > 1:
        return len(value) == len(parts) and all(map(_matches, value, parts))
    if isinstance(value, list | tuple) and len(parts) == 1:
        return all(_matches(each, parts[0]) for each in value)
    return True


def _wanted(hint: Any, value: Any) -> str:
    given = [each for each in _alternatives(hint) if each is not type(None)]
    *others, last = dict.fromkeys(_words(each, value) for each in given or [type(None)])
    return f"{', '.join(others)} or {last}" if others else last


def _words(hint: Any, value: Any) -> str:
    """A type as a reader would call it, and how to get one."""
    wanted = typing.get_origin(hint) or hint
    name = getattr(wanted, "__name__", str(wanted))
    if name in _MADE_BY:
        return _MADE_BY[name](value if isinstance(value, str) else "")
    if of := [_wanted(each, None) for each in typing.get_args(hint) if each is not ...]:
        return _CONTAINERS.get(name, f"a {name} of {{}}").format(*of)
    return _WORDS.get(wanted, f"a {name}")


def _topic(name: str) -> str:
    return f"a topic, app.topic({json.dumps(name or 'name', ensure_ascii=False)})"


def _source(path: str) -> str:
    kind = _SOURCES.get(Path(path).suffix, "Csv")
    return f"a source, such as tr.{kind}Source({json.dumps(path or 'rides.csv', ensure_ascii=False)})"


_MADE_BY: dict[str, Callable[[str], str]] = {
    "Topic": _topic,
    "Source": _source,
    "Sink": lambda _: 'a sink, such as tr.ParquetSink("folder") (a topic is written to by sdf.to_topic)',
    "Callable": lambda _: "a function",
}


def _found(name: str, value: Any) -> str:
    if name in _SECRET and isinstance(value, Mapping):
        return (
            f"a {type(value).__name__} of {', '.join(f'{k}: {type(v).__name__}' for k, v in value.items())}"
        )
    if name in _SECRET:
        return f"a value of type {type(value).__name__}"
    return f"{value!r:.100}"


def _shown(function: Callable[..., Any], args: Any) -> str:
    """The call as it is written: `sdf.to_topic`, `tr.Application`."""
    owner, _, name = function.__qualname__.rpartition(".")
    if name == "__init__":
        return f"tr.{type(args[0]).__name__}"
    if not owner:
        return f"tr.{name}"
    variable = _OWNERS.get(owner, owner)
    return f"{variable}[...]" if name.startswith("__") else f"{variable}.{name}"
