"""A PostgreSQL of its own for tests and measurements: a folder, a socket in it, no port, no password."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

INSTALLED = Path("/usr/lib/postgresql")
SETTINGS: Mapping[str, object] = {
    "listen_addresses": "''",
    "fsync": "off",  # what is killed in tests is never the machine
    "max_connections": 50,
    "shared_buffers": "64MB",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}


class PostgresError(Exception):
    """What the server could not do, and why."""


def programs() -> Path:
    """The folder of `initdb` and `postgres`, of the newest version that is there."""
    found = sorted(
        INSTALLED.glob("*/bin/postgres"), key=lambda path: int(re.sub(r"\D", "", path.parts[-3]) or 0)
    )
    if not found:
        raise PostgresError(f"there is no PostgreSQL in {INSTALLED}; ./dev test installs it (postgresql-15)")
    return found[-1].parent


class Postgres:
    """A server with a database `telemetry`, whose owner is `tiderace`; `start`, `stop` and `kill` it at will.

    A server refuses to run as root: then it is `nobody`'s. As a context manager it is started, and in the end
    killed and deleted.
    """

    def __init__(self, settings: Mapping[str, object] | None = None) -> None:
        self._settings = {**SETTINGS, **(settings or {})}
        # Where another user can get to it, and with a short name: a socket's is at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="tr-pg-", dir="/tmp"))
        self._user: int | None = None
        self._group: int | None = None
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._user, self._group = nobody.pw_uid, nobody.pw_gid
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of the database."""
        return f"postgresql://tiderace@/telemetry?host={self.folder}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> "Postgres":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Returns once it answers."""
        data = self.folder / "data"
        if not data.exists():
            self._initialize(data)
        command = [str(programs() / "postgres"), "-D", str(data), "-k", str(self.folder)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={str(value).strip(chr(39))}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, user=self._user, group=self._group
            )
        until = time.monotonic() + 60
        while self._answer("SELECT 1", database="postgres") is None:
            if not self.running or time.monotonic() > until:
                raise PostgresError(f"it does not start:\n{(self.folder / 'log').read_text()[-2000:]}")
        if self._answer("SELECT 1 FROM pg_database WHERE datname = 'telemetry'", database="postgres") == "":
            self.query("CREATE DATABASE telemetry", database="postgres")

    def stop(self) -> None:
        """Ends its connections, and it, in order."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Ends it as a power cut does the processes of a machine."""
        self._end(signal.SIGQUIT)

    def query(self, sql: str, database: str = "telemetry") -> str:
        """What psql prints for `sql`: rows as lines, columns divided by `|`."""
        done = self._psql(sql, database)
        if done.returncode != 0:
            raise PostgresError(done.stderr.strip())
        return done.stdout.strip("\n")

    def session(self, sql: str) -> subprocess.Popen[bytes]:
        """A psql at work on `sql`, statement by statement, beside."""
        command = [str(programs() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.url]
        for statement in sql.split("; "):
            command += ["-c", statement]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def session_at_rest(self, sql: str) -> subprocess.Popen[bytes]:
        """A psql that has done `sql` and does nothing more, for example in a transaction."""
        command = [str(programs() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.url]
        session = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        assert session.stdin
        session.stdin.write(sql.encode() + b"\n")
        session.stdin.flush()
        return session

    def rows(self, sql: str) -> list[tuple[str, ...]]:
        """The same, taken apart."""
        text = self.query(sql)
        return [tuple(line.split("|")) for line in text.split("\n")] if text else []

    def _psql(self, sql: str, database: str) -> subprocess.CompletedProcess[str]:
        command = [str(programs() / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        command += ["-h", str(self.folder), "-U", "tiderace", "-d", database, "-c", sql]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def _answer(self, sql: str, database: str) -> str | None:
        done = self._psql(sql, database)
        return done.stdout.strip() if done.returncode == 0 else None

    def _initialize(self, data: Path) -> None:
        command = [str(programs() / "initdb"), "-D", str(data), "-U", "tiderace", "-A", "trust", "-E", "UTF8"]
        command += ["--locale=C", "--no-sync"]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            user=self._user,
            group=self._group,
        )
        if done.returncode != 0:
            raise PostgresError(f"initdb: {done.stderr}")

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
