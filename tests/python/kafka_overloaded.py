"""A service slower than its backlog is read: BROKER NAME MAX_MEMORY. Prints its peak memory in bytes."""

import hashlib
import re
import sys
from pathlib import Path
from typing import Any

import tiderace as tr


def slow(row: dict[str, Any]) -> None:
    row["digest"] = hashlib.pbkdf2_hmac("sha256", row["text"].encode(), b"salt", 50).hex()
    del row["text"]


def main(broker: str, name: str, max_memory: str) -> None:
    app = tr.Application(broker, consumer_group=f"{name}-{max_memory}", max_memory=int(max_memory))
    sdf = app.dataframe(app.topic(f"{name}-input"))
    sdf.update(slow).to_topic(app.topic(f"{name}-{max_memory}-output"))
    assert app.run(until_end=True).bad == 0
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    print(int(peak[1]) * 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
