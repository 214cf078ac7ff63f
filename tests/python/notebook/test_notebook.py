"""The notebook of the crash detector, from start to end on a real PostgreSQL, and the service beside it."""

import importlib.util
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
import tiderace as tr
from nbclient import NotebookClient
from postgres_server import Postgres
from service import FEATURES

EXAMPLE = Path(__file__).parents[3] / "examples" / "crash_detection"
NOTEBOOK = EXAMPLE / "train.ipynb"
TENSORFLOW = importlib.util.find_spec("tensorflow") is not None
Alerts = dict[tuple[str, int], dict[str, Any]]
TIMEOUT_S = 120
# What the notebook itself has made: what it trained on, and what its model said of the second day.
KEEP = """
import pyarrow

for name, table in {"seen": seen, "found": found}.items():
    pyarrow.parquet.write_table(pyarrow.Table.from_pandas(table), f"{FOLDER}/{name}.parquet")
"""


@dataclass
class Executed:
    """A notebook that was run, and what it left behind."""

    notebook: Any
    folder: Path
    server: Postgres

    @property
    def log(self) -> str:
        return f"embedded:{self.folder / 'log'}"

    @property
    def registry(self) -> str:
        return f"file:{self.folder / 'models' / 'shaking'}"

    def table(self, name: str) -> pa.Table:
        return pq.read_table(self.folder / f"{name}.parquet")

    def outputs(self, cell: str) -> list[Any]:
        return next(each.get("outputs", []) for each in self.notebook.cells if each.id == cell)

    def printed(self, cell: str) -> str:
        return "".join(each.text for each in self.outputs(cell) if each.output_type == "stream")

    def again(self, *cells: str) -> dict[str, Any]:
        """Runs some of its cells once more, in this process; what they have defined."""
        names: dict[str, Any] = {}
        for cell in cells:
            exec(next(each.source for each in self.notebook.cells if each.id == cell), names)
        return names


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executed]:
    """All cells, and one more that keeps what the notebook trained on and found."""
    with Postgres() as server, pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("notebook")
        found = Executed(nbformat.read(NOTEBOOK, as_version=4), folder, server)
        keep = f"FOLDER = {str(folder)!r}\nimport pyarrow.parquet{KEEP}"
        found.notebook.cells.append(nbformat.v4.new_code_cell(keep))
        monkeypatch.setenv("DATABASE_URL", server.url)
        monkeypatch.setenv("MODEL_REGISTRY", found.registry)
        monkeypatch.setenv("TIDERACE_BROKER_ADDRESS", found.log)
        monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "jupyter"))
        resources = {"metadata": {"path": str(EXAMPLE)}}
        NotebookClient(found.notebook, timeout=300, kernel_name="python3", resources=resources).execute()
        yield found


@pytest.fixture(scope="module")
def alerts(executed: Executed) -> Alerts:
    """What the service writes of the rows in the notebook's log, with the model that was published."""
    command = [sys.executable, EXAMPLE / "service.py", "--broker-address", executed.log]
    command += ["--model", f"{executed.registry}@champion"]
    wanted = executed.table("seen").num_rows + executed.table("found").num_rows
    app = tr.Application(executed.log, consumer_group="test")
    app.topic("alerts")
    app.create_topics()
    reader, came, until_s = app.get_reader("alerts"), 0, time.monotonic() + TIMEOUT_S
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            while came < wanted and process.poll() is None:
                assert time.monotonic() < until_s, f"{came} of {wanted} alerts within {TIMEOUT_S} s"
                came += len(reader.poll())
            process.send_signal(signal.SIGTERM)
            summary, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert f"out {wanted}," in summary
    found = [row_of(record) for record in app.get_reader("alerts", until_end=True)]
    assert [key for key, n in Counter(key for key, _ in found).items() if n > 1] == []
    return dict(found)


def row_of(record: tr.Record) -> tuple[tuple[str, int], dict[str, Any]]:
    row = record.json()
    assert record.key is not None
    return (record.key.decode(), row["timestamp"]), row


def bits(values: Any) -> list[int]:
    """Doubles as they are in memory: -0 is not 0, and no two differ by rounding."""
    found: list[int] = np.asarray(values, dtype=np.float64).view(np.int64).tolist()
    return found


def of_notebook(table: pa.Table, name: str) -> dict[tuple[str, int], Any]:
    keys = zip(table["rider"].to_pylist(), table["timestamp"].to_pylist(), strict=True)
    return dict(zip(keys, table[name].to_pylist(), strict=True))


def of_both_days(executed: Executed, name: str) -> dict[tuple[str, int], Any]:
    """A column of what the notebook trained on, and of what it tried its model on."""
    seen, found = of_notebook(executed.table("seen"), name), of_notebook(executed.table("found"), name)
    assert not seen.keys() & found.keys()
    return seen | found


