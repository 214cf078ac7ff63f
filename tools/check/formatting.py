"""clang-format for C++, ruff for Python; lines of the pages' sources are not long and have no loose ends."""

import re
import sys
from pathlib import Path

from checks import CPP, PYTHON, WEB, Tree, run

_MISFORMATTED = re.compile(r"(.+?):\d+:\d+: error: code should be clang-formatted")


WEB_LINE = 126


def _web(tree: Tree, path: Path) -> list[str]:
    problems = []
    for number, line in enumerate(tree.text(path).splitlines(), 1):
        if len(line) > WEB_LINE:
            problems.append(f"{path}:{number}: {len(line)} characters, at most {WEB_LINE}")
        if line != line.rstrip() or "\t" in line:
            problems.append(f"{path}:{number}: a tab, or white space at the end")
    return problems


def check(tree: Tree) -> list[str]:
    cpp = [str(path) for path in tree.with_suffix(CPP)]
    python = [str(path) for path in tree.with_suffix(PYTHON)]
    problems: list[str] = []
    if cpp:
        found = [
            _MISFORMATTED.match(line) for line in run(tree, "clang-format", "--dry-run", "-Werror", *cpp)
        ]
        names = sorted({match[1] for match in found if match})
        problems += [f"{name}: not formatted; run clang-format -i {name}" for name in names]
    if python:
        problems += run(tree, sys.executable, "-m", "ruff", "check", "--output-format=concise", *python)
        problems += run(tree, sys.executable, "-m", "ruff", "format", "--check", *python)
    for path in tree.with_suffix(WEB):
        problems += _web(tree, path)
    return problems
