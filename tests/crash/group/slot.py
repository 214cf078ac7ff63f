"""A service with a disk and a clock of its own, which can be full and wrong."""

import contextlib
import os
import resource
import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ground import BUILT
from service_process import Service

DISK_BYTES = 256 << 20


class Disk:
    """A small file system of its own in `folder`; where mounting is not allowed, a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tiderace-crash", str(folder)]
        self._mounted = subprocess.run(mount, capture_output=True).returncode == 0
        self._ballast = folder / "ballast"

    def fill(self, pid: int | None) -> None:
        """Not a byte is left; without a file system of its own, files of the process `pid` cannot grow."""
        if not self._mounted:
            if pid is not None:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            return
        # Without Python's buffer, which would try to write its rest when the file is closed.
        with self._ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * size)

    def free(self, pid: int | None) -> None:
        if self._mounted:
            self._ballast.unlink(missing_ok=True)
        elif pid is not None:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def close(self) -> None:
        if self._mounted:
            subprocess.run(["umount", str(self.folder)], check=True)


class Slot(Service):
    def __init__(
        self, number: int, folder: Path, brokers: str, plan: str, options: Mapping[str, Any]
    ) -> None:
        super().__init__(number, folder, brokers, plan, options)
        self._disk = Disk(self.home / "disk")
        self._clock = self.home / "clock"
        self.full = False
        self.was_full = False  # in the life of this process

    @property
    def state(self) -> Path:
        return self.home / "disk" / "state"

    def environment(self) -> dict[str, str]:
        preloaded = {
            "SHIFTED_CLOCK": str(self._clock),
            "LD_PRELOAD": str(BUILT / "libshifted_clock.so"),
        }
        return super().environment() | preloaded

    def start(self, *flags: str) -> None:
        self.shift(0)
        super().start(*flags)
        self.was_full = self.full

    def fill(self) -> None:
        self.full = self.was_full = True
        self._disk.fill(self.pid)

    def free(self) -> None:
        self.full = False
        self._disk.free(self.pid)

    def shift(self, hours: float) -> None:
        """The clock, against the system's. In place, for the file is mapped."""
        descriptor = os.open(self._clock, os.O_RDWR | os.O_CREAT, 0o644)
        os.pwrite(descriptor, struct.pack("=q", int(hours * 3600e9)), 0)
        os.close(descriptor)

    def close(self, keep: bool) -> None:
        """Kills the process and gives up its disk; its state is copied first, to `keep` it."""
        self.kill()
        self.free()
        if keep and self.state.exists():
            shutil.copytree(self.state, self.home / "state", dirs_exist_ok=True)
        self._disk.close()