def test_the_notebook_runs_from_start_to_end(executed: Executed) -> None:
    assert "out " in executed.printed("fill")
    assert "version 1, sha256 " in executed.printed("publish")
    drawn = [each.id for each in executed.notebook.cells if _has_image(each)]
    wanted = ["plot-labels", "plot-features", "bias"]
    assert drawn == ([*wanted, "keras-publish"] if TENSORFLOW else wanted)


def _has_image(cell: Any) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


def test_the_model_does_what_the_text_says(executed: Executed) -> None:
    unseen = executed.table("found").to_pandas()
    assert set(unseen["recording"] % 10) == {7, 8, 9}
    marked = unseen.groupby("activity")["shaking"].mean()
    assert marked["running"] > marked["badminton"] > 0.5 > 0.1 > marked["walking"] > marked["standing"]
    wrong = unseen["shaking"] != unseen["truth"]
    soon = unseen["timestamp"] - unseen["begin_ms"] < 5000
    assert wrong[soon].mean() > wrong[~soon].mean()


def test_the_published_model_says_what_it_was_trained_on(executed: Executed) -> None:
    about = tr.load_model(f"{executed.registry}@champion").about
    assert about is not None
    assert about.features == dict.fromkeys(FEATURES, "float64")
    assert set(about.metrics) == {"precision", "recall"}
    assert about.metrics["recall"] > 0.6


@pytest.mark.parametrize("feature", FEATURES)
def test_training_and_serving_agree_bit_for_bit(executed: Executed, alerts: Alerts, feature: str) -> None:
    trained = of_both_days(executed, feature)
    assert trained.keys() == alerts.keys()
    assert len(trained) > 90_000
    assert bits([alerts[key][feature] for key in trained]) == bits(list(trained.values()))


def test_the_service_says_what_the_notebook_says(executed: Executed, alerts: Alerts) -> None:
    said = of_notebook(executed.table("found"), "shaking")
    assert len(said) > 45_000
    assert {key: alerts[key]["shaking"] for key in said} == said


def rows_in_topic(log: str, topic: str) -> int:
    return len(list(tr.Application(log, consumer_group="test").get_reader(topic, until_end=True)))


def test_a_second_fill_doubles_nothing(executed: Executed, capsys: pytest.CaptureFixture[str]) -> None:
    names = executed.again("setup", "fill")
    assert "The tables are there already." in capsys.readouterr().out
    names["fill"]()
    assert names["filled"]() == names["WANTED"]
    assert rows_in_topic(executed.log, "phone-data") == names["WANTED"]["telemetry"]


@pytest.fixture
def other_database(executed: Executed, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    executed.server.query("CREATE DATABASE other", database="postgres")
    monkeypatch.setenv("DATABASE_URL", executed.server.url.replace("/telemetry?", "/other?"))
    yield "other"
    executed.server.query("DROP DATABASE other WITH (FORCE)", database="postgres")


def test_a_fill_that_was_cut_off_before_its_end_is_not_taken_as_whole(
    executed: Executed, other_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = f"embedded:{tmp_path / 'log'}"
    monkeypatch.setenv("TIDERACE_BROKER_ADDRESS", log)
    app = tr.Application(log, consumer_group="cut-off")
    app.topic("phone-data")
    app.create_topics()
    with app.get_producer() as producer:
        producer.produce("phone-data", "rider-1", {"timestamp": 1})
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"found {'telemetry': 1, 'labels': 0}: sending was cut off"):
            executed.again("setup", "fill")
    assert rows_in_topic(log, "phone-data") == 1


def test_tables_that_lack_rows_are_not_taken_as_whole(
    executed: Executed, other_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDERACE_BROKER_ADDRESS", f"embedded:{tmp_path / 'log'}")
    executed.server.query("CREATE TABLE telemetry AS SELECT 1 AS rider", database=other_database)
    with pytest.raises(RuntimeError, match=r"found {'telemetry': 1, 'labels': 0}: they are somebody else's"):
        executed.again("setup", "fill")
    executed.server.query("DROP TABLE telemetry", database=other_database)
    executed.again("setup", "fill")
    executed.server.query("DELETE FROM telemetry WHERE rider = 'rider-1'", database=other_database)
    with pytest.raises(RuntimeError, match="or rows were deleted"):
        executed.again("setup", "fill")


def test_the_network_runs_where_tensorflow_is_and_says_so_where_not(executed: Executed) -> None:
    if TENSORFLOW:
        assert "loss by epoch" in executed.printed("keras-train")
        assert "recall" in executed.printed("keras-publish")
    else:
        assert "TensorFlow is not installed, so this section is skipped" in executed.printed("keras-setup")
        assert executed.outputs("keras-publish") == []


def test_what_is_kept_of_the_notebook_has_no_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not [cell.id for cell in code if cell.outputs or cell.execution_count]
