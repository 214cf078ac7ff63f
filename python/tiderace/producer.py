"""Writing records to topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tiderace import _tiderace
from tiderace.arguments import answers, explained
from tiderace.errors import ConfigError

if TYPE_CHECKING:
    from types import TracebackType

Headers = Mapping[str, str | bytes | None] | Iterable[tuple[str, str | bytes | None]]


@answers(ConfigError, itself="produce")
class Producer:
    """Writes records to topics, creating those that do not exist. Use it in a `with` block, which flushes.

    Records are handed over in blocks: when a block is full, after 5 ms, on `flush`, and at the end.

    Examples
    --------
    >>> with app.get_producer() as producer:
    ...     producer.produce(topic="phone-data", key="rider-1", value={"timestamp": 1}, timestamp=1)
    """

    def __init__(self, application: _tiderace.Application) -> None:
        self._producer = _tiderace.Producer(application)

    def __enter__(self) -> Producer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def produce(
        self,
        topic: str,
        key: str | bytes | None = None,
        value: str | bytes | dict[str, Any] | list[Any] | None = None,
        timestamp: int | None = None,
        headers: Headers | None = None,
    ) -> None:
        """Writes one record.

        Parameters
        ----------
        topic : str
        key : str or bytes, optional
            Rows of one key keep their order, and share state.
        value : str, bytes or dict, optional
            A dict is written as JSON; None is a tombstone.
        timestamp : int, optional
            Milliseconds since 1970; default: now.
        headers : dict or list of pairs, optional

        Raises
        ------
        BrokerError
            If the log refuses the record.
        """
        try:
            self._producer.produce(topic, key, value, timestamp, headers)
        except TypeError as error:
            given = (topic, key, value, timestamp, headers)
            raise explained(error, ConfigError, Producer.produce, self, *given) from None

    def flush(self) -> None:
        """Returns when everything produced so far is in the log.

        Raises
        ------
        BrokerError
            If the log refuses a record, or Kafka does not answer for 10 s: what waits then is kept, and goes
            out when it answers again; `flush` may be called as often as wanted.
        """
        self._producer.flush()

    def close(self) -> None:
        """Does what `flush` does, and lets go of the log; it cannot be used afterwards.

        A second call does nothing.

        Raises
        ------
        BrokerError
            As of `flush`; the producer is open then, and `close` may be called again.
        """
        self._producer.close()


class RecordMetadata(NamedTuple):
    """Where a record stands in its topic."""

    partition: int
    offset: int


@answers(ConfigError, itself="produce")
class TransactionalProducer:
    """Writes records in transactions: what was produced becomes visible with `commit`, or not at all.

    A `with` block commits at its end, or forgets what is not committed if an exception leaves it. One
    producer has a transactional id at a time: on Kafka a new one takes it over; on an embedded log one in
    another process is waited for (`group_lock_timeout`), and of the same application a second one is a
    `BrokerError` until the first is closed or gone. *Threads*: one.

    Examples
    --------
    >>> with app.get_transactional_producer("importer") as producer:
    ...     producer.produce(topic="rides", key="anna", value={"speed": 7.5})
    ...     producer.produce(topic="imported", key="rides.csv", value={"line": 1})
    ...     producer.commit()
    [RecordMetadata(partition=0, offset=0), RecordMetadata(partition=0, offset=0)]
    """

    def __init__(self, application: _tiderace.Application, transactional_id: str) -> None:
        self._producer = _tiderace.TransactionalProducer(application, transactional_id)

    def __enter__(self) -> TransactionalProducer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._producer.is_open():
                self.commit()
        finally:
            self.close()

    def init_transactions(self) -> None:
        """Takes the transactional id; `produce` does it where it was not done.

        What was left open under the id is decided afterwards: reading the topics tells whether a `commit`
        that raised was made. What this producer has not committed is forgotten.

        Raises
        ------
        BrokerError
            If Kafka does not answer for 10 s; on the embedded log if another process has the id and does not
            let go of it, or another producer of this application has it.
        """
        self._producer.init_transactions()

    def produce(
        self,
        topic: str,
        key: str | bytes | None = None,
        value: str | bytes | dict[str, Any] | list[Any] | None = None,
        timestamp: int | None = None,
        headers: Headers | None = None,
    ) -> None:
        """Adds a record to the transaction; parameters and errors as of `Producer.produce`."""
        try:
            self._producer.produce(topic, key, value, timestamp, headers)
        except TypeError as error:
            given = (topic, key, value, timestamp, headers)
            raise explained(error, ConfigError, TransactionalProducer.produce, self, *given) from None

    def commit(self) -> list[RecordMetadata]:
        """Returns when the log has all that was produced since the last commit.

        Returns
        -------
        list of RecordMetadata
            Where each record stands, in the order of producing.

        Raises
        ------
        BrokerError
            Nothing is left of what was produced since the last commit, unless it was made nevertheless:
            see `init_transactions`.
        ConfigError
            The log refuses one of the records (one without a key for a compacted topic, a time that the topic
            does not take): nothing of them is kept.
        """
        return [RecordMetadata(*stored) for stored in self._producer.commit()]

    def abort(self) -> None:
        """Forgets what was produced since the last commit; the transactional id is kept."""
        self._producer.abort()

    def close(self) -> None:
        """Forgets what was produced since the last commit and lets go of the transactional id.

        The producer cannot be used afterwards. A second call does nothing.
        """
        self._producer.close()
