"""The program of the images, started as compose and chart start it, on the embedded log."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import tiderace as tr
from chart import CHART, DEPLOY, ROOT, container, dashboard_metrics, environment
from observer import Observer, until
from postgres_server import Postgres
from programs import FORCES, app_folder, ended, write_records, write_rows
from service import FEATURES

__all__ = ["app_folder"]  # a fixture

PROBE = DEPLOY / "docker" / "probe"


@pytest.fixture(scope="module")
def cpp_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """deploy/service built against the library as `cmake --install` puts it down."""
    folder = tmp_path_factory.mktemp("cpp")

    def run(*words: str | Path) -> None:
        done = subprocess.run(["cmake", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    run("--install", ROOT / "build", "--prefix", folder / "usr")
    run("-S", DEPLOY / "service", "-B", folder / "build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={folder}/usr")
    run("--build", folder / "build")
    return folder / "build" / "crash_detector"


def arguments(case: str, observer: Observer, state: Path) -> list[str]:
    """Those of the chart, with a port and a directory that are free here."""
    found = [
        word.replace("$(POD_NAME)", "demo-tiderace-service-0") for word in container(case, "service")["args"]
    ]
    moved = {"--metrics-port": observer.port, "--state-dir": state}
    return [f"{name}={moved.get(name, value)}" for name, _, value in (word.partition("=") for word in found)]


def variables(case: str, log: Path) -> dict[str, str]:
    """Those of the chart, and none of ours that are like them."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("TIDERACE_")}
    known |= {name: value for name, value in environment(case, "service").items() if value is not None}
    return known | {"TIDERACE_BROKER_ADDRESS": f"embedded:{log}"}


def probe(port: int, path: str = "/healthz") -> int:
    return subprocess.run([PROBE, str(port), path], stderr=subprocess.DEVNULL, check=False).returncode


@pytest.fixture(params=["python", "cpp"])
def program(request: pytest.FixtureRequest, app_folder: Path) -> list[str | Path]:
    """The words that start it, in either language."""
    if request.param == "python":
        return [sys.executable, app_folder / "crash_detector.py"]
    return [request.getfixturevalue("cpp_program"), "--model", app_folder / "shaking.ubj"]


