"""The service's program as an image has it, for the tests beside this file."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import train
from chart import DEPLOY, ROOT

CLI = ROOT / "build" / "tiderace"


@pytest.fixture(scope="session")
def app_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image has in /app."""
    folder = tmp_path_factory.mktemp("app")
    for file in (ROOT / "examples/crash_detection/service.py", DEPLOY / "service/crash_detector.py"):
        shutil.copy(file, folder)
    train.train(folder)
    return folder


@contextmanager
def ended(command: Sequence[str | Path], variables: Mapping[str, str]) -> Iterator[None]:
    """The program under tini; SIGTERM ends it in time, with status 0. It logs JSON and nothing else."""
    tini = shutil.which("tini")
    assert tini, "the images start programs by tini: ./dev test installs it"
    words = [str(word) for word in (tini, "-s", "--", *command)]
    with subprocess.Popen(
        words, env=dict(variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "rows in" in out
    levels = {json.loads(line)["level"] for line in err.splitlines()}
    assert levels <= {"debug", "info", "warning"}, err


def write_rows(broker: str, count: int, riders: int = 1) -> None:
    write_records(
        broker,
        [
            {"rider": f"r{i % riders}", "timestamp": 1_700_000_000_000 + 250 * i, **FORCES}
            for i in range(count)
        ],
    )


def write_records(broker: str, records: Iterable[Mapping[str, object]]) -> None:
    rows = [json.dumps(record) for record in records]
    words = [CLI, "topic", "write", "phone-data", "--key", "rider", "--timestamp", "timestamp"]
    subprocess.run([*words, "--broker-address", broker], input="\n".join(rows), text=True, check=True)


FORCES = {"gForceX": 9, "gForceY": 9, "gForceZ": 9}
