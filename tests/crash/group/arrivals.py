"""What `kafka_probe watch` has seen: when which row came."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ARRIVAL = np.dtype([("arrived_ns", "i8"), ("sent_ns", "i8"), ("offset", "i8"), ("partition", "i8")])


def read(path: Path) -> Any:
    return np.fromfile(path, dtype=ARRIVAL)


class Silence(NamedTuple):
    partition: int
    begin_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        return (self.end_ns - self.begin_ns) / 1e9


def longest_silence(path: Path) -> Silence:
    """Of any partition, between one of its rows and the next."""
    seen = read(path)
    silences = [Silence(0, 0, 0)]
    for partition in np.unique(seen["partition"]):
        times = seen["arrived_ns"][seen["partition"] == partition]
        if len(times) > 1:
            last = int(np.diff(times).argmax())
            silences.append(Silence(int(partition), int(times[last]), int(times[last + 1])))
    return max(silences, key=lambda silence: silence.seconds)


def gaps_s(path: Path, begin_ns: int, end_ns: int) -> dict[int, float]:
    """The longest silence of each partition that falls into this time, wholly or in part."""
    seen = read(path)
    found = {}
    for partition in np.unique(seen["partition"]):
        times = seen["arrived_ns"][seen["partition"] == partition]
        # With the row before and the one after.
        first = max(0, int(np.searchsorted(times, begin_ns)) - 1)
        last = int(np.searchsorted(times, end_ns)) + 1
        found[int(partition)] = int(np.diff(times[first:last]).max(initial=0)) / 1e9
    return found


def first_after_ns(path: Path, partition: int, after_ns: int) -> int | None:
    """When the first row of the partition came after that moment; None if none has."""
    seen = read(path)
    times = seen["arrived_ns"][(seen["partition"] == partition) & (seen["arrived_ns"] >= after_ns)]
    return int(times[0]) if len(times) else None


def quiet_for_s(path: Path, partitions: int, now_ns: int) -> float:
    """How long nothing has come of the partition that has been silent longest; endless if one never spoke."""
    seen = read(path)
    last = [seen["arrived_ns"][seen["partition"] == p].max(initial=0) for p in range(partitions)]
    return (now_ns - int(min(last))) / 1e9 if min(last) else float("inf")
