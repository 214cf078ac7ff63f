"""A folder includes only what stands to its left in the order of layers, third-party headers only at home."""

import re
from pathlib import Path

from checks import CPP, Tree

_data = {"base", "columnar"}
_plan = _data | {"formats", "expr"}
_operators = _plan | {"plan", "state", "log", "models"}
_runtime = _operators | {"operators", "connectors", "http"}
_front = _runtime | {"runtime", "api"}

# What a folder may include beside itself.
LAYERS: dict[str, set[str]] = {
    "src/base": set(),
    "src/columnar": {"base"},
    "src/http": {"base"},
    "src/formats": _data,
    "src/expr": _data,
    "src/plan": _plan,
    "src/state": _data,
    "src/log": _data,
    "src/models": _data,
    "src/operators": _operators,
    "src/connectors": _operators | {"operators"},
    "src/runtime": _runtime,
    "src/api": _runtime | {"runtime"},
    "cli": _front | {"gateway"},
    "gateway": {"base"},
    "python/bindings": _front,
    "bench": _front,
    "tests": _front,
}

# Where a third-party header may be included (in tests beside), by the beginning of its name.
THIRD_PARTY: dict[str, tuple[str, ...]] = {
    "benchmark/": ("bench",),
    "boost/": ("src/http", "gateway", "bench/gateway"),
    "fast_float/": ("src/formats",),
    "fmt/": ("src", "cli", "gateway", "python/bindings", "bench"),
    "gmock/": (),
    "gtest/": (),
    "jansson.h": ("gateway",),
    "jwt.h": ("gateway",),
    "librdkafka/": ("src/log/kafka", "bench/peers/handwritten"),
    "nanobind/": ("python/bindings",),
    "openssl/": ("src/models", "src/log/kafka"),
    "Python.h": ("python/bindings",),
    "re2/": ("src/expr",),
    "rocksdb/": ("src/state/rocksdb",),
    "simdjson.h": ("bench/peers/handwritten",),
    "sqlite3.h": ("src/log/embedded",),
    "toml++/": ("gateway",),
    "utf8proc.h": ("src/expr",),
    "xgboost/": ("src/models",),
}

# What the layers below `api` may take from the public headers.
PUBLIC_VALUES = {"tiderace/error.h", "tiderace/options.h", "tiderace/security.h", "tiderace/topic.h"}

SYSTEM = re.compile(
    r"[a-z0-9_]+|(?:sys|linux|arpa|netinet|sanitizer)/[a-z0-9_]+\.h|(?:[a-z]mmintrin|cxxabi|execinfo|arm_neon)\.h"
)
POSIX = {"dirent.h", "dlfcn.h", "fcntl.h", "poll.h", "pthread.h", "pwd.h", "sched.h", "signal.h", "spawn.h"}
POSIX |= {"termios.h", "threads.h", "time.h", "unistd.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def _layer_of(path: Path) -> str | None:
    return next((layer for layer in LAYERS if path.is_relative_to(layer)), None)


def _wrong_system(path: Path, header: str) -> str | None:
    """What is wrong with `#include <header>` in `path`."""
    if header.startswith("tiderace/"):
        low = path.is_relative_to("src") and not path.is_relative_to("src/api")
        if low and header not in PUBLIC_VALUES:
            return f"includes <{header}>; below src/api only {', '.join(sorted(PUBLIC_VALUES))} may be used"
        return None
    if header in POSIX or SYSTEM.fullmatch(header):
        return None
    for prefix, folders in THIRD_PARTY.items():
        if header.startswith(prefix):
            if any(path.is_relative_to(folder) for folder in (*folders, "tests")):
                return None
            return f"includes <{header}>, which belongs in {', '.join((*folders, 'tests'))} only"
    return f"includes <{header}>, which tools/check/layers.py does not know; add it there if it is to be used"


def _wrong_own(path: Path, header: str) -> str | None:
    """What is wrong with `#include "header"` in `path`."""
    layer = _layer_of(path)
    folder = header.split("/")[0]
    if layer is None:
        return f'includes "{header}"; outside the engine only <tiderace/...> may be used'
    if folder == layer.split("/")[-1] or folder in LAYERS[layer]:
        return None
    if layer in ("cli", "gateway", "python/bindings", "bench", "tests") and f"src/{folder}" not in LAYERS:
        return None  # a header of its own
    allowed = ", ".join(sorted(LAYERS[layer])) or "nothing else"
    return f'includes "{header}"; {layer} may include {allowed}'


def check(tree: Tree) -> list[str]:
    problems: list[str] = []
    for path in tree.with_suffix(CPP):
        public = path.is_relative_to("include")
        if public and re.search(r"^namespace (?!TIDERACE_API )\w", tree.text(path), re.MULTILINE):
            problems.append(
                f"{path}: wants `namespace TIDERACE_API tiderace`, or the shared library hides it"
            )
        for match in INCLUDE.finditer(tree.text(path)):
            system, header = match[1] == "<", match[2]
            wrong = _wrong_system(path, header) if system else _wrong_own(path, header)
            if public and not (
                system and (header.startswith("tiderace/") or re.fullmatch("[a-z_]+", header))
            ):
                wrong = f"includes {match[1]}{header}; public headers use only the standard library"
            if wrong:
                line = tree.text(path).count("\n", 0, match.start(2)) + 1
                problems.append(f"{path}:{line}: {wrong}")
    return problems
