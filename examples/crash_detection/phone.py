"""The phone of the crash detector: replays real recordings as the rows that phones on bikes would send.

Each rider's phone sends two kinds of row to the topic: ten times a second the acceleration (`gForceX`,
`gForceY`, `gForceZ`), and once a second where it is (`latitude`, ..., `heartRate`). To a gateway, or straight
to the topic beside the service:

    python phone.py --gateway ws://127.0.0.1:8080 --riders 3 --speed-up 2
    python phone.py --riders 3 --speed-up 2
"""

import argparse
import asyncio
import csv
import json
import random
import sys
import time
import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from heapq import merge
from itertools import count
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway_client import Sender

DATA = Path(__file__).parent / "data"
GRAVITY = 9.81
SHAKING = frozenset({"running", "badminton"})
RECORDING_MS = 10_000
TROUBLE_S = 5


@dataclass(frozen=True)
class Row:
    """One row as it goes on the wire: when it was measured, whose it is, and its fields."""

    timestamp_ms: int
    rider: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Label:
    """What a rider did from `begin_ms` until before `end_ms`: the truth that the service does not see."""

    rider: str
    begin_ms: int
    end_ms: int
    recording: int
    activity: str
    shaking: bool


@dataclass(frozen=True)
class Recording:
    number: int
    activity: str
    acceleration: list[tuple[float, float, float]]  # m/s², every 100 ms


@cache
def recordings() -> dict[int, Recording]:
    """The motions by the number of their recording."""
    found: dict[int, Recording] = {}
    with (DATA / "motions.csv").open(newline="") as file:
        for line in csv.DictReader(file):
            number = int(line["recording"])
            recording = found.setdefault(number, Recording(number, line["activity"], []))
            recording.acceleration.append((float(line["ax"]), float(line["ay"]), float(line["az"])))
    return found


@cache
def ride() -> list[dict[str, Any]]:
    """The ride as the fields of location rows, one a second."""
    with (DATA / "ride.csv").open(newline="") as file:
        return [
            {
                "latitude": float(line["latitude"]),
                "longitude": float(line["longitude"]),
                "altitude": float(line["altitude_m"]),
                "speed": float(line["speed_mps"]),
                "heartRate": int(line["heart_rate_bpm"]),
            }
            for line in csv.DictReader(file)
        ]


def g_force(acceleration: tuple[float, float, float]) -> dict[str, float]:
    """What the sensor itself would have said.

    The recordings hold the acceleration of the movement alone: the watch had taken gravity out. A phone that
    sends what its sensor measures has it in, so that at rest the total is not 0 but about 9.8. We put it back
    on the axis along which the arm hangs.
    """
    x, y, z = acceleration
    return {"gForceX": round(x + GRAVITY, 6), "gForceY": y, "gForceZ": z}


def labels(
    riders: int = 1,
    duration_s: float = 60,
    start_ms: int = 0,
    seed: int = 0,
    replay: Collection[int] | None = None,
) -> list[Label]:
    """What each rider does when: recordings drawn by `seed` from `replay` (None: all), one after another.

    A rider keeps still for the first ten seconds; after that about every third recording is one of shaking.
    """
    chosen = [recordings()[number] for number in sorted(recordings() if replay is None else replay)]
    calm = [recording for recording in chosen if recording.activity not in SHAKING]
    wild = [recording for recording in chosen if recording.activity in SHAKING]
    still = [recording for recording in calm if recording.activity == "standing"] or calm or wild
    found = []
    for rider in range(1, riders + 1):
        draw = random.Random(f"{seed}/{rider}")
        for begin_ms in range(0, int(duration_s * 1000), RECORDING_MS):
            shake = draw.random() < 1 / 3
            recording = draw.choice(still if begin_ms == 0 else (wild if shake else calm) or chosen)
            end_ms = min(begin_ms + RECORDING_MS, int(duration_s * 1000))
            found.append(
                Label(
                    rider=f"rider-{rider}",
                    begin_ms=start_ms + begin_ms,
                    end_ms=start_ms + end_ms,
                    recording=recording.number,
                    activity=recording.activity,
                    shaking=recording.activity in SHAKING,
                )
            )
    return found


def rows(truth: Iterable[Label], rate: float = 10, seed: int = 0) -> Iterator[Row]:
    """The rows of all riders in order of time: `rate` gForce rows and a location row a second of each."""
    by_rider: dict[str, list[Label]] = {}
    for label in truth:
        by_rider.setdefault(label.rider, []).append(label)
    streams = [_rows_of(rider, mine, rate, seed) for rider, mine in by_rider.items()]
    return merge(*streams, key=lambda row: row.timestamp_ms)


def _rows_of(rider: str, truth: list[Label], rate: float, seed: int) -> Iterator[Row]:
    motion = (row for label in truth for row in _motion_rows(label, truth[0].begin_ms, rate))
    return merge(motion, _location_rows(rider, truth, seed), key=lambda row: row.timestamp_ms)


def _motion_rows(label: Label, start_ms: int, rate: float) -> Iterator[Row]:
    samples = recordings()[label.recording].acceleration
    for tick in count(ceil((label.begin_ms - start_ms) * rate / 1000)):
        timestamp_ms = start_ms + int(tick * 1000 / rate)
        if timestamp_ms >= label.end_ms:
            return
        sample = samples[min((timestamp_ms - label.begin_ms) // 100, len(samples) - 1)]
        yield Row(timestamp_ms, label.rider, {"timestamp": timestamp_ms, **g_force(sample)})


def _location_rows(rider: str, truth: list[Label], seed: int) -> Iterator[Row]:
    places = ride()
    offset = random.Random(f"{seed}/{rider}/ride").randrange(len(places))
    for second, timestamp_ms in enumerate(range(truth[0].begin_ms, truth[-1].end_ms, 1000)):
        place = places[(offset + second) % len(places)]
        yield Row(timestamp_ms, rider, {"timestamp": timestamp_ms, **place})


def write_labels(path: Path, truth: Iterable[Label]) -> None:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(asdict(label)) + "\n" for label in truth))


