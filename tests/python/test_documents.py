"""What README and guide show runs, and gives what they say.

A page is followed from top to bottom in an empty directory, one that speaks of DATABASE_URL with an
empty PostgreSQL there. By the info string of a fenced block:

- ``python``: runs; all blocks of a page share their variables.
- ``output``: what the block before has printed. ``...`` stands for anything, alone in a line for any lines.
- ``console``: lines that begin with ``$ `` are commands, what follows one is what it prints.
- ``text``: is only shown. So is ``cpp``, which is built and run as a whole page (see below).
- ``title="FILE"`` writes the block to FILE instead of running it; ``not run: REASON`` leaves it out.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tiderace as tr
from postgres_server import Postgres

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
PAGES = [Path("README.md"), *sorted(path.relative_to(ROOT) for path in (ROOT / "docs/guide").glob("*.md"))]
FENCE = re.compile(r"^```([^\n`]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LANGUAGES = {"python", "output", "console", "text", "cpp", "cmake"}


@dataclass
class Block:
    page: Path
    line: int
    language: str
    info: str
    text: str

    @property
    def title(self) -> str | None:
        found = re.search(r'title="([^"]+)"', self.info)
        return found and found[1]

    @property
    def reason(self) -> str | None:
        """Why it is not run."""
        found = re.search(r"not run: (.+)", self.info)
        return found and found[1]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    text = (ROOT / page).read_text()
    for match in FENCE.finditer(text):
        language, _, info = match[1].partition(" ")
        yield Block(page, text.count("\n", 0, match.start()) + 1, language, info, match[2])


def environment() -> dict[str, str]:
    """Where `python`, `tiderace` and what is built here are found first."""
    folders = [str(Path(sys.executable).parent), str(BUILD), os.environ["PATH"]]
    known = {name: value for name, value in os.environ.items() if not name.startswith("TIDERACE_")}
    return {**known, "PATH": os.pathsep.join(folders), "PYTHONPATH": os.pathsep.join(sys.path)}


def assert_shown(shown: str, found: str, where: object) -> None:
    """`found` looks as `shown` says, but for white space at the ends of lines."""
    lines = [re.escape(line.rstrip()).replace(r"\.\.\.", ".*") for line in shown.strip("\n").split("\n")]
    pattern = "".join("(?:[^\n]*\n)*?" if line == ".*" else line + "\n" for line in lines)
    tidy = "".join(line.rstrip() + "\n" for line in found.strip("\n").split("\n"))
    assert re.fullmatch(pattern, tidy), f"{where} shows\n{shown}\nbut there was\n{found}"


def run_console(block: Block, directory: Path) -> None:
    for command, shown in re.findall(
        r"^\$ ([^\n]*(?:\\\n[^\n]*)*)\n((?:(?!\$ )[^\n]*\n)*)", block.text, re.MULTILINE
    ):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=directory,
            env=environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        assert_shown(shown, done.stdout, f"{block}: $ {command}")


@contextmanager
def database(page: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For a page that speaks of DATABASE_URL: an empty database under that address."""
    if "DATABASE_URL" not in (ROOT / page).read_text():
        yield
        return
    with Postgres() as server:
        monkeypatch.setenv("DATABASE_URL", server.url)
        yield


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_page_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with database(page, monkeypatch):
        follow(page, tmp_path, monkeypatch, capfd)


