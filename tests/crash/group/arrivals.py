"""What `kafka_probe watch` has seen: when which row came."""

from pathlib import Path
from typing import Any

import numpy as np

ARRIVAL = np.dtype([("arrived_ns", "i8"), ("sent_ns", "i8"), ("offset", "i8"), ("partition", "i8")])


def read(path: Path) -> Any:
    return np.fromfile(path, dtype=ARRIVAL)


def longest_silence_s(path: Path) -> float:
    """Of any partition, between one of its rows and the next."""
    seen = read(path)
    gaps = [0]
    for partition in np.unique(seen["partition"]):
        times = seen["arrived_ns"][seen["partition"] == partition]
        gaps.append(int(np.diff(times).max(initial=0)))
    return max(gaps) / 1e9
