"""The notebook of the crash detector, from start to end on a real PostgreSQL, and the service beside it."""

import importlib.util
import signal
import subprocess
import sys
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
KEEP = """
import pyarrow.parquet

whole = train.frame().backtest(rows, key="rider", timestamp="timestamp")
pyarrow.parquet.write_table(whole, {whole!r})
pyarrow.parquet.write_table(train.scored(champion, rows), {scored!r})
"""


@dataclass
class Executed:
    """A notebook that was run, and what it left behind."""

    notebook: Any
    folder: Path

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


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executed]:
    """All cells, and one more that keeps what is compared: features of all rows, in the notebook's way."""
    found = Executed(nbformat.read(NOTEBOOK, as_version=4), tmp_path_factory.mktemp("notebook"))
    keep = KEEP.format(whole=str(found.folder / "whole.parquet"), scored=str(found.folder / "scored.parquet"))
    found.notebook.cells.append(nbformat.v4.new_code_cell(keep))
    with Postgres() as server, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("DATABASE_URL", server.url)
        monkeypatch.setenv("MODEL_REGISTRY", found.registry)
        monkeypatch.setenv("TIDERACE_BROKER_ADDRESS", found.log)
        monkeypatch.setenv("IPYTHONDIR", str(found.folder / "ipython"))
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(found.folder / "jupyter"))
        resources = {"metadata": {"path": str(EXAMPLE)}}
        NotebookClient(found.notebook, timeout=300, kernel_name="python3", resources=resources).execute()
        yield found


@pytest.fixture(scope="module")
def alerts(executed: Executed) -> Alerts:
    """What the service writes of the rows in the notebook's log, with the model that was published."""
    command = [sys.executable, EXAMPLE / "service.py", "--broker-address", executed.log]
    command += ["--model", f"{executed.registry}@champion"]
    wanted = executed.table("whole").num_rows
    app = tr.Application(executed.log, consumer_group="test")
    app.topic("alerts")
    app.create_topics()
    reader, found = app.get_reader("alerts"), {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            while len(found) < wanted and process.poll() is None:
                found.update(row_of(record) for record in reader.poll())
            process.send_signal(signal.SIGTERM)
            summary, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert f"out {wanted}," in summary
    return found


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


def test_the_notebook_runs_from_start_to_end(executed: Executed) -> None:
    assert "out " in executed.printed("fill")
    assert "version 1, sha256 " in executed.printed("publish")
    drawn = [each.id for each in executed.notebook.cells if _has_image(each)]
    wanted = ["plot-labels", "plot-features", "bias"]
    assert drawn == ([*wanted, "keras-publish"] if TENSORFLOW else wanted)


def _has_image(cell: Any) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


def test_the_model_does_what_the_text_says(executed: Executed) -> None:
    table = executed.table("scored").to_pandas()
    unseen = table[table["recording"] % 10 >= 7]
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
    trained = of_notebook(executed.table("whole"), feature)
    assert trained.keys() == alerts.keys()
    assert len(trained) > 90_000
    assert bits([alerts[key][feature] for key in trained]) == bits(list(trained.values()))


def test_the_service_says_what_the_notebook_says(executed: Executed, alerts: Alerts) -> None:
    said = of_notebook(executed.table("scored"), "shaking")
    assert {key: row["shaking"] for key, row in alerts.items()} == said


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
