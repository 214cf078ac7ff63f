"""file_sink_service.py parquet|duckdb FOLDER [--until-end]: rows of the log in FOLDER into files there."""

import sys
from pathlib import Path

import tiderace as tr


def sink(kind: str, folder: Path) -> tr.Sink:
    if kind == "parquet":
        return tr.ParquetSink(folder / "rows")
    return tr.DuckDBSink(folder / "rows.duckdb", "rows")


def numbers(kind: str, folder: Path) -> list[int]:
    """`n` of every row that is there."""
    if kind == "parquet":
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]

        files = (folder / "rows").glob("*.parquet")
        return [n for file in files for n in parquet.read_table(file)["n"].to_pylist()]
    import duckdb

    with duckdb.connect(str(folder / "rows.duckdb")) as connection:
        return [n for (n,) in connection.execute("SELECT n FROM rows").fetchall()]


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    app = tr.Application(f"embedded:{folder}/log", consumer_group="sink", commit_interval=0.01)
    app.dataframe(app.topic("in", num_partitions=2)).sink(sink(sys.argv[1], folder))
    print("ready", flush=True)
    app.run(until_end="--until-end" in sys.argv)
