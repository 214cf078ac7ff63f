"""mypy --strict over the Python package and the tools (settings in pyproject.toml)."""

import sys

from checks import Tree, run


def check(tree: Tree) -> list[str]:
    return run(tree, sys.executable, "-m", "mypy", "python/tiderace", "tools")
