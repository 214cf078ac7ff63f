"""The service that is measured, a process: BROKER GROUP GUARANTEE STATE_DIRECTORY REGISTRY."""

import sys

import tiderace as tr

FEATURES = ["gForceX", "gForceY", "gForceZ"]


def main(broker: str, group: str, guarantee: str, state_dir: str, address: str) -> None:
    app = tr.Application(broker, group, processing_guarantee=guarantee, state_dir=state_dir)
    sdf = app.dataframe(app.topic("phone-data"))
    model = tr.load_model(f"{address}@champion", poll_interval="100ms")
    sdf["score"] = model.predict(sdf[FEATURES], version_column="version")
    sdf[[*FEATURES, "score", "version", "sent"]].to_topic(app.topic("alerts"))
    print(app.run())


if __name__ == "__main__":
    main(*sys.argv[1:])
