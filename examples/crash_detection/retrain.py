"""Trains the model on the recordings and what to_database.py has kept, and publishes it as the champion.

A service that polls the registry takes it over between two batches.
"""

import argparse
import tempfile
import time
from pathlib import Path

import duckdb
import phone
import tiderace as tr
import train
from service import FEATURES

PATIENCE_S = 30


def kept(database: Path) -> list[phone.Row]:
    """The rows that are in a DuckDB file by now, in the order of their times; waits for the first ones."""
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        try:
            with duckdb.connect(str(database), read_only=True) as connection:
                found = connection.sql('SELECT * FROM telemetry ORDER BY "timestamp", rider')
                table = found.to_arrow_table()
        except (duckdb.IOException, duckdb.CatalogException) as error:
            reason = error  # not there yet, or who writes has it for a moment
            time.sleep(0.02)
        else:
            return [_row(**values) for values in table.to_pylist()]
    raise SystemExit(
        f"no rows in {database}, which to_database.py brings there, within {PATIENCE_S} s: {reason}"
    )


def _row(rider: str, timestamp: int, **fields: float | None) -> phone.Row:
    there = {name: value for name, value in fields.items() if value is not None}
    return phone.Row(timestamp, rider, {"timestamp": timestamp, **there})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--database", type=Path, default=Path("telemetry.duckdb"), help="a DuckDB file")
    parser.add_argument("--labels", type=Path, required=True, help="what phone.py --labels has written")
    parser.add_argument(
        "--model", default="file:models/shaking", help="its name in a registry (default file:models/shaking)"
    )
    parser.add_argument("--kind", choices=["pkl", "ubj"], default="pkl", help="scikit-learn, or XGBoost")
    arguments = parser.parse_args()

    try:
        truth = phone.read_labels(arguments.labels)
    except (OSError, ValueError, TypeError) as error:
        parser.error(f"--labels: wanted what phone.py --labels has written, found {error}")
    rows = kept(arguments.database)
    with tempfile.TemporaryDirectory() as folder:
        files = train.train(Path(folder), train.with_truth(rows, truth))
        (file,) = (file for file in files if file.suffix == f".{arguments.kind}")
        span = {"rows": len(rows), "first_ms": rows[0].timestamp_ms, "last_ms": rows[-1].timestamp_ms}
        made = tr.publish_model(
            file, arguments.model, features=FEATURES, training_range=span, alias="champion"
        )
    print(f"version {made.version}, which has learnt from {len(rows):,} rows of the database, too")


if __name__ == "__main__":
    main()
