"""Ports of the loopback interface: which are free, and who has those that are not."""

import contextlib
import os
import random
import socket
from pathlib import Path

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    with socket.socket() as attempt:
        # As Java does: connections of a broker that has ended do not count, though they linger for a minute.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((HOST, port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> int:
    """The first of `count` free ports in a row.

    They lie below those that the system gives to outgoing connections: while a broker is away, its clients
    try its port over and over, and one of their own connections could be given that very port.
    """
    for _ in range(1000):
        first = random.randrange(20_000, 32_000)
        if all(is_free(port) for port in range(first, first + count)):
            return first
    raise OSError(f"no {count} free ports in a row between 20000 and 32000 on {HOST}")


def holder(port: int) -> str:
    """Who listens on the port, as far as this user may know."""
    sockets = _listening(port)
    for process in Path("/proc").glob("[0-9]*"):
        if _has_open(process, sockets):
            command = (process / "cmdline").read_text(errors="replace").replace("\0", " ").strip()
            if len(command) > 120:
                command = f"{command[:40]} ... {command[-75:]}"
            return f"process {process.name} ({command})"
    return "a process of another user"


def _has_open(process: Path, links: set[str]) -> bool:
    try:
        for descriptor in (process / "fd").iterdir():
            # Some are closed by now, and so is always the one that lists them.
            with contextlib.suppress(FileNotFoundError):
                if os.readlink(descriptor) in links:
                    return True
    except OSError:  # another user's, or ended
        pass
    return False


def _listening(port: int) -> set[str]:
    """The sockets that listen on the port, as links in /proc/PID/fd spell them."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            # slot, local address:port, remote address:port, state (0A: listening), ..., inode as the tenth
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == "0A":
                found.add(f"socket:[{fields[9]}]")
    return found
