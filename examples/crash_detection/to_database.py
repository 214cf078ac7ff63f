"""Keeps every row of the phones in a database, each once: what training begins from.

Run it beside the service. Rows and the offsets they came to are in one transaction of the database.
"""

import argparse

import tiderace as tr


def sink(database: str) -> tr.Sink:
    """A table of PostgreSQL, where it is an address of one, or of a DuckDB file."""
    if database.startswith(("postgresql://", "postgres://")):
        return tr.PostgresSink(database, table="telemetry", key_column="rider")
    return tr.DuckDBSink(database, table="telemetry", key_column="rider")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--broker-address", help="default: $TIDERACE_BROKER_ADDRESS, else the embedded log")
    parser.add_argument("--database", default="telemetry.duckdb", help="a DuckDB file, or postgresql://...")
    arguments = parser.parse_args()

    app = tr.Application(
        broker_address=arguments.broker_address, consumer_group="history", commit_interval="1s"
    )
    app.dataframe(app.topic("phone-data")).sink(sink(arguments.database))
    print(app.run())


if __name__ == "__main__":
    main()