def test_help_has_every_option_that_a_deployment_sets(program: list[str | Path]) -> None:
    done = subprocess.run([*program, "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    page = (ROOT / "docs/guide/deployment.md").read_text()
    (named,) = re.findall(r"crash_detector.py` takes it as arguments: (.*?);", page, re.DOTALL)
    options = re.findall(r"`(--[a-z-]+)`", named)
    assert len(options) == 14
    assert set(options) | {"--help"} == set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", done.stdout, re.MULTILINE))


def test_it_runs_as_the_chart_starts_it(program: list[str | Path], tmp_path: Path) -> None:
    observer, log = Observer(), tmp_path / "log"
    assert probe(observer.port) != 0, "nobody is there yet"
    command = [*program, *arguments("default", observer, tmp_path / "state")]
    with ended(command, variables("default", log)):
        until(lambda: observer.get("/readyz")[0] == 200)
        write_rows(f"embedded:{log}", 100)
        until(lambda: observer.value("tiderace_rows_out_total") == 100)
        paths = {probe_of(kind)["path"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
        assert paths == {"/healthz", "/readyz"}
        assert [probe(observer.port, path) for path in sorted(paths)] == [0, 0]
        assert probe(observer.port, "/nothing") != 0
        served = set(re.findall(r"^# TYPE (\w+)", observer.get("/metrics")[1], re.MULTILINE))
        if program[0] == sys.executable:
            # tests/python/observation/ has those of sinks, test_gateway.py those of the gateway.
            others = ("tiderace_sink_", "tiderace_gateway_")
            shown = {name for name in dashboard_metrics() if not name.startswith(others)}
            assert shown <= with_suffixes(served)


def alerts(log: Path) -> list[dict[str, object]]:
    application = tr.Application(f"embedded:{log}", consumer_group="test")
    return [record.json() for record in application.get_reader("alerts", until_end=True)]


def test_a_malformed_row_is_put_aside_and_the_next_is_answered(
    program: list[str | Path], tmp_path: Path
) -> None:
    """The gateway takes any JSON object; one phone that sends nonsense must not end the service."""
    observer, log = Observer(), tmp_path / "log"
    with ended([*program, *arguments("default", observer, tmp_path / "state")], variables("default", log)):
        until(lambda: observer.get("/readyz")[0] == 200)
        write_records(f"embedded:{log}", [{"rider": "r0", "timestamp": 1_700_000_000_000, "gForceX": "boom"}])
        write_rows(f"embedded:{log}", 1)
        until(lambda: len(alerts(log)) == 1)
        until(lambda: observer.value("tiderace_rows_bad_total") == 1)
    dead = tr.Application(f"embedded:{log}", consumer_group="test").get_reader(
        "crash-detector-dead-letters", until_end=True
    )
    assert [record.json()["gForceX"] for record in dead] == ["boom"]
    assert [alert["gForceX"] for alert in alerts(log)] == [9]


def test_rows_go_into_the_database_that_the_environment_names(
    program: list[str | Path], tmp_path: Path
) -> None:
    """Each once, by the rider's name; fields that a phone made up make no columns."""
    observer, log = Observer(), tmp_path / "log"
    command = [*program, *arguments("default", observer, tmp_path / "state"), "--table=rides"]
    with Postgres() as server:
        with ended(command, variables("default", log) | {"DATABASE_URL": server.url}):
            until(lambda: observer.get("/readyz")[0] == 200)
            write_rows(f"embedded:{log}", 20, riders=2)
            write_records(
                f"embedded:{log}",
                [{"rider": "r2", "timestamp": 1_700_000_000_000, "made-up": 1, "latitude": 52.5, **FORCES}],
            )
            until(lambda: observer.value("tiderace_sink_rows_total") == 21)
        found = server.rows('SELECT rider, count(*), max(latitude), max("gForceTotal") FROM rides GROUP BY 1')
        columns = server.rows("SELECT column_name FROM information_schema.columns WHERE table_name = 'rides'")
    assert sorted(found) == [
        ("r0", "10", "", "27"),
        ("r1", "10", "", "27"),
        ("r2", "1", "52.5", "27"),
    ]
    assert {"rider", "at", "shaking", "gForceTotal-10s"} <= {name for (name,) in columns}
    assert "made-up" not in {name for (name,) in columns}


def test_a_new_version_of_a_registry_s_model_is_taken_up(
    program: list[str | Path], app_folder: Path, tmp_path: Path
) -> None:
    observer, log = Observer(), tmp_path / "log"
    reference = f"file:{tmp_path}/models/shaking"

    def publish() -> None:
        tr.publish_model(app_folder / "shaking.ubj", reference, features=FEATURES, alias="champion")

    def versions() -> list[bytes | None]:
        """Of the alerts, one more of which comes."""
        write_rows(f"embedded:{log}", 1)
        reader = tr.Application(f"embedded:{log}", consumer_group="test").get_reader("alerts", until_end=True)
        return [dict(record.headers)["tiderace.model.shaking"] for record in reader]

    publish()
    words = [f"--model={reference}@champion", "--poll-interval=1"]
    command = [*program, *arguments("default", observer, tmp_path / "state"), *words]
    with ended(command, variables("default", log)):
        until(lambda: observer.get("/readyz")[0] == 200)
        until(lambda: b"1" in versions())
        publish()
        until(lambda: b"2" in versions())


def test_topics_that_it_creates_have_the_copies_and_the_time_that_were_asked_for(
    program: list[str | Path], tmp_path: Path
) -> None:
    observer, log = Observer(), tmp_path / "log"
    with ended([*program, *arguments("default", observer, tmp_path / "state")], variables("default", log)):
        until(lambda: observer.get("/readyz")[0] == 200)
    with sqlite3.connect(log / "log.db") as database:
        found = database.execute("SELECT name, replication_factor, retention_ms FROM topics").fetchall()
    for topic in ("phone-data", "alerts"):
        assert (topic, 3, 7 * 24 * 3600 * 1000) in found


def probe_of(kind: str) -> dict[str, str]:
    found: dict[str, str] = container("default", "service")[kind]["httpGet"]
    assert found["port"] == container("default", "service")["ports"][0]["name"]
    return found


def with_suffixes(names: set[str]) -> set[str]:
    return names | {f"{name}_bucket" for name in names}


def test_the_dashboard_leaves_nothing_out() -> None:
    """Each metric of the guide is on a panel, but for what a panel cannot show."""
    guide = (ROOT / "docs/guide/operations.md").read_text()
    documented = set(re.findall(r"^\| `((?:tiderace|process)_\w+)` \|", guide, re.MULTILINE))
    shown = {name.removesuffix("_bucket") for name in dashboard_metrics()}
    assert documented - shown == {"process_start_time_seconds", "process_virtual_memory_bytes"}


def test_the_dashboard_is_one_that_grafana_can_lay_out() -> None:
    board = json.loads((CHART / "files/dashboard.json").read_text())
    assert [variable["name"] for variable in board["templating"]["list"]] == [
        "datasource",
        "namespace",
        "job",
        "gateway",
    ]
    for target in [target for panel in board["panels"] for target in panel.get("targets", [])]:
        chosen = re.findall(r'\{namespace="\$namespace",job="\$(?:job|gateway)"\}', target["expr"])
        assert len(chosen) == target["expr"].count("{"), "two namespaces would be added up"
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not own & cells, f"{panel['title']} lies on another"
        cells |= own
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
