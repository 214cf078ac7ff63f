"""Producers in transactions."""

from pathlib import Path

import pytest
import tiderace as tr


def stored(app: tr.Application, topic: str) -> dict[tuple[int, int], bytes | None]:
    records = app.get_reader(topic, until_end=True)
    return {(record.partition, record.offset): record.value for record in records}


def test_a_block_commits_at_its_end(app: tr.Application) -> None:
    with app.get_transactional_producer("id") as producer:
        producer.produce("t", key="k", value={"x": 1}, headers={"h": "v"})
    assert [record.json() for record in app.get_reader("t", until_end=True)] == [{"x": 1}]


def test_an_exception_forgets_what_is_not_committed(app: tr.Application) -> None:
    producer = app.get_transactional_producer("id")

    def write_and_fail() -> None:
        with producer:
            producer.produce("t", value="1")
            assert producer.commit() == [tr.RecordMetadata(partition=0, offset=0)]
            producer.produce("t", value="2")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert list(stored(app, "t").values()) == [b"1"]
    with pytest.raises(tr.ConfigError, match="the producer is closed"):
        producer.commit()


def test_close_forgets_what_is_not_committed_and_lets_go_of_the_id(app: tr.Application) -> None:
    first, second = (app.get_transactional_producer("id") for _ in range(2))
    first.produce("t", value="1")
    first.close()
    first.close()
    second.produce("t", value="2")
    second.commit()
    assert list(stored(app, "t").values()) == [b"2"]
    with pytest.raises(tr.ConfigError, match="the producer is closed"):
        first.produce("t", value="3")


def test_a_producer_may_be_closed_within_its_block(app: tr.Application) -> None:
    with app.get_transactional_producer("id") as transactional:
        transactional.produce("t", value="1")
        transactional.commit()
        transactional.close()
    with app.get_producer() as producer:
        producer.produce("t", value="2")
        producer.close()
    assert list(stored(app, "t").values()) == [b"1", b"2"]


def test_a_producer_that_is_closed_has_written_what_it_had(app: tr.Application) -> None:
    producer = app.get_producer()
    producer.produce("t", value="1")
    producer.close()
    producer.close()
    assert list(stored(app, "t").values()) == [b"1"]
    with pytest.raises(tr.ConfigError, match="the producer is closed"):
        producer.produce("t", value="2")


def test_mistakes(app: tr.Application) -> None:
    with pytest.raises(tr.ConfigError, match="wanted a transactional id, found none"):
        app.get_transactional_producer("")


def test_another_process_waits_for_the_id(tmp_path: Path) -> None:
    apps = [tr.Application(f"embedded:{tmp_path}", "g", group_lock_timeout=0) for _ in range(2)]
    first, second = (app.get_transactional_producer("id") for app in apps)
    with first:
        first.init_transactions()
        with pytest.raises(tr.BrokerError, match=r"^transactional id id is held by process .*another id"):
            second.init_transactions()
        first.abort()  # forgets records, and keeps the id
        with pytest.raises(tr.BrokerError, match=r"^transactional id id is held by process .*another id"):
            second.init_transactions()
    second.init_transactions()


def test_an_application_has_one_producer_of_an_id(app: tr.Application) -> None:
    first, second = (app.get_transactional_producer("id") for _ in range(2))
    with first:
        first.produce("t", value="1")
        with pytest.raises(tr.BrokerError, match=r"^transactional id id is held by another producer of this"):
            second.produce("t", value="2")
        first.init_transactions()  # who has it takes it again
        first.produce("t", value="3")
    second.produce("t", value="4")
    second.commit()
    assert list(stored(app, "t").values()) == [b"3", b"4"]


def test_on_kafka_offsets_are_those_of_each_record(broker: str, name: str) -> None:
    app = tr.Application(broker, consumer_group=name)
    app.topic(name, num_partitions=3)
    producer = app.get_transactional_producer(name)
    expected: dict[tuple[int, int], bytes] = {}
    for transaction in range(4):
        values = [f"{transaction}-{i}".encode() for i in range(50)]
        for i, value in enumerate(values):
            producer.produce(name, key=str(i % 7), value=value)
            if i % 10 == 0:
                with app.get_producer() as other:  # others write between them
                    other.produce(name, key=str(i % 7), value="other")
        expected |= dict(zip(producer.commit(), values, strict=True))
    found = stored(app, name)
    assert {place: value for place, value in found.items() if value != b"other"} == expected
    assert len(expected) == 200


def test_on_kafka_an_id_is_taken_over(broker: str, name: str) -> None:
    app = tr.Application(broker, consumer_group=name)
    old, new = app.get_transactional_producer(name), app.get_transactional_producer(name)
    old.produce(name, value="old")
    old.commit()
    old.produce(name, value="undecided")
    new.init_transactions()
    new.produce(name, value="new")
    new.commit()
    with pytest.raises(tr.BrokerError):
        old.commit()
    assert sorted(filter(None, stored(app, name).values())) == [b"new", b"old"]
    old.produce(name, value="back")  # under a new epoch
    old.commit()
    assert b"back" in stored(app, name).values()
