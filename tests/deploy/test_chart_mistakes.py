"""Values that the Helm chart refuses, as they would end a pod at its start, and those near that it takes."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart import CHART, helm

TOKEN: dict[str, Any] = {"subject": "s", "secret": {"name": "tokens", "key": "all"}}
TOKENS = [{**TOKEN, "write": ["*"]}]
SIZE = ("lots", "0MB", "1.2.3MB", "5mb", "0.5", 0, 1 << 41)
DURATION = ("never", "0s", "1.2.3d", "5", "5 weeks")


def gateway(**values: Any) -> dict[str, Any]:
    """Values with a gateway that is as it should be but for these."""
    return {"gateway": {"enabled": True, "tokens": TOKENS, **values}}


def of_values(
    tmp_path: Path, values: dict[str, Any], release: str = "demo"
) -> subprocess.CompletedProcess[str]:
    """What `helm template` says of these values."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    return helm("template", release, CHART, "--values", file)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"service": {"replica": 2}}, "replica is not allowed"),
        ({"service": {"replicas": "two"}}, "service.replicas"),
        ({"kafka": {"brokerAddress": "kafka"}}, "kafka.brokerAddress"),
        ({"kafka": {"security": {"protocol": "SASL"}}}, "kafka.security.protocol"),
        ({"kafka": {"security": {"protocol": "SASL_SSL"}}}, "kafka.security.mechanism is wanted"),
        (
            {"service": {"autoscaling": {"enabled": True, "maxReplicas": 9}}},
            "maxReplicas is 9, but a topic of 4 partitions",
        ),
        (
            {"service": {"autoscaling": {"enabled": True, "minReplicas": 4, "maxReplicas": 3}}},
            "minReplicas is 4, above maxReplicas, which is 3",
        ),
        (
            {"service": {"autoscaling": {"enabled": True}, "resources": {"requests": {"cpu": None}}}},
            "cpuPercent is of service.resources.requests.cpu",
        ),
        ({"service": {"workers": 3}}, "limits.memory is 2Gi, but 3 workers"),
        ({"service": {"stateMemoryMiB": 1500}}, "come to 2268Mi"),
        ({"service": {"resources": {"limits": {"memory": "1000Mi"}}}}, "limits.memory is 1000Mi"),
        ({"service": {"resources": {"limits": {"memory": "2gb"}}}}, "wanted a number with one of"),
        ({"service": {"image": {"tag": "sha256:0123"}}}, "service.image.tag"),
        ({"service": {"image": {"digest": "0123"}}}, "service.image.digest"),
        ({"kafka": {"replicationFactor": 0}}, "kafka.replicationFactor"),
        ({"service": {"terminationGracePeriodSeconds": 29}}, "service.terminationGracePeriodSeconds"),
        ({"gateway": {"terminationGracePeriodSeconds": 29}}, "gateway.terminationGracePeriodSeconds"),
        ({"gateway": {"enabled": True}}, "gateway.tokens or gateway.jwt is wanted"),
        (
            {"gateway": {"enabled": True, "tokens": TOKENS, "topics": {"alerts": {"partitions": 8}}}},
            "gateway.topics.alerts.partitions is 8, service.partitions is 4",
        ),
        (
            {"gateway": {"enabled": True, "tokens": TOKENS, "kafka": {"username": "gateway"}}},
            "gateway.kafka.passwordSecret.name is wanted",
        ),
        (
            {
                "gateway": {
                    "enabled": True,
                    "tokens": TOKENS,
                    "ingress": {"enabled": True, "hosts": ["*.example.org"]},
                }
            },
            "name the addresses of its pages in gateway.allowedOrigins",
        ),
        (
            {
                "gateway": {
                    "enabled": True,
                    "replicas": 2,
                    "tokens": TOKENS,
                    "ingress": {"enabled": True, "hosts": ["one"]},
                }
            },
            "wanted one host a replica, that is 2, found 1",
        ),
        (gateway(port=9100), "gateway.port and gateway.metricsPort: wanted two ports, found 9100 for both"),
        (gateway(topics=None), "gateway.topics: wanted the topics that may be written and read"),
        (gateway(topics={"phone-data": None, "alerts": None}), "gateway.topics: wanted the topics"),
        (gateway(topics={"..": {}}), "gateway.topics"),
        (
            gateway(pages={"in": "nope"}),
            'gateway.pages.in: wanted a topic of gateway.topics (alerts, phone-data), found "nope"',
        ),
        (
            gateway(pages={"out": ""}),
            "gateway.pages.out: wanted a topic of gateway.topics (alerts, phone-data)",
        ),
        (
            gateway(tokens=[*TOKENS, {**TOKEN, "write": ["nope"]}]),
            "gateway.tokens[1].write (subject s): wanted topics of gateway.topics (alerts, phone-data), "
            '* at the end stands for any rest, found "nope"',
        ),
        (
            gateway(tokens=[{**TOKEN, "read": ["alerts", "phones*"]}]),
            "gateway.tokens[0].read (subject s): wanted topics",
        ),
        (gateway(tokens=[TOKEN]), "gateway.tokens[0] (subject s): wanted write, read or both, found neither"),
        *[(gateway(queueBytes=size), "gateway.queueBytes") for size in SIZE],
        *[(gateway(limits={"message_bytes": size}), "gateway.limits.message_bytes") for size in SIZE],
        *[(gateway(sessionTtl=time), "gateway.sessionTtl") for time in DURATION],
        *[
            (gateway(limits={"handshake_timeout": time}), "gateway.limits.handshake_timeout")
            for time in DURATION
        ],
        (gateway(limits={"body_timeout": ""}), "gateway.limits.body_timeout"),
        (gateway(limits={"idle_timeout": "0.0s"}), "gateway.limits.idle_timeout"),
        (
            gateway(queueBytes="1025GiB"),
            "gateway.queueBytes: wanted a size from 1B to 1024GiB, found 1025GiB",
        ),
        (
            gateway(limits={"message_bytes": "0.0001kB"}),
            "gateway.limits.message_bytes: wanted a size from 1B",
        ),
        (
            gateway(sessionTtl="100001d"),
            "gateway.sessionTtl: wanted a time from 1ms to 100000d, found 100001d",
        ),
        (gateway(limits={"idle_timeout": "0.1ms"}), "gateway.limits.idle_timeout: wanted a time from 1ms"),
        (gateway(limits={"sessions": 0}), "gateway.limits.sessions"),
        (gateway(limits={"connections": 1_000_001}), "gateway.limits.connections"),
        *[
            ({"nameOverride": name}, "nameOverride")
            for name in ("UPPER_case", "1st", "end-", "a.b", "a" * 41)
        ],
        *[
            ({"kafka": {"brokerAddress": address}}, "kafka.brokerAddress")
            for address in ("kafka:99999999", "kafka:65536", "kafka:0", "a:9092,b:70000")
        ],
        *[
            ({"service": {"state": {"size": size}}}, "service.state.size")
            for size in (".", "0Gi", "1.2.3Gi", "10i", "10ki", "10GB")
        ],
        ({"service": {"resources": {"limits": "2Gi"}}}, "service.resources.limits"),
        (
            {"kafka": {"security": {"protocol": "SSL", "mechanism": "PLAIN"}}},
            "kafka.security.mechanism is PLAIN, which goes with kafka.security.protocol "
            "SASL_PLAINTEXT or SASL_SSL, found SSL: change the protocol, or take it out",
        ),
        ({"kafka": {"security": {"username": "ada"}}}, "kafka.security.username is ada, which goes with"),
        (
            {"kafka": {"security": {"passwordSecret": {"name": "kafka-user"}}}},
            "kafka.security.passwordSecret.name is kafka-user, which goes with",
        ),
        (
            {"kafka": {"security": {"caSecret": {"name": "kafka-ca"}}}},
            "kafka.security.caSecret.name is kafka-ca, which goes with kafka.security.protocol "
            "SSL or SASL_SSL, found PLAINTEXT",
        ),
        (
            gateway(kafka={"username": "gateway", "passwordSecret": {"name": "kafka-gateway"}}),
            "which goes with kafka.security.protocol SASL_PLAINTEXT or SASL_SSL, found PLAINTEXT",
        ),
    ],
)
def test_a_mistake_is_refused(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    done = of_values(tmp_path, values)
    assert done.returncode != 0
    assert message in done.stderr


@pytest.mark.parametrize("size", ["1", "64 MiB", "0.5kB", "1.5GB", 1, 1 << 40])
def test_sizes_that_the_gateway_takes_are_taken(tmp_path: Path, size: str | int) -> None:
    done = of_values(tmp_path, gateway(queueBytes=size, limits={"message_bytes": size}))
    assert done.returncode == 0, done.stderr
    assert f'queue_bytes = "{size}"' in done.stdout


@pytest.mark.parametrize("duration", ["500ms", "1.5 h", "0.5d", "10min"])
def test_durations_that_the_gateway_takes_are_taken(tmp_path: Path, duration: str) -> None:
    done = of_values(tmp_path, gateway(sessionTtl=duration, limits={"idle_timeout": duration}))
    assert done.returncode == 0, done.stderr
    assert f'idle_timeout = "{duration}"' in done.stdout


def test_rights_may_be_patterns(tmp_path: Path) -> None:
    values = gateway(
        tokens=[{**TOKEN, "write": ["phone-*"], "read": ["*", "alerts"]}], pages={"in": "alerts"}
    )
    assert of_values(tmp_path, values).returncode == 0


def test_resources_may_be_left_out(tmp_path: Path) -> None:
    values = gateway(resources=None) | {"service": {"resources": None}}
    done = of_values(tmp_path, values)
    assert done.returncode == 0, done.stderr
    pods = [
        m["spec"]["template"]["spec"] for m in yaml.safe_load_all(done.stdout) if m["kind"] == "StatefulSet"
    ]
    assert [pod["containers"][0]["resources"] for pod in pods] == [{}, {}]


def test_a_release_whose_name_begins_no_service_s_is_refused(tmp_path: Path) -> None:
    done = of_values(tmp_path, {}, "1st")
    assert done.returncode != 0
    assert "the name of the release: wanted a letter" in done.stderr
    assert "found 1st; take another, or set nameOverride" in done.stderr
    assert of_values(tmp_path, {"nameOverride": "first"}, "1st").returncode == 0


def groups(values: dict[str, Any], above: str = "") -> Iterator[str]:
    """The paths of values that hold others."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield above + name
            yield from groups(value, f"{above}{name}.")


def test_a_value_that_is_taken_away_is_missed_in_words() -> None:
    """By its name, where nothing can stand for it; never by a trace of templates."""
    found = list(groups(yaml.safe_load((CHART / "values.yaml").read_text())))
    assert len(found) > 20
    for path in [*found, "kafka.security.protocol", "service.image.repository", "gateway.queueBytes"]:
        done = helm("template", "demo", CHART, "--set", f"{path}=null")
        assert done.returncode == 0 or f"{path.split('.')[-1]} is required" in done.stderr, (
            path,
            done.stderr,
        )
