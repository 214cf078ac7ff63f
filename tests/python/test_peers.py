"""What `./dev bench peers` says of systems: it finds what is wrong with their output, and counts right."""

import http.server
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import load
import measure
import oracle
import peers
import pyarrow as pa
import pytest

RIDERS = 7

Rows = list[dict[str, Any]]


def source() -> pa.Table:
    rows = [
        {
            "partition": 0,
            "offset": i,
            "key": f"rider-{i % RIDERS:04}",
            "timestamp": oracle.BEGIN_MS + i // RIDERS * oracle.ROUND_MS,
            "gForceX": None if i % 10 == 3 else i % 11 - 5.25,
            "gForceY": i % 5 / 3,
            "gForceZ": 1.5,
        }
        for i in range(400)
    ]
    return oracle.numbered(pa.Table.from_pylist(rows), RIDERS)


def written(wanted: pa.Table) -> Rows:
    """As a system writes it that makes no mistake."""
    rows = wanted.rename_columns({"k": "key"}).drop_columns(["n"]).to_pylist()
    return [{"partition": 0, "offset": offset, **row} for offset, row in enumerate(rows)]


def nothing(rows: Rows) -> None:
    pass


def one_is_lost(rows: Rows) -> None:
    del rows[17]


def one_comes_twice(rows: Rows) -> None:
    rows.insert(40, rows[17])


def two_change_places(rows: Rows) -> None:
    rows[17], rows[17 + RIDERS] = rows[17 + RIDERS], rows[17]


def a_mean_is_off_by_little(rows: Rows) -> None:
    rows[17]["gForceTotal-10s"] *= 1 + 1e-12


def a_mean_is_off(rows: Rows) -> None:
    rows[17]["gForceTotal-10s"] *= 1 + 1e-6


def the_end_is_not_reached(rows: Rows) -> None:
    del rows[300:]


@pytest.mark.parametrize(
    ("change", "exact", "faults"),
    [
        (nothing, True, []),
        (one_is_lost, True, ["1 rows missing"]),
        (one_comes_twice, True, ["2 rows doubled"]),
        (a_mean_is_off_by_little, False, []),
        (a_mean_is_off_by_little, True, ["1 other values of gForceTotal-10s"]),
        (a_mean_is_off, False, ["1 other values of gForceTotal-10s"]),
        (the_end_is_not_reached, True, []),
    ],
)
def test_what_is_wrong_with_an_output_is_found(
    change: Callable[[Rows], None], exact: bool, faults: list[str]
) -> None:
    wanted = oracle.rows_of("mean", source(), None)
    assert wanted.num_rows == 360
    rows = written(wanted)
    change(rows)
    found = oracle.numbered(pa.Table.from_pylist(rows), RIDERS)
    assert oracle.judge(found, wanted, exact) == faults


def test_rows_out_of_order_are_found() -> None:
    wanted = oracle.rows_of("stateless", source(), None)
    rows = written(wanted)
    later = next(i for i in range(18, len(rows)) if rows[i]["key"] == rows[17]["key"])
    rows[17], rows[later] = rows[later], rows[17]
    found = oracle.numbered(pa.Table.from_pylist(rows), RIDERS)
    assert oracle.judge(found, wanted, True) == ["1 rows out of order"]


def printing(*lines: int) -> subprocess.Popen[bytes]:
    program = f"print(*{lines}, sep='\\n', flush=True); import sys; sys.stdin.read()"
    return subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_a_run_ends_with_its_last_row() -> None:
    app = printing()
    ends = printing(0, 0, 100, 500, 900, 2000)
    told = measure.throughput(app, app.pid, ends, 900, 0.5, 60)
    for process in (app, ends):
        process.communicate()
    assert told is not None
    assert told.rows == 900
    assert told.rows_a_second > 0
    assert told.peak_mb > 1


def test_rows_that_come_at_once_are_counted_from_the_beginning() -> None:
    app = printing()
    ends = printing(0, 0, 900)
    told = measure.throughput(app, app.pid, ends, 900, 0.5, 60)
    for process in (app, ends):
        process.communicate()
    assert told is not None
    assert told.rows == 900
    assert 0 < told.rows_a_second <= 900 / 0.5 / told.start_s


def test_a_system_that_ends_without_a_row_has_nothing_to_tell() -> None:
    app = printing()
    app.communicate()
    ends = printing(0, 0, 0)
    assert measure.throughput(app, app.pid, ends, 900, 0.5, 60) is None
    ends.communicate()


def test_medians_are_told_with_their_ranges() -> None:
    rows = [
        {"system": system, "job": job, "rows_a_second": rate}
        for rate in (3000.4, 1000.0, 2000.6)
        for job, system in (("mean", "a"), ("stateless", "a"), ("mean", "b"))
    ]
    assert peers.medians([*rows, {"system": "c", "job": "mean", "rows_a_second": 0.12345}]) == [
        {"job": job, "system": system, "runs": 3, "rows_a_second": 2001, "rows_a_second_range": [1000, 3000]}
        for job, system in (("mean", "a"), ("stateless", "a"), ("mean", "b"))
    ] + [{"job": "mean", "system": "c", "runs": 1, "rows_a_second": 0.123}]


def test_the_cpu_of_a_row_is_compared_where_both_have_done_the_job() -> None:
    rows = [
        {"system": system, "job": job, "cpu_s_per_million": cpu}
        for system, job, cpu in (
            ("handwritten", "mean", 2.0),
            ("tiderace", "mean", 3.0),
            ("tiderace", "tree", 9.0),
            ("quix", "mean", 50.0),
        )
    ]
    assert peers.cpu_ratios(rows) == {"mean": 1.5}


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.mark.parametrize(("patience_s", "share"), [(1000.0, 0), (0.0, 1)])
def test_rows_that_have_no_answer_in_time_are_lost(
    monkeypatch: pytest.MonkeyPatch, patience_s: float, share: int
) -> None:
    monkeypatch.setattr(load, "SECONDS", 1)
    monkeypatch.setattr(load, "LOST_S", patience_s)
    with http.server.ThreadingHTTPServer((load.HOST, 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        alone, overloaded = load.run(server.server_address[1])
        server.shutdown()
        thread.join()
    assert alone.lost == 0
    assert overloaded.offered >= len(alone.seconds) > 0
    assert overloaded.lost == share * overloaded.offered
