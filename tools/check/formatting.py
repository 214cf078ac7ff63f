"""clang-format for C++, ruff for Python."""

import re
import sys

from checks import CPP, PYTHON, Tree, run

_MISFORMATTED = re.compile(r"(.+?):\d+:\d+: error: code should be clang-formatted")


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
    return problems
