"""The jobs on bytewax: JOB BROKERS IN OUT GROUP FOLDER. Not durable: no recovery store is given."""

import sys
from collections import deque
from typing import Any

import orjson
from bytewax import operators as op
from bytewax._bytewax import cli_main
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow

WINDOW_MS = 10_000

Keyed = tuple[str, dict[str, Any]]
Window = tuple[deque[tuple[int, float]], float]


def derive(message: Any) -> Keyed | None:
    row = orjson.loads(message.value)
    if row.get("gForceX") is None:
        return None
    row["gForceTotal"] = abs(row["gForceX"]) + abs(row["gForceY"]) + abs(row["gForceZ"])
    return message.key.decode(), row


def add_mean(state: Window | None, row: dict[str, Any]) -> tuple[Window, dict[str, Any]]:
    rows, total = state or (deque(), 0.0)
    rows.append((row["timestamp"], row["gForceTotal"]))
    total += row["gForceTotal"]
    while rows[0][0] <= row["timestamp"] - WINDOW_MS:
        total -= rows.popleft()[1]
    row["gForceTotal-10s"] = total / len(rows)
    return (rows, total), row


def message_of(keyed: Keyed) -> KafkaSinkMessage[Any, Any]:
    return KafkaSinkMessage(keyed[0].encode(), orjson.dumps(keyed[1]))


def main(job: str, brokers: str, source: str, out: str, group: str, folder: str) -> None:
    flow = Dataflow("peers")
    rows = op.input("in", flow, KafkaSource([brokers], [source], tail=True, batch_size=1000))
    keyed = op.filter_map("derive", rows, derive)
    if job == "mean":
        keyed = op.stateful_map("mean", keyed, add_mean)
    op.output("out", op.map("message", keyed, message_of), KafkaSink([brokers], out))
    cli_main(flow)


if __name__ == "__main__":
    main(*sys.argv[1:])
