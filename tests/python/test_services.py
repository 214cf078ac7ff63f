"""The two programs of the example, in Python and in C++, as processes on the same records."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import records

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "crash_detection"
CLI = ROOT / "build" / "tiderace"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained as the example does; the report of train.py is checked on the way."""
    output = tmp_path_factory.mktemp("models")
    report = subprocess.run(
        [sys.executable, EXAMPLE / "train.py", "--output", output], check=True, capture_output=True, text=True
    ).stdout
    assert "precision" in report
    assert "recall" in report
    for activity in ("standing", "walking", "running", "badminton"):
        assert activity in report
    return output / "shaking.ubj"


@contextmanager
def running(command: list[str | Path]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def send_rows(directory: Path) -> int:
    phone = [sys.executable, EXAMPLE / "phone.py", "--riders", "5", "--speed-up", "0", "--duration", "60"]
    subprocess.run([*phone, "--broker-address", f"embedded:{directory}"], check=True, capture_output=True)
    return len([row for row in records(directory, "phone-data") if b"gForceX" in row["value"]])


def alerts_of(service: list[str | Path], directory: Path, rows: int) -> list[bytes]:
    """What the service writes, stopped by SIGTERM when all of it is there; it ends with 0 and its summary."""
    with running(service) as process:
        read: list[str | Path] = [CLI, "topic", "read", "alerts", "--broker-address", f"embedded:{directory}"]
        subprocess.run(
            [*read, "--from", "earliest", "--count", str(rows)], check=True, capture_output=True, timeout=60
        )
        process.send_signal(signal.SIGTERM)
        summary, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert f"out {rows}," in summary
    return [row["value"] for row in records(directory, "alerts")]


def test_python_and_cpp_give_the_same_bytes(tmp_path: Path, model: Path) -> None:
    inputs = tmp_path / "inputs"
    create = [CLI, "topic", "create", "alerts", "--broker-address", f"embedded:{inputs}"]
    subprocess.run(create, check=True, capture_output=True)
    rows = send_rows(inputs)
    written = {}
    for language in ("python", "cpp"):
        directory = tmp_path / language
        shutil.copytree(inputs, directory)
        address = f"embedded:{directory}"
        service: list[str | Path] = [sys.executable, EXAMPLE / "service.py", "--broker-address", address]
        service += ["--model", model]
        if language == "cpp":
            service = [ROOT / "build" / "examples" / "crash_detection" / "service", address, model]
        written[language] = alerts_of(service, directory, rows)
    assert len(written["cpp"]) == rows > 1000
    assert any(b'"shaking":1' in value for value in written["cpp"])
    assert written["python"] == written["cpp"]


def test_a_pipeline_can_be_imported_anywhere(tmp_path: Path) -> None:
    """Nothing is contacted, opened or made before `run`."""
    program = (
        "import tiderace as tr\n"
        "app = tr.Application(broker_address='embedded:nowhere', consumer_group='g')\n"
        "sdf = app.dataframe(app.topic('in'))\n"
        "sdf['y'] = sdf['x'].rolling('10s').mean()\n"
        "sdf.to_topic(app.topic('out'))\n"
        "print(app.explain())\n"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert 'sdf["x"].rolling("10s").mean()' in result.stdout
    assert os.listdir(tmp_path) == []
