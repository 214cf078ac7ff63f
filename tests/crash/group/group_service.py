"""The service under test, as a process: BROKERS PLAN OPTIONS [--until-end] [--wait].

OPTIONS of the application are JSON. With --wait it says on standard error that it is ready, and begins at a
line of standard input: what is measured then is the group, and not how long Python takes to start.
"""

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
    if "--wait" in flags:
        print("ready", file=sys.stderr, flush=True)
        sys.stdin.readline()
    print(app.run(until_end="--until-end" in flags), file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
