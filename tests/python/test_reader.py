"""Readers: the records of topics, outside any group."""

from pathlib import Path

import pytest
import tiderace as tr
from conftest import assert_ctrl_c_ends


@pytest.fixture
def written(app: tr.Application) -> tr.Application:
    with app.get_producer() as producer:
        producer.produce("t", key="k", value={"x": 1}, timestamp=5, headers={"h": b"\xff", "n": None})
        producer.produce("t", value=None, timestamp=6)
        producer.produce("t", key=b"\xff", value=b"not json", timestamp=7)
    return app


def test_records_as_they_stand_there(written: tr.Application) -> None:
    reader = written.get_reader("t", until_end=True)
    assert not reader.at_end
    records = list(reader)
    assert records == [
        tr.Record("t", 0, 0, 5, b"k", b'{"x":1}', [("h", b"\xff"), ("n", None)]),
        tr.Record("t", 0, 1, 6, None, None, []),
        tr.Record("t", 0, 2, 7, b"\xff", b"not json", []),
    ]
    assert reader.at_end
    assert reader.positions == {("t", 0): 3}
    assert reader.poll() == []
    assert [record.json() for record in records[:2]] == [{"x": 1}, None]
    with pytest.raises(ValueError, match="Expecting value"):
        records[2].json()


def test_goes_on_where_another_was(written: tr.Application) -> None:
    first = written.get_reader(["t"])
    assert len(first.poll("10s")) == 3
    second = written.get_reader("t", from_="latest", offsets={("t", 0): 1}, until_end=True)
    assert [record.offset for record in second] == [1, 2]
    assert first.poll(0) == []
    with written.get_producer() as producer:
        producer.produce("t", value=b"new")
    assert [record.value for record in first.poll(10)] == [b"new"]
    assert not first.at_end


@pytest.mark.parametrize(
    ("topics", "options", "message"),
    [
        ("nowhere", {}, "there is no topic nowhere to read"),
        ([], {}, "wanted the names of topics, found none"),
        ("t", {"from_": "middle"}, 'from_: wanted "earliest" or "latest", found "middle"'),
        ("t", {"offsets": {("t", 9): 0}}, "t partition 9 is none of what is read"),
    ],
)
def test_mistakes(
    written: tr.Application, topics: str | list[str], options: dict[str, object], message: str
) -> None:
    with pytest.raises(tr.ConfigError, match=message):
        written.get_reader(topics, **options)  # type: ignore[arg-type]


def test_ctrl_c_ends_a_reader_that_waits(written: tr.Application, tmp_path: Path) -> None:
    program = f"""
import tiderace as tr
app = tr.Application("embedded:{tmp_path}", consumer_group="g")
with app.get_producer() as producer:
    producer.produce("t", value="1")
try:
    for record in app.get_reader("t"):
        print("ready", flush=True)
except KeyboardInterrupt:
    print("interrupted")
"""
    assert_ctrl_c_ends(program)


def test_on_kafka_a_transactions_marks_are_no_records(broker: str, name: str, tmp_path: Path) -> None:
    app = tr.Application(
        broker, consumer_group=name, processing_guarantee="exactly-once", state_dir=str(tmp_path)
    )
    sdf = app.dataframe(app.topic(f"{name}-in", num_partitions=2))
    sdf["double"] = sdf["x"] * 2
    sdf.to_topic(app.topic(f"{name}-out", num_partitions=2))
    for x in range(2):
        with app.get_producer() as producer:
            producer.produce(f"{name}-in", key=f"key-{x}", value={"x": x}, timestamp=x)
        app.run(until_end=True)
        records = list(app.get_reader(f"{name}-out", until_end=True))
        assert sorted(record.json()["double"] for record in records) == list(range(0, 2 * x + 1, 2))
        assert {record.key for record in records} == {f"key-{each}".encode() for each in range(x + 1)}
    reader = app.get_reader([f"{name}-in", f"{name}-out"], from_="latest")
    assert reader.poll(0) == []
    with app.get_producer() as producer:
        producer.produce(f"{name}-in", value={"x": 7})
    assert [record.json() for record in reader.poll(30)] == [{"x": 7}]
