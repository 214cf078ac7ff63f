"""Files, functions and folders stay small enough to be read."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from checks import CPP, PYTHON, WEB, Tree

FILE_LINES = 600
FUNCTION_LINES = 70
FOLDER_FILES = 25
FRONT_END_LINES = 10

_NOISE = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | R"([^(\s]*)\(.*?\)\1" | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])+'
    | ^[ \t]*\#(?:\\\n|[^\n])*""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_SCOPE = re.compile(
    r"(?:export\s+)?(?:abstract\s+)?(?:inline\s+)?(?:namespace|class|struct|union|enum|extern)\b"
)
_TEMPLATE = re.compile(r"template\s*<[^{};]*?>\s*(?=\w|\[|requires)|requires\s*[^{};]*?(?=\n)|\[\[[^\]]*\]\]")


@dataclass(frozen=True)
class Function:
    name: str
    line: int
    lines: int


def _without_noise(source: str) -> str:
    """`source` with comments, literals and preprocessor lines blanked, every line kept."""

    def blank(match: re.Match[str]) -> str:
        text = match[0]
        # An apostrophe between digits (1'000'000) is no literal.
        if text.startswith("'") and match.start() > 0 and source[match.start() - 1].isdigit():
            return text.replace("{", " ").replace("}", " ")
        return re.sub(r"[^\n]", " ", text)

    return _NOISE.sub(blank, source)


def functions(source: str) -> Iterator[Function]:
    """The functions of a C++ or TypeScript source: what opens a brace in a scope and has parameters."""
    text = _without_noise(source)
    open_scopes: list[str] = []  # "scope", "function" or "other" for each open brace
    starts: list[tuple[str, int]] = []
    header_start = 0
    for match in re.finditer(r"[{};]", text):
        at = match.start()
        if match[0] == "{":
            raw = text[header_start:at]
            header = _TEMPLATE.sub("", raw).strip()
            in_scope = not open_scopes or open_scopes[-1] == "scope"
            if in_scope and _SCOPE.match(header):
                kind = "scope"
            elif in_scope and "(" in header and not re.search(r"(?<!operator)=\s*$", header):
                kind = "function"
            else:
                kind = "other"
            open_scopes.append(kind)
            first = header_start + len(raw) - len(raw.lstrip())
            words = header.partition("(")[0].split() or ["?"]
            starts.append((words[-1], text.count("\n", 0, first) + 1))
        elif match[0] == "}" and open_scopes:
            kind = open_scopes.pop()
            name, line = starts.pop()
            if kind == "function":
                yield Function(name, line, text.count("\n", 0, at) + 2 - line)
        header_start = at + 1


def front_end_functions(source: str) -> Iterator[Function]:
    """The functions of a Python source with their lines of code (no docstrings, comments, blank lines)."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        if not body:
            continue
        code = lines[body[0].lineno - 1 : node.end_lineno]
        yield Function(
            node.name,
            node.lineno,
            sum(1 for line in code if line.strip() and not line.strip().startswith("#")),
        )


def _front_end(path: Path) -> bool:
    return path.is_relative_to("python/tiderace")


def check(tree: Tree) -> list[str]:
    problems: list[str] = []
    sources = tree.with_suffix(CPP + PYTHON + WEB)
    for path in sources:
        text = tree.text(path)
        count = text.count("\n")
        if count > FILE_LINES:
            problems.append(f"{path}: {count} lines, at most {FILE_LINES}: look for the noun that wants out")
        limit, found = (
            (FUNCTION_LINES, functions(text)) if path.suffix in CPP + WEB else (FRONT_END_LINES, iter(()))
        )
        if _front_end(path):
            found = front_end_functions(text)
        problems += [
            f"{path}:{function.line}: {function.name} has {function.lines} lines, at most {limit}"
            for function in found
            if function.lines > limit
        ]
    for folder, number in sorted(Counter(path.parent for path in sources).items()):
        if number > FOLDER_FILES:
            problems.append(f"{folder}: {number} source files, at most {FOLDER_FILES}")
    return problems
