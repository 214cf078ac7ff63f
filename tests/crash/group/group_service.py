"""The service under test, as a process: BROKERS PLAN OPTIONS [--until-end]; OPTIONS are JSON."""

import faulthandler
import json
import signal
import sys

import tiderace as tr
from pipeline import PLANS

GROUP = "crash"


def main(brokers: str, plan: str, options: str, *flags: str) -> None:
    faulthandler.register(signal.SIGUSR1)
    app = tr.Application(brokers, consumer_group=GROUP, **json.loads(options))
    PLANS[plan](app).to_topic(app.topic("alerts"))
    print(app.run(until_end="--until-end" in flags), file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
