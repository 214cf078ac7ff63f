"""A Dockerfile as its stages and instructions: as much of the language as ours uses."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    word: str
    rest: str
    line: int

    @property
    def exec_form(self) -> list[str] | None:
        """The words of `["a", "b"]`; None where a shell would be asked."""
        text = self.rest.removeprefix("CMD ") if self.word == "HEALTHCHECK" else self.rest
        match = re.search(r"\[.*\]$", text)
        return [str(word) for word in json.loads(match[0])] if match else None

    @property
    def commands(self) -> list[str]:
        """Those of a RUN, in order."""
        return [command.strip() for command in self.rest.split("&&")]


@dataclass
class Stage:
    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, word: str) -> list[Instruction]:
        return [instruction for instruction in self.instructions if instruction.word == word]


@dataclass(frozen=True)
class Copy:
    """One COPY: where from (None: the context), what, and where to."""

    stage: str | None
    sources: list[str]
    target: str


def copies(stage: Stage) -> list[Copy]:
    found = []
    for instruction in stage.all("COPY"):
        words = instruction.rest.split()
        options = [word for word in words if word.startswith("--")]
        words = [word for word in words if not word.startswith("--")]
        origin = next((o.removeprefix("--from=") for o in options if o.startswith("--from=")), None)
        found.append(Copy(origin, words[:-1], words[-1]))
    return found


def stages(path: Path) -> dict[str, Stage]:
    """By name, in their order. Comments and continued lines are as Docker has them."""
    found: dict[str, Stage] = {}
    current: Stage | None = None
    lines = iter(enumerate(path.read_text().splitlines(), start=1))
    for number, raw in lines:
        text = raw.strip()
        if not text or text.startswith("#"):
            continue
        while text.endswith("\\"):
            text = text[:-1].rstrip() + " " + next(lines)[1].strip()
        word, _, rest = text.partition(" ")
        if word == "FROM":
            match = re.fullmatch(r"(\S+) AS (\S+)", rest)
            assert match, f"{path}:{number}: wanted FROM image AS name"
            current = found[match[2]] = Stage(match[2], match[1])
        else:
            assert current, f"{path}:{number}: before any FROM"
            current.instructions.append(Instruction(word, rest.strip(), number))
    return found


def lineage(found: dict[str, Stage], name: str) -> list[Stage]:
    """The stage and those that it is made from, oldest first."""
    stage = found[name]
    return [*(lineage(found, stage.base) if stage.base in found else []), stage]


def ignored(path: str, patterns: list[str]) -> bool:
    """Whether a .dockerignore of these patterns (without `!`) leaves `path` out of the context."""
    parts = path.strip("/").split("/")
    prefixes = ["/".join(parts[: i + 1]) for i in range(len(parts))]
    for pattern in patterns:
        expression = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        if any(re.fullmatch(expression, prefix) for prefix in prefixes):
            return True
    return False
