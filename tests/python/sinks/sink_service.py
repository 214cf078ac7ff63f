"""sink_service.py LOG URL GUARANTEE [--until-end]: phone rows with features into PostgreSQL."""

import sys

import tiderace as tr


def pipeline(app: tr.Application) -> tr.StreamingDataFrame:
    return features(app.dataframe(app.topic("phone-data", timestamp="t", num_partitions=3)))


def features(sdf: tr.StreamingDataFrame) -> tr.StreamingDataFrame:
    sdf = sdf[sdf["x"].notnull()]
    sdf["mean"] = sdf["x"].rolling("10s").mean()
    sdf["change"] = sdf["x"].diff()
    return sdf


if __name__ == "__main__":
    log, url, guarantee = sys.argv[1:4]
    app = tr.Application(
        f"embedded:{log}",
        consumer_group="sink",
        processing_guarantee=guarantee,
        commit_interval=0.005,
        workers=2,
    )
    pipeline(app).sink(tr.PostgresSink(url, table="features", timeout=5))
    app.run(until_end="--until-end" in sys.argv)
