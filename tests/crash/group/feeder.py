"""Writes the input, as a process: BROKERS ROWS_PER_SECOND. At SIGTERM it ends, and prints how many it wrote.

A broker that is away makes it wait; what it then is behind it makes good.
"""

import signal
import sys
import threading
import time

import phone_rows
import tiderace as tr

TICK_S = 0.01


def main(brokers: str, rate: str) -> None:
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    app = tr.Application(brokers, consumer_group="phone")
    app.topic("phone-data")
    sent = 0
    with app.get_producer() as producer:
        began = time.monotonic()
        while not stopped.wait(TICK_S):
            due = int((time.monotonic() - began) * int(rate))
            end = min(due, sent + int(rate))  # a second's rows at most, so that it can be stopped
            for row in phone_rows.phone_rows(sent, end).to_pylist():
                producer.produce("phone-data", row["k"], row, timestamp=row["t"])
            sent = end
        producer.flush()
    print(sent, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
