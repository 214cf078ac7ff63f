"""Kills, pauses and starves the processes of a group, and its brokers, and says whether it was borne.

A plan with windows and a Python function runs in several processes on three brokers, under steady input.
By a schedule that follows from the seed, processes are killed, paused for longer than their session, stopped
and started, with and without their state; disks fill up, clocks jump, brokers are killed. At the end, what a
read_committed consumer sees must be what a backtest gives for the same rows: per key, in order, none missing,
under exactly-once none twice; and no transaction may be left open.
"""

import argparse
import json
import resource
import sys
import time

import phone_rows
from ground import FOLDER
from schedule import Schedule
from trial import Trial


def report(trial: Trial, seed: int, guarantee: str, minutes: float) -> dict[str, object]:
    rows = trial.finish()
    judged = trial.judge("windows", phone_rows.phone_rows(0, rows), guarantee == "at-least-once")
    counts = trial.counts
    return {
        "seed": seed,
        "guarantee": guarantee,
        "minutes": minutes,
        "rows": rows,
        "rows_a_second": round(rows / 60 / minutes),
        "kills": counts["kill"],
        "stops": counts["stop"],
        "starts": counts["start"],
        "pauses": counts["pause"],
        "states_lost": counts["lose"],
        "disks_filled": counts["fill"],
        "ended_on_a_full_disk": counts["ended on a full disk"],
        "clock_jumps": counts["shift"],
        "brokers_killed": counts["kill_broker"],
        "rebalances": trial.rebalances(),
        "went_back": trial.went_back(),
        "longest_silence_s": round(trial.silence_s(), 2),
        **judged,
        "verdict": trial.faults or "right",
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev crash", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="of the schedule (default: the time)"
    )
    parser.add_argument("--minutes", type=float, default=3, help="how long (default: 3)")
    parser.add_argument("--guarantee", choices=["exactly-once", "at-least-once"], default="exactly-once")
    parser.add_argument("--rate", type=int, default=5000, help="rows a second (default: 5000)")
    parser.add_argument("--keep", action="store_true", help="keep logs and data also if all is well")
    options = parser.parse_args()

    schedule = Schedule(options.seed, options.minutes * 60)
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
    folder = FOLDER / f"{options.guarantee}-{options.seed}"
    with Trial(folder, options.guarantee, schedule, options.rate) as trial:
        (folder / "schedule.txt").write_text(schedule.text())
        trial.run(options.minutes * 60)
        told = report(trial, options.seed, options.guarantee, options.minutes)
    (folder / "report.json").write_text(json.dumps(told, indent=1) + "\n")
    for name, value in told.items():
        print(f"{name.replace('_', ' '):>22}  {value}")
    trial.close(options.keep)
    return 1 if trial.faults else 0


if __name__ == "__main__":
    sys.exit(main())
