"""A broker with a door for every kind of security, and what opens each."""

import base64
import hashlib
import json
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import kafka_wire
from certificates import Authority, Certificate
from kafka import Cluster, Listener
from kerberos import REALM, Kdc

HOSTS = "DNS:localhost,IP:127.0.0.1"
PASSWORD = "canary-password"
CREATE_ACLS = 30
ALTER_SCRAM = 51
SCRAM = {"SCRAM-SHA-256": (1, "sha256"), "SCRAM-SHA-512": (2, "sha512")}
RESOURCES = {"topic": 2, "group": 3, "cluster": 4, "transactional id": 5}
OPERATIONS = {"read": 3, "write": 4, "create": 5, "describe": 8, "describe configs": 10}
_LOGIN = "org.apache.kafka.common.security"


@dataclass
class Secured:
    cluster: Cluster
    authority: Authority
    stranger: Authority
    client: Certificate
    expired_client: Certificate
    kdc: Kdc
    keytab: Path

    def door(self, name: str) -> str:
        return self.cluster.door(name)

    def allow(self, user: str, resource: str, name: str, *operations: str) -> None:
        """On what begins with `name`; on the cluster it is `kafka-cluster`."""
        pattern = 3 if resource == "cluster" else 4
        body = struct.pack(">i", len(operations))
        for operation in operations:
            body += struct.pack(">b", RESOURCES[resource]) + _string(name) + struct.pack(">b", pattern)
            body += _string(f"User:{user}") + _string("*") + struct.pack(">bb", OPERATIONS[operation], 3)
        answer = kafka_wire.ask(self.cluster.bootstrap, CREATE_ACLS, 1, body)
        # throttle time, number of results, error
        assert kafka_wire.unpack(">iih", answer) == (0, len(operations), 0)

    def set_password(self, user: str, password: str, mechanism: str = "SCRAM-SHA-512") -> None:
        number, digest = SCRAM[mechanism]
        salt = os.urandom(16)
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, 4096)
        upsertion = _compact(user.encode()) + struct.pack(">bi", number, 4096)
        upsertion += _compact(salt) + _compact(salted) + b"\0"
        # Tags of the header, no deletions, one upsertion, tags.
        answer = kafka_wire.ask(self.cluster.bootstrap, ALTER_SCRAM, 0, b"\0\1\2" + upsertion + b"\0")
        # tags, throttle time, results, user, error
        assert kafka_wire.unpack(">h", answer, 1 + 4 + 1 + 1 + len(user)) == (0,), answer


def _string(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _compact(content: bytes) -> bytes:
    return bytes([len(content) + 1]) + content


def token(subject: str, lifetime_s: float = 3600) -> str:
    """A JWT that is not signed, which a broker takes where it is told so."""

    def part(content: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    now = time.time()
    return f"{part({'alg': 'none'})}.{part({'sub': subject, 'iat': now, 'exp': now + lifetime_s})}."


def _tls(certificate: Certificate, **more: object) -> dict[str, object]:
    return {"ssl.keystore.type": "PEM", "ssl.keystore.location": certificate.both, **more}


def _sasl(certificate: Certificate, *logins: str, **more: object) -> dict[str, object]:
    mechanisms = [login.split(" ", 1) for login in logins]
    return {
        "sasl.enabled.mechanisms": ",".join(mechanism for mechanism, _ in mechanisms),
        **{f"{mechanism.lower()}.sasl.jaas.config": f"{login};" for mechanism, login in mechanisms},
        **_tls(certificate),
        **more,
    }


def _doors(authority: Authority, stranger: Authority, kafka_keytab: Path) -> list[Listener]:
    good = authority.sign("broker", HOSTS)
    scram = f"{_LOGIN}.scram.ScramLoginModule required"
    plain = f'{_LOGIN}.plain.PlainLoginModule required user_ada="{PASSWORD}" user_bob="{PASSWORD}"'
    oauth = f"{_LOGIN}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=broker"
    kerberos = (
        "com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true "
        f'keyTab="{kafka_keytab}" principal="kafka/localhost@{REALM}"'
    )
    trusted = {"ssl.truststore.type": "PEM", "ssl.truststore.location": authority.certificate}
    return [
        Listener("TLS", "SSL", _tls(good)),
        Listener("MUTUAL", "SSL", _tls(good, **trusted, **{"ssl.client.auth": "required"})),
        Listener("EXPIRED", "SSL", _tls(authority.sign("expired", HOSTS, days=-1))),
        Listener("ELSEWHERE", "SSL", _tls(authority.sign("elsewhere", "DNS:elsewhere.example"))),
        Listener("STRANGER", "SSL", _tls(stranger.sign("stranger", HOSTS))),
        Listener(
            "SCRAM",
            "SASL_SSL",
            _sasl(good, f"SCRAM-SHA-256 {scram}", f"SCRAM-SHA-512 {scram}", f"PLAIN {plain}"),
        ),
        Listener("OAUTH", "SASL_SSL", _sasl(good, f"OAUTHBEARER {oauth}")),
        Listener("PLAIN", "SASL_PLAINTEXT", _sasl(good, f"PLAIN {plain}")),
        Listener(
            "KERBEROS",
            "SASL_SSL",
            _sasl(good, f"GSSAPI {kerberos}", **{"sasl.kerberos.service.name": "kafka"}),
            host="localhost",
        ),
    ]


@contextmanager
def secured(folder: Path) -> Iterator[Secured]:
    authority, stranger = Authority(folder / "authority"), Authority(folder / "stranger")
    with Kdc(folder / "kdc").running() as kdc:
        doors = _doors(authority, stranger, kdc.keytab("kafka/localhost"))
        settings = {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS;User:ada;User:CN=ada",
        }
        options = [f"-Djava.security.krb5.conf={kdc.krb5_conf}"]
        with Cluster(folder / "kafka", settings=settings, options=options, listeners=doors) as cluster:
            cluster.start()
            client, expired = authority.sign("ada"), authority.sign("ada-expired", days=-1)
            found = Secured(cluster, authority, stranger, client, expired, kdc, kdc.keytab("ada"))
            for user in ("ada", "bob", "carol"):
                for mechanism in SCRAM:
                    found.set_password(user, PASSWORD, mechanism)
            yield found
