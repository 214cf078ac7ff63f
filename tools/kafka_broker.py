"""One Kafka broker: a process of Java that outlives its starter, with a folder and two ports of its own."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import kafka_wire
from kafka_jars import Jars, KafkaError, last_lines
from kafka_ports import HOST, holder, is_free


def heap_options() -> list[str]:
    """The options of the JVM in KAFKA_HEAP; KafkaError if a word of it is none."""
    found = os.environ.get("KAFKA_HEAP", "-Xms256m -Xmx768m")
    for word in found.split():
        if not word.startswith("-"):
            raise KafkaError(
                'KAFKA_HEAP: wanted options of a JVM such as "-Xms512m -Xmx512m" (memory at the start, and '
                f'at most), found "{found}", where {word} is none: set it so, or unset it'
            )
    return found.split()


class Broker:
    """Node `node` of a cluster, broker and controller in one.

    Its folder holds server.properties, kafka.log (of this run), kafka.log.1 (of the run before), kafka.pid,
    data/ and tmp/. A pid file may be stale and its number be that of another process by now, so a process
    counts as this broker only if its command line names the folder's server.properties.
    """

    def __init__(
        self,
        node: int,
        folder: Path,
        port: int,
        controller_port: int,
        jars: Jars,
        doors: Sequence[int] = (),
    ) -> None:
        self.node = node
        self.folder = folder
        self.port = port
        self.controller_port = controller_port
        self.doors = doors  # the ports of further listeners
        self.address = f"{HOST}:{port}"
        self.log = folder / "kafka.log"
        self._jars = jars
        self._properties = folder / "server.properties"
        self._pid_file = folder / "kafka.pid"
        self._started: subprocess.Popen[bytes] | None = None

    @property
    def formatted(self) -> bool:
        return (self.folder / "data" / "meta.properties").exists()

    @property
    def pid(self) -> int | None:
        """The process, None if there is none."""
        # A child is there for certain, while its command line cannot be read yet in the first moments.
        if self._started is not None and self._started.poll() is None:
            return self._started.pid
        try:
            pid = int(self._pid_file.read_text())
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self._properties) in arguments else None

    def last_log_lines(self) -> str:
        try:
            return last_lines(self.log.read_text(errors="replace"))
        except OSError:
            return last_lines("")

    def configure(self, properties: Mapping[str, object]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))

    def format(self, cluster_id: str) -> subprocess.Popen[str]:
        """Starts to prepare an empty data folder; wait for it with `wait_until_formatted`."""
        arguments = ("format", "--cluster-id", cluster_id, "--ignore-formatted")
        command = self._command("kafka.tools.StorageTool", *arguments, "--config", str(self._properties))
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._jars.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_until_formatted(self, formatting: subprocess.Popen[str]) -> None:
        output, _ = formatting.communicate()
        if formatting.returncode != 0 or not self.formatted:
            raise KafkaError(f"{self.folder}/data could not be formatted:\n{last_lines(output)}")

    def launch(self, options: Iterable[str] = ()) -> None:
        """Starts the process, with these options of the JVM, and does not wait for it."""
        chosen = [*heap_options(), *options, *os.environ.get("KAFKA_JVM", "").split()]
        if self.log.exists():
            self.log.replace(self.folder / "kafka.log.1")
        with self.log.open("wb") as log:
            self._started = subprocess.Popen(
                self._command("kafka.Kafka", str(self._properties), options=chosen),
                cwd=self.folder,
                env=self._jars.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._pid_file.write_text(f"{self._started.pid}\n")

    def _command(self, main: str, *arguments: str, options: Iterable[str] = ()) -> list[str]:
        # Native libraries are unpacked into the temporary folder, and stay there after kill -9.
        temporary = self.folder / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        fixed = [f"-Djava.io.tmpdir={temporary}", "-Djava.net.preferIPv4Stack=true"]
        return self._jars.command(main, *arguments, options=[*fixed, *options])

    def answers(self, nodes: set[int]) -> bool:
        """Whether it answers, and knows these nodes to be up."""
        try:
            return kafka_wire.METADATA in kafka_wire.api_versions(self.address) and (
                nodes <= kafka_wire.brokers_known(self.address)
            )
        except OSError:
            return False

    @contextlib.contextmanager
    def process(self) -> Iterator[int | None]:
        """A descriptor of the process, readable when it has ended; None if there is none."""
        pid = self.pid
        try:
            descriptor = None if pid is None else os.pidfd_open(pid)
        except ProcessLookupError:
            descriptor = None
        try:
            # The number may have passed to another process before it was opened.
            yield descriptor if self.pid == pid else None
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal; nothing happens if there is no process."""
        with self.process() as process, contextlib.suppress(ProcessLookupError):
            if process is not None:
                signal.pidfd_send_signal(process, number)

    def wait_until_ended(self, timeout_s: float) -> bool:
        """Whether the process has ended in that time. If so, the pid file is gone."""
        with self.process() as process:
            if process is not None:
                poll = select.poll()
                poll.register(process, select.POLLIN)
                if not poll.poll(timeout_s * 1000):
                    return False
        if self._started is not None:
            self._started.poll()  # reaps it
        self._pid_file.unlink(missing_ok=True)
        return True

    def check_ports(self) -> None:
        """KafkaError if somebody has one of the ports."""
        for port in (self.port, self.controller_port, *self.doors):
            if not is_free(port):
                raise KafkaError(
                    f"broker {self.node} wants port {port} of {HOST}, which {holder(port)} is listening on; "
                    "end that process, or choose other ports (--port)"
                )
