"""What came out of a run of the demo, held against what went in and against a backtest of the same rows."""

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import phone
import tiderace as tr
import train

MEAN = "gForceTotal-10s"

SETTLED_S = 2  # around an outage: what piled up has been worked off

Key = tuple[str, int]  # rider and timestamp: which row
RowId = tuple[str, tuple[tuple[str, Any], ...]]  # rider and all fields


def row_id(rider: str, fields: dict[str, Any]) -> RowId:
    return rider, tuple(sorted(fields.items()))


@dataclass
class Alerts:
    """What has come out of the service: as a reader of the gateway sees it, and as its topic holds it."""

    rows: dict[Key, dict[str, Any]] = field(default_factory=dict)
    arrived_s: dict[Key, float] = field(default_factory=dict)
    repeated: int = 0
    stored: dict[Key, list[dict[str, Any]]] = field(default_factory=dict)
    versions: dict[Key, str] = field(default_factory=dict)  # of the model, as the stored ones name it

    def add(self, record: dict[str, Any]) -> Key:
        """Takes a record as the gateway's readers get it."""
        key = (record["key"], record["value"]["timestamp"])
        if key in self.rows:
            self.repeated += 1
        else:
            self.rows[key] = record["value"]
            self.arrived_s[key] = time.time()
        return key

    def add_stored(self, rider: bytes | None, value: dict[str, Any], version: str) -> None:
        """Takes a record as the topic holds it."""
        key = ((rider or b"").decode(), value["timestamp"])
        self.stored.setdefault(key, []).append(value)
        self.versions[key] = version


@dataclass
class Run:
    """One run of the demo: the truth, what came out, and when things happened (seconds since 1970)."""

    labels: list[phone.Label]
    models: dict[str, tr.Model]  # that the registry has, by version
    seed: int
    speed_up: float
    alerts: Alerts
    stored: Counter[RowId]  # what the phones' topic holds, and how often
    kept: Counter[RowId]  # the same of the database
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
        begin_ms, end_ms = self.labels[0].begin_ms, max(label.end_ms for label in self.labels)
        found = []
        for (_, timestamp_ms), arrived_s in self.alerts.arrived_s.items():
            due_s = phone.due_ms(timestamp_ms, begin_ms, end_ms, self.speed_up) / 1000
            if due_s > up_s and not any(
                down - SETTLED_S < due_s < up + SETTLED_S for down, up in self.outages
            ):
                found.append((arrived_s - due_s) * 1000)
        return sorted(found)


def backtest(
    sent: list[phone.Row], models: dict[str, tr.Model], versions: dict[Key, str]
) -> dict[Key, dict[str, Any]]:
    """Every alert as it has to be, all its fields, computed from the same rows as a table.

    Each by the version that its stored row names; a row that names none is held against the first.
    """
    data = [{**row.fields, "rider": row.rider} for row in sent]
    found: dict[Key, dict[str, Any]] = {}
    for version, model in sorted(models.items()):
        for row in train.scored(model, data).to_pylist():
            key = (row.pop("rider"), row["timestamp"])
            if key not in found or versions.get(key) == version:
                # A column of the table is null where the phone's row did not have the field.
                found[key] = {name: value for name, value in row.items() if value is not None}
    return found


def exact(row: dict[str, Any] | None) -> Any:
    """What tells rows apart: names and values to the last bit; 1, 1.0 and True are three."""
    return row and sorted((name, repr(value)) for name, value in row.items() if value is not None)


