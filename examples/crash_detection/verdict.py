"""What came out of a run of the demo, held against what went in and against a backtest of the same rows."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import phone
import train

MEAN = "gForceTotal-10s"

SETTLED_S = 2  # around an outage: what piled up has been worked off

Key = tuple[str, int]  # rider and timestamp: which row
RowId = tuple[str, tuple[tuple[str, Any], ...]]  # rider and all fields


def row_id(rider: str, fields: dict[str, Any]) -> RowId:
    return rider, tuple(fields.items())


@dataclass
class Alerts:
    """What has come out of the service, as a reader of the gateway sees it, and what its topic holds."""

    rows: dict[Key, dict[str, Any]] = field(default_factory=dict)
    arrived_s: dict[Key, float] = field(default_factory=dict)
    repeated: int = 0
    stored: Counter[Key] = field(default_factory=Counter)
    changed: int = 0  # stored with other values than came to the reader

    def add(self, record: dict[str, Any]) -> Key:
        """Takes a record as the gateway's readers get it."""
        key = (record["key"], record["value"]["timestamp"])
        if key in self.rows:
            self.repeated += 1
        else:
            self.rows[key] = record["value"]
            self.arrived_s[key] = time.time()
        return key

    def add_stored(self, rider: bytes | None, value: dict[str, Any]) -> None:
        """Takes a record as the topic holds it."""
        key = ((rider or b"").decode(), value["timestamp"])
        self.stored[key] += 1
        self.changed += self.rows.get(key) != value

    @property
    def stored_twice(self) -> int:
        return self.stored.total() - len(self.stored)


@dataclass
class Run:
    """One run of the demo: the truth, what came out, and when things happened (seconds since 1970)."""

    labels: list[phone.Label]
    seed: int
    speed_up: float
    alerts: Alerts
    stored: Counter[RowId]  # what the phones' topic holds, and how often
    begun_s: float
    outages: list[tuple[float, float]]  # from a kill until rows came again
    ended_s: float
    phones_said: str
    service_said: str

    def sent(self) -> list[phone.Row]:
        """The rows that the phones sent; the labels say all about them."""
        return list(phone.rows(self.labels, seed=self.seed))

    def delays_ms(self) -> list[float]:
        """From when a row was due at the phone to when it was here, for rows that found everything up."""
        up_s = min(self.alerts.arrived_s.values(), default=0) + SETTLED_S
        start_ms = self.labels[0].begin_ms
        found = []
        for (_, timestamp_ms), arrived_s in self.alerts.arrived_s.items():
            due_s = (start_ms + (timestamp_ms - start_ms) / self.speed_up) / 1000
            if due_s > up_s and not any(
                down - SETTLED_S < due_s < up + SETTLED_S for down, up in self.outages
            ):
                found.append((arrived_s - due_s) * 1000)
        return sorted(found)


def backtest(sent: list[phone.Row]) -> dict[Key, float]:
    """The mean of every row, computed from the same rows as a table."""
    data = [{**row.fields, "rider": row.rider} for row in sent]
    table = train.frame().backtest(data, key="rider", timestamp="timestamp")
    keys = zip(table["rider"].to_pylist(), table["timestamp"].to_pylist(), strict=True)
    return dict(zip(keys, table[MEAN].to_pylist(), strict=True))


def detection(labels: list[phone.Label], alerts: Alerts) -> tuple[float, float]:
    """Precision and recall of `shaking`, a row at a time."""
    outcomes: Counter[tuple[bool, bool]] = Counter()
    for label in labels:
        for timestamp_ms in range(label.begin_ms, label.end_ms, 100):
            row = alerts.rows.get((label.rider, timestamp_ms))
            if row is not None:
                outcomes[label.shaking, bool(row["shaking"])] += 1
    hits = outcomes[True, True]
    return hits / max(hits + outcomes[False, True], 1), hits / max(hits + outcomes[True, False], 1)


def latency(delays_ms: list[float]) -> str:
    if not delays_ms:
        return "not known: a run this short is never without an outage for long"
    median, worst = delays_ms[len(delays_ms) // 2], delays_ms[len(delays_ms) * 99 // 100]
    return f"p50 {median:.0f} ms, p99 {worst:.0f} ms, from the phone to this reader, while up"


def print_summary(run: Run) -> bool:
    """Prints what came of it; returns whether all was as promised."""
    sent, alerts = run.sent(), run.alerts
    taken = Counter(row_id(row.rider, row.fields) for row in sent)
    lost, twice = (taken - run.stored).total(), (run.stored - taken).total()
    wanted = backtest(sent)
    missing = len(wanted.keys() - alerts.rows.keys())
    unknown = len(alerts.rows.keys() - wanted.keys())
    repeated = alerts.repeated + alerts.stored_twice
    differing = sum(alerts.rows[key][MEAN] != mean for key, mean in wanted.items() if key in alerts.rows)
    late = sum(row[MEAN] is None for row in alerts.rows.values())
    precision, recall = detection(run.labels, alerts)
    equal = not (missing or unknown or differing or alerts.changed)
    seconds = run.ended_s - run.begun_s
    lines = {
        "the phones say": run.phones_said,
        "rows in": f"{len(sent):,}, in the topic {run.stored.total():,}: {lost:,} lost, {twice:,} twice",
        "filtered out": f"{len(sent) - len(wanted):,} without gForce",
        "alerts": f"{len(alerts.rows):,}: {missing:,} missing, {repeated:,} twice",
        "bad": "0 (one would have stopped the service)",
        "late": f"{late:,}",
        "rows/s": f"{len(sent) / seconds:,.0f}, as many as the phones send",
        "latency": latency(run.delays_ms()),
        "equals a backtest": "yes, bit for bit"
        if equal
        else f"NO: {missing:,} missing, {unknown:,} unknown, {differing + alerts.changed:,} differ",
        "shaking": f"precision {precision:.3f}, recall {recall:.3f} against the labels, a row at a time",
        "the service says": run.service_said.replace("\n", "\n" + " " * 21),
    }
    for name, text in lines.items():
        print(f"  {name:18} {text}")
    return equal and not (lost or twice or repeated)
