"""`tiderace group show` and `group reset` on the embedded log."""

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import tiderace as tr
from conftest import Reader, produce

BINARY = Path(__file__).resolve().parents[3] / "build" / "tiderace"
MakeApp = Callable[..., tr.Application]


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [BINARY, *words, "--broker-address", f"embedded:{tmp_path}/log"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    return run


Cli = Callable[..., subprocess.CompletedProcess[str]]


def counting(app: tr.Application) -> tr.Application:
    sdf = app.dataframe(app.topic("input", timestamp="t"))
    sdf["n"] = sdf["x"].rolling(100, min_periods=1).count()
    sdf.to_topic(app.topic("output"))
    return app


@pytest.fixture
def worked_off(make_app: MakeApp) -> tr.Application:
    app = counting(make_app())
    produce(app, "input", [{"k": 1, "t": 1_700_000_000_000 + 1000 * i, "x": i} for i in range(4)], key="k")
    app.run(until_end=True)
    return app


def offset(cli: Cli) -> int:
    found: int = json.loads(cli("group", "show", "group", "--json").stdout)["offset"]
    return found


def test_a_dry_run_prints_old_and_new_and_changes_nothing(worked_off: tr.Application, cli: Cli) -> None:
    done = cli("group", "reset", "group", "--topic", "input", "--to", "2023-11-14T22:13:21.5Z")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "TOPIC  PARTITION  OFFSET  NEW-OFFSET  END  NEW-LAG",
        "input  0          4       2           4    2",
    ]
    assert done.stderr.splitlines() == [
        "tiderace: group group keeps state of input; --execute wants --state anew (emptied, the rows from "
        "the new offset on are the first it sees) or --state keep (rows that are passed over are missing in "
        "it, rows that come again enter it twice)",
        "tiderace: this was a dry run, nothing is changed; --execute does it",
    ]
    assert offset(cli) == 4


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("earliest", 0),
        ("latest", 4),
        ("3", 3),
        ("2023-11-14T22:13:20Z", 0),
        ("2023-11-14 22:13:22+00:00", 2),
        ("2030-01-01", 4),
    ],
)
def test_where_it_can_go(worked_off: tr.Application, cli: Cli, to: str, expected: int) -> None:
    done = cli(
        "group", "reset", "group", "--topic", "input", "--to", to, "--json", "--state", "anew", "--execute"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "topic": "input",
        "partition": 0,
        "offset": 4,
        "new_offset": expected,
        "end": 4,
    }
    assert offset(cli) == expected


@pytest.mark.parametrize(("state", "counts"), [("anew", [1, 2]), ("keep", [5, 6])])
def test_state_begins_anew_or_is_kept(
    worked_off: tr.Application, cli: Cli, read: Reader, state: str, counts: list[int]
) -> None:
    reset = ["group", "reset", "group", "--topic", "input", "--to", "2", "--execute"]
    refused = cli(*reset)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "say whether it begins anew or is kept" in refused.stderr
    assert cli(*reset, "--state", state).returncode == 0
    assert worked_off.run(until_end=True).rows_in == 2
    assert [row["n"] for row in read("output")] == [1, 2, 3, 4, *counts]


def test_a_group_at_work_is_shown_and_left_alone(worked_off: tr.Application, cli: Cli) -> None:
    thread = threading.Thread(target=worked_off.run)
    thread.start()
    try:
        while (shown := json.loads(cli("group", "show", "group", "--json").stdout))["member"] is None:
            pass
        assert shown["member"].startswith("process ")
        reset = ["group", "reset", "group", "--topic", "input", "--to", "earliest", "--state", "anew"]
        refused = cli(*reset, "--execute")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert f"group group has members ({shown['member']})" in refused.stderr
        dry = cli(*reset)
        assert dry.returncode == 0
        assert "--execute wants them stopped first" in dry.stderr
        assert offset(cli) == 4
    finally:
        worked_off.stop()
        thread.join()
    assert json.loads(cli("group", "show", "group", "--json").stdout)["member"] is None


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--to", "earliest"], "tiderace group reset wants --topic"),
        (["--topic", "input"], "tiderace group reset wants --to"),
        (["--topic", "none", "--to", "earliest"], 'there is no topic "none"'),
        (["--topic", "input", "--to", "noon"], 'found "noon"'),
        (["--topic", "input", "--to", "-3"], 'found "-3"'),
        (["--topic", "input", "--to", "9"], "has the offsets 0 to 4, wanted 9"),
        (["--topic", "input", "--to", "1", "--partition", "1"], "there is no partition 1"),
        (["--topic", "input", "--to", "1", "--state", "new"], '--state wants anew or keep, found "new"'),
    ],
)
def test_what_cannot_be_is_refused(
    worked_off: tr.Application, cli: Cli, words: list[str], found: str
) -> None:
    done = cli("group", "reset", "group", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert found in done.stderr
    assert offset(cli) == 4