@dataclass
class Differences:
    """How what the topic of alerts holds, and what its reader saw, are not what a backtest says. In rows."""

    missing: int  # wanted, and not stored
    unknown: int  # stored, and not wanted
    twice: int
    differing: dict[str, int]  # stored with another value, by field
    unseen: int  # stored, and never came to the reader
    unstored: int  # came to the reader, and is not stored
    changed: int  # came to the reader otherwise than it is stored
    seen_twice: int

    @classmethod
    def between(cls, wanted: dict[Key, dict[str, Any]], alerts: Alerts) -> "Differences":
        stored, seen = alerts.stored, alerts.rows
        differing: Counter[str] = Counter()
        for key in wanted.keys() & stored.keys():
            for row in stored[key]:
                wrong = set(exact(row)) ^ set(exact(wanted[key]))
                differing.update({name for name, _ in wrong})
        return cls(
            missing=len(wanted.keys() - stored.keys()),
            unknown=len(stored.keys() - wanted.keys()),
            twice=sum(len(rows) - 1 for rows in stored.values()),
            differing=dict(differing),
            unseen=len(stored.keys() - seen.keys()),
            unstored=len(seen.keys() - stored.keys()),
            changed=sum(exact(seen[key]) != exact(stored[key][0]) for key in seen.keys() & stored.keys()),
            seen_twice=alerts.repeated,
        )

    def __bool__(self) -> bool:
        return any(vars(self).values())

    def __str__(self) -> str:
        counted = {name.replace("_", " "): n for name, n in vars(self).items() if n and name != "differing"}
        parts = [f"{n:,} {name}" for name, n in counted.items()]
        return ", ".join(parts + [f"{n:,} differ in {name}" for name, n in sorted(self.differing.items())])


def detection(labels: list[phone.Label], alerts: Alerts) -> str:
    """Precision and recall of `shaking`, a row at a time, of each version of the model."""
    outcomes: dict[str, Counter[tuple[bool, bool]]] = {}
    for label in labels:
        for timestamp_ms in range(label.begin_ms, label.end_ms, 100):
            key = (label.rider, timestamp_ms)
            for row in alerts.stored.get(key, ()):
                of_version = outcomes.setdefault(alerts.versions[key], Counter())
                of_version[label.shaking, bool(row.get("shaking"))] += 1
    return "\n".join(_quality(version, outcomes[version]) for version in sorted(outcomes))


def _quality(version: str, outcomes: Counter[tuple[bool, bool]]) -> str:
    hits = outcomes[True, True]
    precision = hits / max(hits + outcomes[False, True], 1)
    recall = hits / max(hits + outcomes[True, False], 1)
    of = f"version {version or 'unknown'}, {outcomes.total():,} rows"
    return f"{of}: precision {precision:.3f}, recall {recall:.3f} against the labels"


def latency(delays_ms: list[float]) -> str:
    if not delays_ms:
        return "not known: a run this short is never without an outage for long"
    median, worst = delays_ms[len(delays_ms) // 2], delays_ms[len(delays_ms) * 99 // 100]
    return f"p50 {median:.0f} ms, p99 {worst:.0f} ms, from the phone to this reader, while up"


def bad_rows(service_said: str) -> str:
    """The service counts rows that it cannot read; the one that was killed cannot say how many."""
    found = re.search(r"\bbad ([\d,]*\d)", service_said)
    return f"{found[1]}, says the service since its start" if found else "not known: the service does not say"


def print_summary(run: Run) -> bool:
    """Prints what came of it; returns whether all was as promised."""
    sent, alerts = run.sent(), run.alerts
    taken = Counter(row_id(row.rider, row.fields) for row in sent)
    wanted = backtest(sent, run.models, alerts.versions)
    wrong = Differences.between(wanted, alerts)
    late = sum(row.get(MEAN) is None for rows in alerts.stored.values() for row in rows)
    repeated = wrong.twice + wrong.seen_twice
    seconds = run.ended_s - run.begun_s
    lines = {
        "the phones say": run.phones_said,
        "rows in": f"{len(sent):,}, in the topic {held_against(taken, run.stored)}",
        "database": held_against(taken, run.kept),
        "filtered out": f"{len(sent) - len(wanted):,} without gForce",
        "alerts": f"{len(alerts.stored):,}: {wrong.missing:,} missing, {repeated:,} twice",
        "bad": bad_rows(run.service_said),
        "late": f"{late:,}",
        "rows/s": f"{len(sent) / seconds:,.0f}, as many as the phones send",
        "latency": latency(run.delays_ms()),
        "equals a backtest": f"NO: {wrong}" if wrong else "yes, all fields of all rows, bit for bit",
        "shaking": detection(run.labels, alerts),
        "the service says": run.service_said,
    }
    for name, text in lines.items():
        print(f"  {name:18}", text.replace("\n", "\n" + " " * 21))
    return not wrong and taken == run.stored == run.kept


def held_against(sent: Counter[RowId], found: Counter[RowId]) -> str:
    return f"{found.total():,}: {(sent - found).total():,} lost, {(found - sent).total():,} twice"
