"""A service as a process: started, stopped and killed as often as one likes, with its state directory."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


class Service:
    """Number `number`, known to the brokers as `service-NUMBER`; what it keeps is below `folder`.

    `plan` is one of `pipeline.PLANS`, `options` are the application's.
    """

    def __init__(
        self, number: int, folder: Path, brokers: str, plan: str, options: Mapping[str, Any]
    ) -> None:
        self.number = number
        self.name = f"service-{number}"
        self.home = folder / self.name  # its working directory
        self.home.mkdir()
        self.log = self.home / "log"
        self.stopping = False
        client = {"client.id": self.name, **options.get("consumer_config", {})}
        self._options = {"state_dir": str(self.state), **options, "consumer_config": client}
        self._arguments = [brokers, plan]
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    @property
    def state(self) -> Path:
        return self.home / "state"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def environment(self) -> dict[str, str]:
        return {"TIDERACE_LOG": "debug", **os.environ}

    def start(self, *flags: str) -> None:
        command = [
            sys.executable,
            str(HERE / "group_service.py"),
            *self._arguments,
            json.dumps(self._options),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *flags],
                env=self.environment(),
                cwd=self.home,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        self.stopping = False
        self._started = time.monotonic()

    def go(self) -> None:
        """To one that was started with --wait."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def age_s(self) -> float:
        """Since it was started last."""
        return time.monotonic() - self._started

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

    def said(self, text: bytes) -> int:
        """How often, in its log."""
        return self.log.read_bytes().count(text) if self.log.exists() else 0

    def lose_state(self) -> None:
        shutil.rmtree(self.state, ignore_errors=True)

    def dump_stacks(self) -> None:
        """Where all threads are or were, of a process that hangs or has crashed, if there is a debugger."""
        if self._process is None or not shutil.which("gdb"):
            return
        cores = [str(core) for core in self.home.glob("core*")]
        what = ["-p", str(self._process.pid)] if self._process.poll() is None else cores[-1:]
        command = ["gdb", sys.executable, *what, "-batch", "-ex", "bt", "-ex", "thread apply all bt"]
        with (self.home / f"stacks-{self._process.pid}.txt").open("ab") as file:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        for core in cores:
            os.unlink(core)
