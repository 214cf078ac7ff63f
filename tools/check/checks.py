"""What the checks share: the files that they look at, and what a check is."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

CPP = (".cc", ".h", ".cpp")
PYTHON = (".py",)
WEB = (".ts", ".mjs", ".css", ".html")


@dataclass(frozen=True)
class Tree:
    """A source tree: its root and its files, as paths relative to the root."""

    root: Path
    files: tuple[Path, ...]

    @staticmethod
    def of_repository() -> "Tree":
        """What git knows of this repository, and what is new and not ignored."""
        root = Path(__file__).resolve().parents[2]
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
        files = {Path(name) for name in listed.split("\0") if name and (root / name).is_file()}
        return Tree(root, tuple(sorted(files)))

    @staticmethod
    def of_folder(root: Path) -> "Tree":
        """Every file below `root`."""
        return Tree(root, tuple(sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())))

    def with_suffix(self, suffixes: Sequence[str], below: str = ".") -> list[Path]:
        return [path for path in self.files if path.suffix in suffixes and path.is_relative_to(below)]

    def text(self, path: Path) -> str:
        return (self.root / path).read_text(encoding="utf-8")


# Takes a tree, returns one line for each thing that is wrong.
Check = Callable[[Tree], list[str]]


def run(tree: Tree, *command: str) -> list[str]:
    """The output lines of `command` if it fails, else nothing."""
    done = subprocess.run(command, cwd=tree.root, capture_output=True, text=True)
    if done.returncode == 0:
        return []
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if line.strip()] or [f"{command[0]} failed with {done.returncode}"]


def check_own_tests(tree: Tree) -> list[str]:
    return run(tree, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tools/check")
