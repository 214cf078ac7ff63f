"""What Tiderace raises. Every message says what was wanted, what was found, where, and what to do."""

from tiderace._tiderace import BadRow


class Error(Exception):
    """Everything that Tiderace raises by itself."""


class PlanError(Error):
    """The pipeline cannot be built as it is written: an unknown column, a window of size 0."""


class ConfigError(Error):
    """An option is missing, unknown or out of its range."""


class BrokerError(Error):
    """The log cannot be reached, or refused a request."""


class SinkUnavailable(Error):
    """What a `Sink` of yours raises where it cannot store rows now, and waiting helps."""


class StateError(Error):
    """The state or its changelog cannot be read or written."""


_GOING_ON = (
    'To go on without such rows, give the application or the topic on_error="skip", or "dead-letter", which '
    "keeps them in a topic; on_error= may also be a function that decides."
)


class BadRowError(Error):
    """A row could not be processed and the policy is `"stop"`; everything before it is committed.

    What is printed of it where nobody catches it says how to go on without such rows.

    Attributes
    ----------
    kind : str
        `parse`, `type`, `range`, `timestamp`, `key`, `function`, `model` or `too_large`.
    step : str
        The step that met the row, as `app.explain()` prints it.
    topic, partition, offset
        Where the record is; in a backtest the offset is the number of the row.
    key : str or bytes or None
        The record's key; bytes where it is not UTF-8.
    value : bytes or None
        The record's own bytes.
    message : str
        What was wanted and what was found.
    """

    def __init__(self, text: str, row: BadRow) -> None:
        super().__init__(text)
        self.add_note(_GOING_ON)
        self.kind, self.step, self.message = row.kind, row.step, row.message
        self.topic, self.partition, self.offset = row.topic, row.partition, row.offset
        self.key, self.value = row.key, row.value
