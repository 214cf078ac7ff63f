"""The systems, and how each is started for a job as its own documentation recommends."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import environments

HERE = Path(__file__).parent
BUILT = HERE.parents[1] / "build" / "bench" / "peers"

STATELESS, MEAN, TREE, FOREST = "stateless", "mean", "tree", "forest"
ROW_FUNCTION, BATCH_FUNCTION = "row-function", "batch-function"
JOBS = (STATELESS, MEAN, TREE, FOREST, ROW_FUNCTION, BATCH_FUNCTION)


@dataclass(frozen=True)
class Run:
    """What a program is told: `folder` is its own, `models` has tree.pkl and forest.pkl."""

    job: str
    brokers: str
    source: str
    out: str
    group: str
    folder: Path
    models: Path

    @property
    def model(self) -> list[str]:
        return [str(self.models / f"{self.job}.pkl")] if self.job in (TREE, FOREST) else []


def _no_environment() -> None:
    pass


@dataclass(frozen=True)
class System:
    """`jobs` are those that it can do; `prepare` gets what it needs, once.

    Where it `puts_out_more`, one row of the input gives several of the output, or other ones: how far it has
    come is told by what its group has committed, and it is neither judged nor timed.
    """

    name: str
    jobs: tuple[str, ...]
    command: Callable[[Run], list[str]]
    exact: bool = False  # its values are those of the oracle to the last bit
    puts_out_more: bool = False
    prepare: Callable[[], None] = _no_environment
    environment: dict[str, str] = field(default_factory=dict)


def _handwritten(run: Run) -> list[str]:
    return [str(BUILT / "peers_handwritten"), run.job, run.brokers, run.source, run.out, run.group]


def _handwritten_quick(run: Run) -> list[str]:
    """What an expert sets where latency is what counts."""
    return [*_handwritten(run), "producer.linger.ms=0", "consumer.fetch.wait.max.ms=100"]


def _tiderace(program: list[str], guarantee: str) -> Callable[[Run], list[str]]:
    def command(run: Run) -> list[str]:
        what = [run.job, run.brokers, run.source, run.out, run.group, guarantee, str(run.folder / "state")]
        return [*program, *what, *run.model]

    return command


def _python(name: str, requirements: list[str]) -> tuple[Callable[[Run], list[str]], Callable[[], None]]:
    def command(run: Run) -> list[str]:
        what = [run.job, run.brokers, run.source, run.out, run.group, str(run.folder), *run.model]
        return [str(environments.python(name)), str(HERE / name / "job.py"), *what]

    return command, lambda: environments.make_python(name, requirements)


def _sliding(command: Callable[[Run], list[str]]) -> Callable[[Run], list[str]]:
    """The system's own sliding window."""
    return lambda run: command(replace(run, job="sliding"))


def _java(name: str, guarantee: str) -> tuple[Callable[[Run], list[str]], Callable[[], None]]:
    def command(run: Run) -> list[str]:
        what = [run.job, run.brokers, run.source, run.out, run.group, str(run.folder), guarantee]
        return environments.java(name, what)

    return command, lambda: environments.make_java(HERE / name)


def systems() -> list[System]:
    cpp = [str(BUILT / "peers_tiderace")]
    python = [sys.executable, str(HERE / "tiderace" / "job.py")]
    alo, eo = "at-least-once", "exactly-once"
    quix, make_quix = _python("quix", environments.QUIX)
    bytewax, make_bytewax = _python("bytewax", environments.BYTEWAX)
    streams, make_streams = _java("kafka_streams", alo)
    streams_eo, _ = _java("kafka_streams", eo)
    flink, make_flink = _java("flink", alo)
    return [
        System("handwritten", (STATELESS, MEAN), _handwritten),
        System("handwritten-quick", (MEAN,), _handwritten_quick),
        System("tiderace", (STATELESS, MEAN), _tiderace(cpp, alo), exact=True),
        System("tiderace-exactly-once", (STATELESS, MEAN), _tiderace(cpp, eo), exact=True),
        System("tiderace-python", JOBS, _tiderace(python, alo), exact=True),
        System("quix", (STATELESS, MEAN, TREE, FOREST, ROW_FUNCTION), quix, prepare=make_quix),
        System("quix-sliding", (MEAN,), _sliding(quix), prepare=make_quix, puts_out_more=True),
        System("kafka-streams", (STATELESS, MEAN), streams, prepare=make_streams),
        System("kafka-streams-exactly-once", (STATELESS, MEAN), streams_eo, prepare=make_streams),
        System("flink", (STATELESS, MEAN), flink, prepare=make_flink),
        System("bytewax", (STATELESS, MEAN), bytewax, prepare=make_bytewax),
    ]