def read_labels(path: Path) -> list[Label]:
    return [Label(**json.loads(line)) for line in path.read_text().splitlines()]


def due_ms(timestamp_ms: int, begin_ms: int, end_ms: int, speed_up: float) -> float:
    """When a row of that time of a ride is sent; at `speed_up` 0 that is once, all of it.

    No row is of the future: a ride that is replayed faster than it was ends, and not begins, at its own time.
    """
    slowness = 1 / speed_up if speed_up else 0
    fixed_ms = end_ms if slowness < 1 else begin_ms
    return fixed_ms + (timestamp_ms - fixed_ms) * slowness


def due_rows(arguments: argparse.Namespace) -> Iterator[tuple[float, Row]]:
    """The rows of this run from now on, each with the time at which it is due, in seconds since 1970."""
    length_ms = int(arguments.duration * 1000)
    start_ms = int(time.time() * 1000 - due_ms(0, 0, length_ms, arguments.speed_up))
    truth = labels(arguments.riders, arguments.duration, start_ms, arguments.seed, arguments.recordings)
    if arguments.labels:
        write_labels(arguments.labels, truth)
    for row in rows(truth, arguments.rate, arguments.seed):
        yield due_ms(row.timestamp_ms, start_ms, start_ms + length_ms, arguments.speed_up) / 1000, row


def produce(arguments: argparse.Namespace) -> str:
    """Writes the rows to the topic as their time comes, without a gateway; says how many."""
    import tiderace as tr

    app = tr.Application(broker_address=arguments.broker_address, consumer_group="phone")
    sent = 0
    with app.get_producer() as producer:
        for due_s, row in due_rows(arguments):
            if (ahead_s := due_s - time.time()) > 0:
                producer.flush()
                time.sleep(ahead_s)
            value = json.dumps(row.fields).encode()
            producer.produce(topic=arguments.topic, key=row.rider, value=value, timestamp=row.timestamp_ms)
            sent += 1
    return f"{sent} rows sent to {arguments.topic}"


async def tell_of_trouble(senders: Collection["Sender"]) -> None:
    """Says now and then how many phones have been without the gateway for long, and why; they try on."""
    while True:
        await asyncio.sleep(TROUBLE_S)
        before_s = time.monotonic() - TROUBLE_S / 2
        without = [sender for sender in senders if sender.trouble and sender.trouble_since <= before_s]
        if without:
            many = f"{len(without)} of {len(senders)} phones"
            print(f"{many} have no connection and try again: {without[0].trouble}", file=sys.stderr)


async def send(arguments: argparse.Namespace) -> str:
    """Sends the rows to the gateway as their time comes, one connection a rider; says what came of it."""
    from gateway_client import Sender

    session = f"ride-{uuid.uuid4().hex[:8]}"
    names = [f"rider-{number}" for number in range(1, arguments.riders + 1)]
    senders = {name: Sender(arguments.gateway, name, f"{session}-{name}", arguments.topic) for name in names}
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(tell_of_trouble(senders.values()))
        running = [group.create_task(sender.run()) for sender in senders.values()]
        for due_s, row in due_rows(arguments):
            if (ahead_s := due_s - time.time()) > 0:
                await asyncio.sleep(ahead_s)
            senders[row.rider].put(row.fields)
        for sender in senders.values():
            sender.close()
        await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
        telling.cancel()
    stored = sum(sender.rows_stored for sender in senders.values())
    lost = sum(sender.connections_lost for sender in senders.values())
    repeated = sum(sender.messages_repeated for sender in senders.values())
    return f"{stored:,} rows acknowledged; connections lost {lost:,} times, {repeated:,} messages sent again"


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("--riders", type=int, default=1, help="phones, keyed rider-1, rider-2, ... (default 1)")
    add("--speed-up", type=float, default=1, help="times as fast as real; 0: as fast as it goes (default 1)")
    add("--rate", type=float, default=10, help="gForce rows a second of each rider's time (default 10)")
    add("--duration", type=float, default=60, help="seconds of each rider's time (default 60)")
    add("--seed", type=int, default=0, help="another seed plays other recordings in another order")
    add("--recordings", type=_numbers, help="play only these, for example 3,7,21 (default: all)")
    add("--labels", type=Path, help="a file to write to which recording is replayed when")
    add("--gateway", help="send to this one, for example ws://127.0.0.1:8080; default: write to the topic")
    add(
        "--broker-address", help="without a gateway; default: $TIDERACE_BROKER_ADDRESS, else the embedded log"
    )
    add("--topic", default="phone-data")
    arguments = parser.parse_args(argv)
    if arguments.riders < 1 or arguments.rate <= 0 or arguments.duration <= 0 or arguments.speed_up < 0:
        parser.error("riders, rate and duration must be more than 0, and speed-up not less")
    return arguments


def _numbers(text: str) -> list[int]:
    numbers = [int(number) for number in text.split(",")]
    unknown = sorted(set(numbers) - set(recordings()))
    if unknown:
        raise argparse.ArgumentTypeError(f"no such recording: {unknown}; there are 0 to {max(recordings())}")
    return numbers


def main() -> int:
    arguments = parse()
    try:
        print(asyncio.run(send(arguments)) if arguments.gateway else produce(arguments))
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
