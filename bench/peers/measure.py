"""What a run of a system costs: rows, CPU and memory of its processes, time."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
FIRST_SHARE, LAST_SHARE = 0.1, 0.95  # of the rows: what is before and behind is starting and ending
NOTHING_S = 60  # without any output it is given up


def tree(root: int) -> list[int]:
    """The process and all that came of it."""
    pids = [root]
    for pid in pids:
        with contextlib.suppress(OSError):
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                pids += [int(child) for child in children.read_text().split()]
    return pids


def cpu_s(pids: Iterable[int]) -> float:
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def memory_mb(pids: Iterable[int], field: str) -> float:
    """`VmHWM`: at most until now, `VmRSS`: now; of all processes together."""
    kib = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(f"{field}:"):
                    kib += int(line.split()[1])
    return kib / 1024


@dataclass(frozen=True)
class Sample:
    """Of a run that goes on: a moment, and by then rows in the output and CPU of application and broker."""

    at: float
    rows: int
    app_s: float
    broker_s: float


@dataclass(frozen=True)
class Throughput:
    """Rates are of input rows; `rows` is how many came out until it was done, or its time was over."""

    rows: int
    rows_a_second: float
    cpu_s_per_million: float
    broker_cpu_s_per_million: float
    start_s: float
    peak_mb: float


def throughput(
    app: subprocess.Popen[bytes],
    broker: int,
    counter: subprocess.Popen[bytes],
    wanted: int,
    kept: float,
    cap_s: float,
) -> Throughput | None:
    """Until `wanted` rows came out, a share of `kept` of what goes in; None: nothing ever did.

    `counter` prints how many, again and again.
    """
    began = time.monotonic()
    start = Sample(began, 0, 0.0, cpu_s([broker]))
    samples: list[Sample] = []
    peak_mb = 0.0
    assert counter.stdout is not None
    for line in counter.stdout:
        now, rows, pids = time.monotonic(), int(line), tree(app.pid)
        peak_mb = max(peak_mb, memory_mb(pids, "VmHWM"))
        if rows:
            samples.append(Sample(now, rows, cpu_s(pids), cpu_s([broker])))
        if rows >= wanted or app.poll() is not None:
            break
        if now - (samples[0].at if samples else began) > (cap_s if samples else NOTHING_S):
            break
    if not samples:
        return None
    last = min(samples[-1].rows, wanted)
    late = next(sample for sample in samples if sample.rows >= LAST_SHARE * last)
    early = next(sample for sample in samples if sample.rows >= FIRST_SHARE * last)
    if early is late:  # everything came at once
        early = start
    millions = (late.rows - early.rows) / kept / 1e6
    return Throughput(
        samples[-1].rows,
        millions * 1e6 / (late.at - early.at),
        (late.app_s - early.app_s) / millions,
        (late.broker_s - early.broker_s) / millions,
        samples[0].at - began,
        peak_mb,
    )
