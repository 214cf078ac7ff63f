"""Reading the records of topics, outside any consumer group."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tiderace._tiderace import Reader as EngineReader

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    from tiderace import _tiderace

_LOOK_S = 0.1  # how often Ctrl-C is met


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it stands in a topic.

    Attributes
    ----------
    topic : str
    partition, offset : int
        Its place: offsets of a partition ascend, with gaps.
    timestamp : int
        Milliseconds since 1970 (UTC).
    key : bytes or None
    value : bytes or None
        None is a tombstone.
    headers : list of (str, bytes or None)
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]

    def json(self) -> Any:
        """The value as JSON; None for a tombstone. Raises `ValueError` for what is no JSON."""
        return None if self.value is None else json.loads(self.value)


class Reader:
    """Reads topics as they grow, outside any group: nothing is committed, many readers see the same.

    Committed records only, those of a partition in the order of their offsets. Iterate over it: it waits for
    more, unless it was made with `until_end`. *Threads*: one.

    Examples
    --------
    >>> with app.get_producer() as producer:
    ...     producer.produce(topic="rides", key="anna", value={"speed": 7.5})
    >>> for record in app.get_reader("rides", until_end=True):
    ...     print(record.key, record.json()["speed"])
    b'anna' 7.5
    """

    def __init__(
        self,
        application: _tiderace.Application,
        topics: str | Sequence[str],
        from_: str,
        offsets: Mapping[tuple[str, int], int],
        until_end: bool,
    ) -> None:
        names = [topics] if isinstance(topics, str) else list(topics)
        self._reader = EngineReader(application, names, from_, dict(offsets), until_end)

    def poll(self, timeout: float | str | dt.timedelta = 1.0) -> list[Record]:
        """What has come, as soon as there is anything; empty after `timeout`, or at the end.

        Raises
        ------
        BrokerError
            If the log cannot be read.
        """
        return [Record(*record) for record in self._reader.poll(timeout)]

    def __iter__(self) -> Iterator[Record]:
        while not self.at_end:
            yield from self.poll(_LOOK_S)

    @property
    def at_end(self) -> bool:
        """Whether everything has been read that was there when it was made with `until_end`."""
        return self._reader.at_end()

    @property
    def positions(self) -> dict[tuple[str, int], int]:
        """The next offset to read by topic and partition: `offsets=` of a reader that goes on from here."""
        return self._reader.positions()
