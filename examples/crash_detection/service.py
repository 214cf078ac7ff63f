"""The crash detector: marks every row of a phone that is being shaken.

The same program as service.cpp. Train a model with train.py first, and let phone.py send rows.
"""

import argparse
from pathlib import Path

import tiderace as tr

FEATURES = ["gForceTotal", "gForceTotal-10s"]


def features(sdf: tr.StreamingDataFrame) -> tr.StreamingDataFrame:
    """What the model sees; train.py runs this very function over the recordings."""
    sdf = sdf[sdf["gForceX"].notnull()]
    sdf["gForceTotal"] = sdf["gForceX"].abs() + sdf["gForceY"].abs() + sdf["gForceZ"].abs()
    sdf["gForceTotal-10s"] = sdf["gForceTotal"].rolling("10s").mean()
    return sdf


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--broker-address", help="default: $TIDERACE_BROKER_ADDRESS, else the embedded log")
    model = Path(__file__).with_name("shaking.pkl")
    parser.add_argument(
        "--model", default=model, help="a file, or a registry's: file:models/shaking@champion"
    )
    parser.add_argument("--guarantee", default="at-least-once", help="or exactly-once")
    parser.add_argument(
        "--poll-interval", type=float, help="seconds between looks for a new version of a registry's model"
    )
    arguments = parser.parse_args()

    app = tr.Application(
        broker_address=arguments.broker_address,
        consumer_group="crash-detector",
        processing_guarantee=arguments.guarantee,
    )
    sdf = features(app.dataframe(app.topic("phone-data")))
    detector = tr.load_model(arguments.model, poll_interval=arguments.poll_interval)
    sdf["shaking"] = detector.predict(sdf[FEATURES])
    sdf.to_topic(app.topic("alerts"))
    print(app.run())


if __name__ == "__main__":
    main()
