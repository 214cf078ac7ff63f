"""What is done to the processes and brokers, and when: the same for the same seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass

SLOTS = 4  # places for a process; the last is empty at first
BROKERS = 3
CONTROLLER = 0  # as a broker's number: whichever leads the quorum then
QUIET_S = 25  # at the end, for what lasts


@dataclass(frozen=True, order=True)
class Event:
    at_s: float
    action: str  # a method of Trial
    target: int  # slot or broker
    amount: float = 0  # hours, of `shift`

    def __str__(self) -> str:
        amount = f" by {self.amount:+.1f} h" if self.amount else ""
        return f"{self.action} {self.target}{amount}"


class Schedule:
    """Events in the order of their time. Something is always left to go on: a process that is well, and two
    brokers."""

    def __init__(self, seed: int, seconds: float) -> None:
        self._random = random.Random(seed)
        self._up = [True] * (SLOTS - 1) + [False]
        self._busy_until = [0.0] * SLOTS
        self._brokers_busy_until = 0.0
        self.events: list[Event] = []
        self.faults: dict[str, int] = {}
        self._fill(seconds - QUIET_S)
        self.events.sort()
        # Either the processes that are left finish, or all are killed and one does the rest, until_end=True.
        self.ends_with_one = self._random.random() < 0.5

    def text(self) -> str:
        return "".join(f"{event.at_s:7.1f} s  {event}\n" for event in self.events)

    def _fill(self, end_s: float) -> None:
        faults: dict[str, tuple[Callable[[float], bool], int]] = {
            "kill": (self._kill, 7),
            "kill all": (self._kill_all, 1),
            "stop": (self._stop, 3),
            "pause": (self._pause, 3),
            "join": (self._join, 4),
            "broker": (self._broker, 3),
            "disk": (self._disk, 2),
            "clock": (self._clock, 2),
        }
        names, weights = list(faults), [weight for _, weight in faults.values()]
        at_s = 2.0
        # Each kind once, in some order, then as they come.
        first = self._random.sample(names, len(names))
        while (at_s := at_s + self._random.uniform(1, 9)) < end_s:
            name = first[0] if first else self._random.choices(names, weights)[0]
            if faults[name][0](at_s):
                self.faults[name] = self.faults.get(name, 0) + 1
                first = first[1:]
            elif first:
                first = [*first[1:], first[0]]

    def _add(self, at_s: float, action: str, target: int, amount: float = 0) -> None:
        self.events.append(Event(round(at_s, 3), action, target, amount))

    def _well(self, at_s: float) -> list[int]:
        return [slot for slot in range(SLOTS) if self._up[slot] and self._busy_until[slot] <= at_s]

    def _victim(self, at_s: float) -> int | None:
        well = self._well(at_s)
        return self._random.choice(well) if len(well) > 1 else None

    def _start_again(self, at_s: float, slot: int, most_s: float) -> None:
        """Sometimes without the state it had; sometimes not at all, until somebody joins."""
        again_s = at_s + self._random.uniform(0.1, most_s)
        self._busy_until[slot] = again_s
        if self._random.random() < 0.3:
            self._add(again_s - 0.05, "lose", slot)
        self._up[slot] = self._random.random() < 0.8
        if self._up[slot]:
            self._add(again_s, "start", slot)

    def _kill(self, at_s: float) -> bool:
        slot = self._victim(at_s)
        if slot is None:
            return False
        self._add(at_s, "kill", slot)
        self._start_again(at_s, slot, 10)
        return True

    def _kill_all(self, at_s: float) -> bool:
        slots = [slot for slot in range(SLOTS) if self._up[slot]]
        if self._well(at_s) != slots:
            return False
        for slot in slots:
            self._add(at_s, "kill", slot)
            self._busy_until[slot] = at_s + 3
            self._add(at_s + self._random.uniform(0.5, 3), "start", slot)
        return True

    def _stop(self, at_s: float) -> bool:
        slot = self._victim(at_s)
        if slot is None:
            return False
        self._add(at_s, "stop", slot)
        self._start_again(at_s + 1, slot, 8)
        return True

    def _pause(self, at_s: float) -> bool:
        """For longer than the session mostly, which is 6 s."""
        slot = self._victim(at_s)
        if slot is None:
            return False
        self._busy_until[slot] = at_s + self._random.uniform(3, 14)
        self._add(at_s, "pause", slot)
        self._add(self._busy_until[slot], "resume", slot)
        return True

    def _join(self, at_s: float) -> bool:
        empty = [slot for slot in range(SLOTS) if not self._up[slot] and self._busy_until[slot] <= at_s]
        if not empty:
            return False
        slot = self._random.choice(empty)
        self._up[slot] = True
        self._add(at_s, "start", slot)
        return True

    def _broker(self, at_s: float) -> bool:
        """One at a time, with time between them for it to catch up."""
        if self._brokers_busy_until > at_s:
            return False
        broker = self._random.choice([CONTROLLER, *range(1, BROKERS + 1)])
        back_s = at_s + self._random.uniform(2, 12)
        self._add(at_s, "kill_broker", broker)
        self._add(back_s, "start_broker", broker)
        self._brokers_busy_until = back_s + 15
        return True

    def _disk(self, at_s: float) -> bool:
        slot = self._victim(at_s)
        if slot is None:
            return False
        self._busy_until[slot] = at_s + self._random.uniform(3, 10)
        self._add(at_s, "fill", slot)
        self._add(self._busy_until[slot], "free", slot)
        return True

    def _clock(self, at_s: float) -> bool:
        """Hours either way, and back again."""
        slot = self._victim(at_s)
        if slot is None:
            return False
        hours = self._random.choice([-1, 1]) * self._random.uniform(0.5, 30)
        self._busy_until[slot] = at_s + self._random.uniform(2, 8)
        self._add(at_s, "shift", slot, round(hours, 1))
        self._add(self._busy_until[slot], "shift", slot)
        return True
