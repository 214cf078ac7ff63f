"""One run: the processes of a group, their brokers, and what the schedule does to them."""

import itertools
import re
import shutil
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any, Self

import group_service
import kafka_wire
from ground import Ground
from schedule import BROKERS, CONTROLLER, SLOTS, Schedule
from slot import Slot

PARTITIONS = 6
DRAIN_S = 180
STOP_S = 30
SETTLE_S = 10
START_AGAIN_S = 2
STOPPED = (0, -signal.SIGTERM)  # the latter before it ran
GENERATION = re.compile(rf"Stabilized group {group_service.GROUP} generation (\d+)")


class Trial(Ground):
    """At its end the state of the services is kept if there were faults."""

    def __init__(self, folder: Path, guarantee: str, schedule: Schedule, rate: int) -> None:
        super().__init__(folder, BROKERS, PARTITIONS)
        self.counts: Counter[str] = Counter()
        self._schedule = schedule
        self._guarantee = guarantee
        self._rate = rate
        self._killed_broker = 0

    def __enter__(self) -> Self:
        super().__enter__()
        # What the client tells of the group in the log changes nothing else.
        options = {"processing_guarantee": self._guarantee, "consumer_config": {"debug": "cgrp"}}
        self.slots: list[Slot] = []
        for number in range(SLOTS):
            slot = Slot(number, self.folder, self.bootstrap, "windows", options)
            self.slots.append(slot)
            self.at_end(lambda slot=slot: slot.close(bool(self.faults)))  # type: ignore[misc]
        self.input = self.feeder(self._rate)
        return self

    # ---- the schedule ----

    def run(self, seconds: float) -> None:
        with self.watching():
            self.began = time.monotonic()
            for number in range(SLOTS - 1):
                self.start(number)
            for event in self._schedule.events:
                self._supervise_until(self.began + event.at_s)
                self.say(str(event))
                self.counts[event.action] += 1
                amount = [event.amount] if event.action == "shift" else []
                getattr(self, event.action)(event.target, *amount)
            self._supervise_until(self.began + seconds)

    def _supervise_until(self, end: float) -> None:
        while True:
            for slot in self.slots:
                self._look_after(slot)
            if self.input.poll() is not None and "feeder" not in self.counts:
                self.counts["feeder"] += 1
                self.fault(f"the feeder ended with status {self.input.returncode}")
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.1))

    def _look_after(self, slot: Slot) -> None:
        """A service that ended by itself is started again a moment later, as an orchestrator would do.

        With a full disk that is how it should be, with an error; otherwise it is a fault.
        """
        status = slot.ended()
        if status is None or slot.full or slot.age_s() < START_AGAIN_S:
            return
        if slot.stopping and status in STOPPED:
            slot.kill()
            return
        if not self._ended_on_full_disk(slot, status):
            self.fault(f"service {slot.number} ended with status {status}")
            if status < 0:
                slot.dump_stacks()
        slot.start()

    def _ended_on_full_disk(self, slot: Slot, status: int) -> bool:
        ended = slot.was_full and status > 0
        if ended:
            self.say(f"service {slot.number} had ended on its full disk with status {status}")
            self.counts["ended on a full disk"] += 1
        return ended

    def _reap(self, slot: Slot) -> None:
        """What was stopped is given time to end."""
        if slot.stopping:
            status = slot.wait(STOP_S)
            if status is None:
                self.fault(f"service {slot.number} does not stop within {STOP_S} s")
                slot.dump_stacks()
            elif status not in STOPPED and not self._ended_on_full_disk(slot, status):
                self.fault(f"service {slot.number} was stopped and ended with status {status}")
                if status < 0:
                    slot.dump_stacks()
        slot.kill()

    def start(self, number: int) -> None:
        self._reap(self.slots[number])
        self.slots[number].start()

    def kill(self, number: int) -> None:
        """What dies of itself in that very moment, or is still writing its core, counts."""
        slot = self.slots[number]
        self._look_after(slot)
        stopping = slot.stopping
        status = slot.kill()
        as_it_should = status == -signal.SIGKILL or (stopping and status in STOPPED)
        if not as_it_should and not self._ended_on_full_disk(slot, status):
            self.fault(f"service {number} ended with status {status} before it was killed")

    def stop(self, number: int) -> None:
        self.slots[number].stop()

    def pause(self, number: int) -> None:
        self.slots[number].send(signal.SIGSTOP)

    def resume(self, number: int) -> None:
        self.slots[number].send(signal.SIGCONT)

    def lose(self, number: int) -> None:
        self._reap(self.slots[number])
        self.slots[number].lose_state()

    def fill(self, number: int) -> None:
        self.slots[number].fill()

    def free(self, number: int) -> None:
        self.slots[number].free()

    def shift(self, number: int, hours: float) -> None:
        self.slots[number].shift(hours)

    def kill_broker(self, node: int) -> None:
        if node == CONTROLLER:
            node = next(filter(None, map(_quorum_leader, self.cluster.running)), 1)
            self.say(f"the controller is broker {node}")
        self._killed_broker = node
        self.cluster.kill(node)

    def start_broker(self, _: int) -> None:
        number = next(i for i in itertools.count() if not self._broker_log(i).exists())
        shutil.copy(self.cluster.broker(self._killed_broker).log, self._broker_log(number))
        self.cluster.start(self._killed_broker, wait=False)

    def _broker_log(self, number: int) -> Path:
        return self.folder / f"broker-{self._killed_broker}-{number}.log"

    # ---- the end ----

    def finish(self) -> int:
        """Lets the services do what is left; returns how many rows there were."""
        self.input.send_signal(signal.SIGTERM)
        out, _ = self.input.communicate(timeout=DRAIN_S)
        rows = int(out or 0)
        self.say(f"the input has ended after {rows} rows")
        if self._schedule.ends_with_one:
            self._end_with_one()
        drained = self.wait_for(self.drained, DRAIN_S, "everything to be committed")
        for slot in self.slots:
            if not drained:
                slot.dump_stacks()
            if slot.pid is not None:
                slot.stop()
        for slot in self.slots:
            self._reap(slot)
        if not self.wait_for(lambda: not self.held_back(), SETTLE_S, "open transactions to end"):
            self.fault("; ".join(self.held_back()))
        return rows

    def _end_with_one(self) -> None:
        self.say("all are killed; one goes on until the end")
        for slot in self.slots:
            self.kill(slot.number)
        slot = self.slots[0]
        slot.start("--until-end")
        status = slot.wait(DRAIN_S)
        if status is None:
            self.fault(f"until_end=True does not return within {DRAIN_S} s")
            return
        slot.kill()
        if status != 0:
            self.fault(f"until_end=True ended with status {status}")
        elif left := self.lag():
            self.fault(f"until_end=True returned before the end: {left} rows are left")
            slot.start()

    # ---- what is told ----

    def rebalances(self) -> int:
        """The group's generations, which the coordinators count."""
        logs = [*self.folder.glob("broker-*.log"), *self.folder.glob("kafka/*/kafka.log")]
        found = [
            int(number) for log in logs for number in GENERATION.findall(log.read_text(errors="replace"))
        ]
        return max(found, default=0)

    def went_back(self) -> int:
        return sum(slot.said(b"going back to the last commit") for slot in self.slots)


def _quorum_leader(broker: Any) -> int | None:
    try:
        return kafka_wire.quorum_leader(broker.address)
    except OSError:
        return None
