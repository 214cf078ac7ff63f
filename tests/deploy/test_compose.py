"""The compose file, read by Docker Compose's own library, and held against what it refers to."""

import json
import os
import re
import socket
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kafka_jars
import pytest
from chart import DEPLOY, ROOT
from dockerfile import stages

FILE = DEPLOY / "compose.yaml"
CHECK = ROOT / ".cache/bin/compose_check"
SECRETS = {"GATEWAY_TOKEN": "token", "POSTGRES_PASSWORD": "password"}


def read(file: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if name not in SECRETS}
    assert CHECK.exists(), f"{CHECK} is missing: ./dev test builds it"
    return subprocess.run(
        [CHECK, file], env={**known, **variables}, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    done = read(FILE, **SECRETS)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


def test_it_has_the_whole_pipeline(services: dict[str, Any]) -> None:
    assert set(services) == {"kafka", "gateway", "service", "postgres"}
    assert services["service"]["deploy"]["replicas"] == 3


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_not_set_is_asked_for(name: str) -> None:
    done = read(FILE, **{other: value for other, value in SECRETS.items() if other != name})
    assert done.returncode == 1
    assert name in done.stderr
    assert "openssl rand -hex 16" in done.stderr


def test_a_wrong_word_is_noticed(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(FILE.read_text().replace("restart: unless-stopped", "restarts: unless-stopped", 1))
    done = read(wrong, **SECRETS)
    assert done.returncode == 1
    assert "restarts" in done.stderr


def test_images_have_tags_or_are_built_from_stages(services: dict[str, Any]) -> None:
    for service in services.values():
        if build := service.get("build"):
            assert (Path(build["context"]) / build["dockerfile"]) == DEPLOY / "docker/Dockerfile"
            assert build["target"] in stages(DEPLOY / "docker/Dockerfile")
        else:
            assert re.fullmatch(r"[a-z/]+:(?!latest)[\w.-]+", service["image"])
    assert services["kafka"]["image"] == f"apache/kafka:{kafka_jars.VERSION}", "the one that the tests run on"


def test_nothing_is_open_to_the_network(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def test_our_containers_are_locked_down_and_stop_in_time(services: dict[str, Any]) -> None:
    for name in ("gateway", "service"):
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["stop_grace_period"] == "1m0s"
        assert services[name]["depends_on"]["kafka"]["condition"] == "service_healthy"


def test_each_replica_has_state_of_its_own(services: dict[str, Any]) -> None:
    (volume,) = services["service"]["volumes"]
    assert volume["target"] == "/state"
    assert "source" not in volume, "a volume with a name would be one for all three"


def test_listeners_of_the_broker_agree(services: dict[str, Any]) -> None:
    broker = services["kafka"]["environment"]
    listeners = dict(entry.split("://") for entry in broker["KAFKA_LISTENERS"].split(","))
    advertised = dict(entry.split("://") for entry in broker["KAFKA_ADVERTISED_LISTENERS"].split(","))
    assert set(advertised) == set(listeners) - {broker["KAFKA_CONTROLLER_LISTENER_NAMES"]}
    assert {
        entry.split(":")[0] for entry in broker["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    } == set(listeners)
    for name in ("gateway", "service"):
        assert services[name]["environment"]["TIDERACE_BROKER_ADDRESS"] == advertised["INTERNAL"]


def test_gateway_and_service_agree_on_topics(services: dict[str, Any]) -> None:
    config = tomllib.loads((DEPLOY / "compose/gateway.toml").read_text())
    program = (DEPLOY / "service/crash_detector.py").read_text()
    assert {f'app.topic("{topic}"' in program for topic in config["topics"]} == {True}
    partitions = {options["partitions"] for options in config["topics"].values()}
    assert f"--partitions={partitions.pop()}" in services["service"]["command"]
    assert not partitions
    assert config["tokens"][0]["token_env"] in services["gateway"]["environment"]


def test_the_service_s_rows_go_into_the_database(services: dict[str, Any]) -> None:
    words = dict(word.partition("=")[::2] for word in services["service"]["command"])
    url = urlsplit(words["--database"])
    server = services["postgres"]["environment"]
    assert (url.hostname, url.path) == ("postgres", f"/{server['POSTGRES_DB']}")
    assert url.username == server["POSTGRES_USER"]
    assert url.password is None, "what is in arguments is in lists of processes"
    assert services["service"]["environment"]["PGPASSWORD"] == server["POSTGRES_PASSWORD"] == "password"
    assert services["service"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_topics_have_as_many_copies_as_there_are_brokers(services: dict[str, Any]) -> None:
    assert "--replication-factor=1" in services["service"]["command"]
    config = tomllib.loads((DEPLOY / "compose/gateway.toml").read_text())
    assert {topic.get("replication_factor", 1) for topic in config["topics"].values()} == {1}


def test_topics_have_an_end_since_the_service_makes_them(services: dict[str, Any]) -> None:
    """The gateway, which would make them without one, comes after it."""
    (word,) = [word for word in services["service"]["command"] if word.startswith("--retention-ms=")]
    assert int(word.partition("=")[2]) == 7 * 24 * 3600 * 1000
    assert services["gateway"]["depends_on"]["service"]["condition"] == "service_healthy"


def test_kafka_is_asked_without_a_jvm(services: dict[str, Any]) -> None:
    """Every few seconds, for ever: and the port is the one that the others come to."""
    command = services["kafka"]["healthcheck"]["test"]
    assert command[:3] == ["CMD", "bash", "-c"]

    def asked(port: int) -> int:
        words = ["bash", "-c", command[3].replace("9092", str(port))]
        return subprocess.run(words, check=False, capture_output=True).returncode

    with socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]
        assert asked(port) == 0
    assert asked(port) != 0
    assert ":9092" in services["service"]["environment"]["TIDERACE_BROKER_ADDRESS"]
    assert "/9092" in command[3]


def test_it_says_where_the_dashboard_is(services: dict[str, Any]) -> None:
    """With the token, without which it lets nobody in."""
    (port,) = services["gateway"]["ports"]
    address = f"http://127.0.0.1:{port['published']}/#token=$GATEWAY_TOKEN"
    assert address in FILE.read_text()
    assert address in (ROOT / "docs/guide/deployment.md").read_text()


def test_both_programs_have_the_same_options_and_every_word_is_one(services: dict[str, Any]) -> None:
    programs = [DEPLOY / "service/crash_detector.py", DEPLOY / "service/crash_detector.cpp"]
    options = [set(re.findall(r'"(--[a-z-]+)"', program.read_text())) - {"--help"} for program in programs]
    assert options[0] == options[1]
    assert {word.partition("=")[0] for word in services["service"]["command"]} <= options[0]