def follow(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("TIDERACE_BROKER_ADDRESS", raising=False)
    variables: dict[str, Any] = {"__name__": "__main__"}
    printed = ""
    for block in blocks(page):
        if block.reason:
            continue
        if block.title:
            (tmp_path / block.title).write_text(block.text)
        elif block.language == "python":
            capfd.readouterr()
            exec(compile("\n" * block.line + block.text, str(ROOT / page), "exec"), variables)
            printed = capfd.readouterr().out
        elif block.language == "output":
            assert_shown(block.text, printed, block)
        elif block.language == "console":
            run_console(block, tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_blocks_say_what_they_are(page: Path) -> None:
    for block in blocks(page):
        assert block.language in LANGUAGES, block
        rest = re.sub(r'title="[^"]+"|not run: .+', "", block.info).strip()
        assert not rest, f'{block}: wanted title="FILE" or "not run: REASON", found {rest}'


def build(source: Path) -> Path:
    """The program of a C++ source, against the shared library that is installed."""
    assert (BUILD / "libtiderace.so").exists(), "libtiderace.so is not built; run ./dev build"
    program = source.with_suffix("")
    command = [
        "c++",
        "-std=c++20",
        "-Wall",
        "-Wextra",
        "-Werror",
        f"-I{ROOT}/include",
        str(source),
        "-o",
        str(program),
    ]
    subprocess.run([*command, f"-L{BUILD}", f"-Wl,-rpath,{BUILD}", "-ltiderace"], check=True)
    return program


PRELUDE = """\
#include <tiderace/tiderace.h>
#include <cassert>
#include <fstream>
#include <iostream>
#include <vector>
namespace tr = tiderace;
using namespace std::chrono_literals;
int main() {
"""


def test_cpp_of_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The snippets of a page are one program, each in a scope of its own."""
    for page in PAGES[1:]:
        snippets = [
            block
            for block in blocks(page)
            if block.language == "cpp" and not block.title and not block.reason
        ]
        if not snippets:
            continue
        source = tmp_path / f"{page.stem}.cpp"
        scopes = (f'{{\n#line {block.line + 1} "{ROOT / page}"\n{block.text}}}\n' for block in snippets)
        source.write_text(PRELUDE + "".join(scopes) + "}\n")
        program = build(source)
        folder = tmp_path / f"{page.stem}-run"
        folder.mkdir()
        with database(page, monkeypatch):
            subprocess.run([program], cwd=folder, env=environment(), timeout=60, check=True)


def records(directory: Path, topic: str) -> list[str]:
    command = ["tiderace", "topic", "read", topic, "--until-end"]
    done = subprocess.run(
        command, cwd=directory, env=environment(), text=True, capture_output=True, check=False
    )
    return done.stdout.splitlines()


def serve(command: list[str | Path], directory: Path, wanted: int) -> list[str]:
    """Runs a service until it has written `wanted` alerts, ends it with Ctrl-C, and gives them."""
    service = subprocess.Popen(command, cwd=directory, env=environment())
    try:
        until = time.monotonic() + 60
        while len(records(directory, "alerts")) < wanted and time.monotonic() < until:
            assert service.poll() is None, f"{command[0]} ended with {service.returncode}"
        service.send_signal(signal.SIGINT)
        assert service.wait(timeout=30) == 0
    finally:
        service.kill()
    return records(directory, "alerts")


def write_models(directory: Path) -> None:
    """Two models of the names in the README, which say the same: shaking is a mean above 20."""
    import pickle

    import numpy as np
    import xgboost
    from sklearn.tree import DecisionTreeClassifier  # type: ignore[import-untyped]

    inputs = np.array([[0, x / 16] for x in range(640)])
    truth = (inputs[:, 1] > 20).astype(int)
    (directory / "shaking.pkl").write_bytes(
        pickle.dumps(DecisionTreeClassifier(random_state=0).fit(inputs, truth))
    )
    boosted = xgboost.XGBClassifier(n_estimators=20, max_depth=2, base_score=0.5, random_state=0).fit(
        inputs, truth
    )
    boosted.save_model(directory / "shaking.ubj")


def test_the_two_programs_of_the_readme_give_the_same_rows(tmp_path: Path) -> None:
    programs = {block.title: block.text for block in blocks(Path("README.md")) if block.title}
    found = []
    for name in ("service.py", "service.cpp"):
        directory = tmp_path / name.replace(".", "-")
        directory.mkdir()
        source = directory / name
        source.write_text(programs[name])
        write_models(directory)
        app = tr.Application(f"embedded:{directory}/.tiderace", consumer_group="phone")
        with app.get_producer() as producer:
            for second in range(30):
                row = {"gForceX": float(second), "gForceY": -1, "gForceZ": 0.5}
                producer.produce("phone-data", "anna", row if second % 5 else {"speed": 3.5}, second * 1000)
        command: list[str | Path] = [sys.executable, source] if name.endswith(".py") else [build(source)]
        found.append(serve(command, directory, wanted=24))
    assert len(found[0]) == 24
    assert found[0] == found[1]
    assert '"shaking":0' in found[0][0]
    assert '"shaking":1' in found[0][-1]
