"""Documents name only files that exist, and stay short."""

import re
from pathlib import Path

from checks import Tree

LIMITS = {"README.md": 150}
DECISION_LINES = 60

_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
_CODE = re.compile(r"`([\w.+-]+(?:/[\w.+-]+)*/?)`")
_FILE = re.compile(r"(?:.*/.*|.*\.(?:cc|h|cpp|py|md|toml|txt|html))")


def _missing_links(tree: Tree, path: Path) -> list[str]:
    problems = []
    for match in _LINK.finditer(tree.text(path)):
        target = match[1]
        if (
            "://" not in target
            and not target.startswith("mailto:")
            and not (tree.root / path.parent / target).exists()
        ):
            problems.append(f"{path}: links to {target}, which does not exist")
    return problems


def _missing_names(tree: Tree, path: Path) -> list[str]:
    """Files named in backticks that are neither below the root nor below src/."""
    problems = []
    for match in _CODE.finditer(tree.text(path)):
        name = match[1]
        if _FILE.fullmatch(name) and not any((tree.root / top / name).exists() for top in (".", "src")):
            problems.append(f"{path}: names {name}, which does not exist")
    return problems


def check(tree: Tree) -> list[str]:
    problems: list[str] = []
    for path in tree.with_suffix([".md"]):
        problems += _missing_links(tree, path)
        decision = path.is_relative_to("docs/decisions")
        limit = DECISION_LINES if decision else LIMITS.get(str(path))
        lines = tree.text(path).count("\n")
        if limit is not None and lines > limit:
            problems.append(f"{path}: {lines} lines, at most {limit}")
        if decision and not re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name) and path.name != "README.md":
            problems.append(f"{path}: a decision is named NNNN-title.md")
        if decision or path == Path("ARCHITECTURE.md"):
            problems += _missing_names(tree, path)
    return problems
