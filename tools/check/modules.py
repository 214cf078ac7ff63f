"""A module that tests import by name is the only one of its name, or a test is given another's."""

import tomllib
from collections import defaultdict
from pathlib import Path

from checks import PYTHON, Tree

SETTINGS = Path("pyproject.toml")


def check(tree: Tree) -> list[str]:
    settings = tomllib.loads(tree.text(SETTINGS))["tool"]["pytest"]["ini_options"]
    folders = {Path(folder) for folder in settings["pythonpath"]}
    # The folder of a test is on the path, too; the names of the tests themselves pytest looks at.
    folders |= {path.parent for path in tree.with_suffix(PYTHON) if path.name.startswith("test_")}
    named = defaultdict(list)
    for path in tree.with_suffix(PYTHON):
        if path.parent in folders:
            named[path.stem].append(path)
        elif path.name == "__init__.py" and path.parent.parent in folders:
            named[path.parent.name].append(path)
    return [
        f"{first}: has the name of {', '.join(map(str, others))}; tests import by name, so each wants its own"
        for first, *others in named.values()
        if others
    ]
