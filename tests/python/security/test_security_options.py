"""Security of Kafka as it is written: mistakes are found before anything is contacted, secrets are kept."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiderace as tr

CANARY = "canary"
SECRETS = {
    "password": "canary-password",
    "ca_pem": "-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n",
    "certificate_pem": "-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n",
    "key_pem": "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n",
    "key_password": "canary-key-password",
}


def application(**settings: Any) -> tr.Application:
    return tr.Application("localhost:1", consumer_group="g", security=tr.KafkaSecurity(**settings))


def test_it_shows_no_secret() -> None:
    security = tr.KafkaSecurity(
        protocol="SASL_SSL", mechanism="PLAIN", username="ada", token=lambda: CANARY, **SECRETS
    )
    assert repr(security) == str(security) == f"{security}"
    assert repr(security) == (
        'KafkaSecurity(SASL_SSL, PLAIN, username "ada", password hidden, ca_pem hidden, '
        "certificate_pem hidden, key_pem hidden, key_password hidden, token from a function)"
    )


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy, vars])
def test_it_cannot_be_taken_apart(way: Callable[[object], object]) -> None:
    with pytest.raises(TypeError) as error:
        way(tr.KafkaSecurity(protocol="SASL_SSL", **SECRETS))
    assert CANARY not in str(error.value)


def test_an_application_shows_no_secret() -> None:
    app = application(protocol="SASL_SSL", mechanism="PLAIN", username="ada", **SECRETS)
    assert CANARY not in f"{app!r} {app} {vars(app)} {app.explain()} {app.summary}"


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"passwort": "canary"}, "there is no setting passwort; there are protocol, mechanism"),
        ({"password": "canary"}, "protocol is missing"),
        ({"protocol": "TLS", "password": "canary"}, 'protocol: wanted PLAINTEXT.*found "TLS"'),
        ({"protocol": "SASL_SSL", "mechanism": "SCRAM", "password": "canary"}, 'mechanism: .*found "SCRAM"'),
        ({"protocol": "SASL_SSL", "mechanism": "PLAIN", "password": "canary"}, "username is missing"),
        ({"protocol": "SASL_SSL", "password": ["canary"]}, "password: wanted text, found list"),
        ({"protocol": "SASL_SSL", "password": "canary\ud800"}, "password: wanted text, found str"),
        ({"protocol": "SASL_SSL", "token": "canary"}, "token: wanted a function"),
        ({"protocol": "SSL", "verify_hostname": "canary"}, "verify_hostname: wanted True or False"),
        ({"protocol": "SSL", "ca_location": "ca.pem", **SECRETS}, "password is for the mechanisms"),
        ({"protocol": "SSL", "key_location": "k", "key_pem": SECRETS["key_pem"]}, "key_location and key_pem"),
        ({"protocol": "SSL", "key_pem": "canary"}, "key_pem: wanted PEM"),
    ],
)
def test_mistakes_are_found_where_they_are_written(settings: dict[str, Any], wanted: str) -> None:
    with pytest.raises(tr.ConfigError, match=wanted) as error:
        application(**settings)
    assert CANARY not in str(error.value)


def test_the_embedded_log_has_no_security(tmp_path: Path) -> None:
    with pytest.raises(tr.ConfigError, match="security: is for Kafka"):
        tr.Application(
            f"embedded:{tmp_path}", consumer_group="g", security=tr.KafkaSecurity(protocol="PLAINTEXT")
        )


def test_the_embedded_log_takes_no_notice_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDERACE_SECURITY_PROTOCOL", "nonsense")
    tr.Application(f"embedded:{tmp_path}", consumer_group="g")
    with pytest.raises(tr.ConfigError, match='found "nonsense"'):
        tr.Application("localhost:1", consumer_group="g")


@pytest.mark.parametrize(
    ("settings", "config", "wanted"),
    [
        ({"protocol": "SSL", "ca_location": "/none.pem"}, {}, r"ca_location: cannot read the file /none.pem"),
        ({"protocol": "SSL", "ca_pem": SECRETS["ca_pem"]}, {}, "ssl.ca.pem"),
        (
            {"protocol": "SASL_SSL", "mechanism": "PLAIN", "username": "ada", "password": "canary"},
            {"sasl.pasword": "canary"},
            'No such configuration property: "sasl.pasword"',
        ),
        (
            {"protocol": "PLAINTEXT"},
            {"sasl.password": "canary", "linger.ms": "canary"},
            "linger.ms: Invalid value",
        ),
        (
            {"protocol": "PLAINTEXT"},
            {"sasl.password": "canary", "security.protocol": "canary"},
            "security.protocol",
        ),
        (
            {"protocol": "PLAINTEXT"},
            {"ssl.key.password": "canary", "client.dns.lookup": "canary"},
            "client.dns.lookup",
        ),
    ],
)
def test_what_the_client_does_not_take_is_told_without_secrets(
    settings: dict[str, Any], config: dict[str, str], wanted: str, tmp_path: Path
) -> None:
    app = tr.Application(
        "localhost:1",
        consumer_group="g",
        state_dir=tmp_path,
        security=tr.KafkaSecurity(**settings),
        consumer_config=config,
    )
    app.dataframe(app.topic("in")).to_topic(app.topic("out"))
    with pytest.raises(tr.ConfigError, match=wanted) as error:
        app.run()
    assert CANARY not in str(error.value)
