"""source_service.py FOLDER [--until-end]: rows.csv of FOLDER through the log there."""

import sys

import tiderace as tr

if __name__ == "__main__":
    folder = sys.argv[1]
    app = tr.Application(f"embedded:{folder}/log", consumer_group="replay", commit_interval=0.01)
    source = tr.CsvSource(f"{folder}/rows.csv", key="k", num_partitions=2)
    app.dataframe(source=source).to_topic(app.topic("out"))
    print("ready", flush=True)
    app.run(until_end="--until-end" in sys.argv)
