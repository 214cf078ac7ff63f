"""A place for a service process: its state directory, clock and log, which outlive the process."""

import contextlib
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BUILT = HERE.parents[2] / "build" / "tests" / "crash" / "group"
DISK_BYTES = 256 << 20


class Disk:
    """A small file system of its own in `folder`; where mounting is not allowed, a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tiderace-crash", str(folder)]
        self.mounted = subprocess.run(mount, capture_output=True).returncode == 0
        self._ballast = folder / "ballast"

    def fill(self, pid: int | None) -> None:
        """Not a byte is left; without a file system of its own, files of the process `pid` cannot grow."""
        if not self.mounted:
            if pid is not None:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            return
        # Without Python's buffer, which would try to write its rest when the file is closed.
        with self._ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * size)

    def free(self, pid: int | None) -> None:
        if self.mounted:
            self._ballast.unlink(missing_ok=True)
        elif pid is not None:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", str(self.folder)], check=True)


class Slot:
    """`options` are the application's."""

    def __init__(self, number: int, folder: Path, brokers: str, plan: str, options: dict[str, Any]) -> None:
        self.number = number
        self._home = folder / f"service-{number}"  # its working directory
        self.log = self._home / "log"
        self._disk = Disk(self._home / "disk")
        self._state = self._disk.folder / "state"
        self._clock = self._home / "clock"
        self._arguments = [brokers, plan, json.dumps({"state_dir": str(self._state), **options})]
        self._process: subprocess.Popen[bytes] | None = None
        self.full = False
        self.was_full = False  # in the life of this process
        self.stopping = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self, *flags: str) -> subprocess.Popen[bytes]:
        self._set_clock(0)
        environment = {
            "TIDERACE_LOG": "debug",
            **os.environ,
            "SHIFTED_CLOCK": str(self._clock),
            "LD_PRELOAD": str(BUILT / "libshifted_clock.so"),
        }
        command = [sys.executable, str(HERE / "service.py"), *self._arguments, *flags]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment, cwd=self._home, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.was_full, self.stopping = self.full, False
        return self._process

    def stop(self) -> None:
        self.stopping = True
        self.send(signal.SIGTERM)

    def send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def kill(self) -> int:
        """The status: -9, unless the process has ended by itself before; -9 also if there was none."""
        status = -signal.SIGKILL
        if self._process is not None:
            self._process.kill()
            status = self._process.wait()
            self._process = None
        self.stopping = False
        return status

    def ended(self) -> int | None:
        """The status of a process that has ended and was not `kill`ed."""
        return None if self._process is None else self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """The status, None if it is still there after that time."""
        if self._process is None:
            return None
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def dump_stacks(self) -> None:
        """Where all threads are or were, of a process that hangs or has crashed, if there is a debugger."""
        if self._process is None or not shutil.which("gdb"):
            return
        cores = [str(core) for core in self._home.glob("core*")]
        what = ["-p", str(self._process.pid)] if self._process.poll() is None else cores[-1:]
        command = ["gdb", sys.executable, *what, "-batch", "-ex", "bt", "-ex", "thread apply all bt"]
        with (self._home / f"stacks-{self._process.pid}.txt").open("ab") as file:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        for core in cores:
            os.unlink(core)

    def said(self, text: bytes) -> int:
        """How often, in its log."""
        return self.log.read_bytes().count(text) if self.log.exists() else 0

    def lose_state(self) -> None:
        shutil.rmtree(self._state, ignore_errors=True)

    def fill(self) -> None:
        self.full = self.was_full = True
        self._disk.fill(self.pid)

    def free(self) -> None:
        self.full = False
        self._disk.free(self.pid)

    def shift(self, hours: float) -> None:
        self._set_clock(int(hours * 3600e9))

    def close(self, keep: bool) -> None:
        """Kills the process and gives up its disk; its state is copied first, to `keep` it."""
        self.kill()
        self.free()
        if keep and self._state.exists():
            shutil.copytree(self._state, self._home / "state", dirs_exist_ok=True)
        self._disk.close()

    def _set_clock(self, nanoseconds: int) -> None:
        # In place, for it is mapped.
        descriptor = os.open(self._clock, os.O_RDWR | os.O_CREAT, 0o644)
        os.pwrite(descriptor, struct.pack("=q", nanoseconds), 0)
        os.close(descriptor)
