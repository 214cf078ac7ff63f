"""Who gets into a guarded Kafka and who does not: every kind of security against a real broker."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import kafka_secured
import pytest
import tiderace as tr
from certificates import KEY_PASSWORD
from kafka_secured import PASSWORD, Secured, token

ROOT = Path(__file__).parents[3]
CLI = ROOT / "build" / "tiderace"
CANARY = "canary"
LIMIT_S = 10


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    with kafka_secured.secured(folder) as secured, pytest.MonkeyPatch.context() as environment:
        for name, value in secured.kdc.environment.items():
            environment.setenv(name, value)
        yield secured


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")


def settings(secured: Secured, door: str, **chosen: Any) -> dict[str, Any]:
    """What opens a door, as `chosen` says otherwise; None takes a setting out."""
    scram = {"mechanism": "SCRAM-SHA-512", "username": "ada", "password": PASSWORD}
    mutual = {"certificate_location": secured.client.certificate, "key_location": secured.client.key}
    kerberos = {"mechanism": "GSSAPI", "principal": "ada", "keytab": secured.keytab}
    opens: dict[str, dict[str, Any]] = {
        "MUTUAL": mutual,
        "SCRAM": scram,
        "PLAIN": {**scram, "mechanism": "PLAIN"},
        "OAUTH": {"mechanism": "OAUTHBEARER", "token": lambda: token("ada")},
        "KERBEROS": kerberos,
    }
    sasl = "" if door not in opens or door == "MUTUAL" else "SASL_"
    protocol = sasl + ("PLAINTEXT" if door == "PLAIN" else "SSL")
    ca = {} if door == "PLAIN" else {"ca_location": secured.authority.certificate}
    everything = {"protocol": protocol, **ca, **opens.get(door, {}), **chosen}
    return {name: value for name, value in everything.items() if value is not None}


def application(secured: Secured, door: str, group: str, tmp_path: Path, **options: Any) -> tr.Application:
    chosen = options.pop("security", {})
    return tr.Application(
        secured.door(door),
        consumer_group=group,
        state_dir=tmp_path / "state",
        security=tr.KafkaSecurity(**settings(secured, door, **chosen)),
        **options,
    )


def count(row: dict[str, Any], state: tr.State) -> None:
    state.set("n", state.get("n", 0) + 1)
    row["n"] = state.get("n")


def pass_through(app: tr.Application, name: str) -> tr.Application:
    app.dataframe(app.topic(f"{name}-input")).update(count, stateful=True).to_topic(
        app.topic(f"{name}-output")
    )
    return app


def variables(secured: Secured, door: str, **chosen: Any) -> dict[str, str]:
    """The same settings as environment variables."""
    found = settings(secured, door, **chosen)
    if callable(found.get("token")):
        found["token"] = found["token"]()
    return {f"TIDERACE_SECURITY_{name.upper()}": str(value) for name, value in found.items()}


def command(secured: Secured, door: str, *arguments: str, **chosen: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CLI, *arguments, "--broker-address", secured.door(door)],
        env=os.environ | variables(secured, door, **chosen),
        capture_output=True,
        text=True,
        timeout=60,
    )


GOOD: list[tuple[str, Callable[[Secured], dict[str, Any]]]] = [
    ("TLS", lambda s: {}),
    ("TLS", lambda s: {"ca_location": None, "ca_pem": s.authority.certificate.read_text()}),
    ("ELSEWHERE", lambda s: {"verify_hostname": False}),
    ("MUTUAL", lambda s: {}),
    (
        "MUTUAL",
        lambda s: {
            "certificate_location": None,
            "certificate_pem": s.client.certificate.read_text(),
            "key_location": None,
            "key_pem": s.client.encrypted_key.read_bytes(),
            "key_password": KEY_PASSWORD,
        },
    ),
    ("SCRAM", lambda s: {}),
    ("SCRAM", lambda s: {"mechanism": "SCRAM-SHA-256"}),
    ("SCRAM", lambda s: {"mechanism": "PLAIN"}),
    ("PLAIN", lambda s: {}),
    ("OAUTH", lambda s: {}),
    ("OAUTH", lambda s: {"token": lambda: (token("ada"), time.time() + 60, "ada", {"tenant": "a"})}),
    ("KERBEROS", lambda s: {}),
]


@pytest.mark.parametrize(
    ("door", "chosen"), GOOD, ids=[f"{door}-{index}" for index, (door, _) in enumerate(GOOD)]
)
def test_rows_come_through_every_door(
    secured: Secured,
    door: str,
    chosen: Callable[[Secured], dict[str, Any]],
    name: str,
    tmp_path: Path,
) -> None:
    app = application(
        secured, door, name, tmp_path, security=chosen(secured), processing_guarantee="exactly-once"
    )
    pass_through(app, name)
    with app.get_producer() as producer:
        producer.produce(f"{name}-input", "k", {"x": 1})
    assert app.run(until_end=True).rows_out == 1
    assert CANARY not in app.explain()


@pytest.mark.parametrize("door", ["MUTUAL", "SCRAM", "OAUTH", "KERBEROS"])
def test_the_environment_opens_doors_to_commands_and_applications(
    secured: Secured, door: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = command(secured, door, "topic", "create", f"{name}-output")
    assert (done.returncode, done.stderr) == (0, "")
    for variable, value in variables(secured, door).items():
        monkeypatch.setenv(variable, value)
    app = tr.Application(secured.door(door), consumer_group=name, state_dir=tmp_path)
    with app.get_producer() as producer:
        producer.produce(f"{name}-output", "k", {"x": 1})
    done = command(secured, door, "topic", "read", f"{name}-output", "--until-end")
    assert done.stdout.count('"value":{"x":1}') == 1, done.stderr


def test_options_of_a_command_and_variables_go_together(secured: Secured) -> None:
    arguments = "protocol=SASL_SSL,mechanism=SCRAM-SHA-512,username=ada"
    environment = {
        "TIDERACE_SECURITY_PASSWORD": PASSWORD,
        "TIDERACE_SECURITY_CA_LOCATION": str(secured.authority.certificate),
    }
    list_topics = [CLI, "topic", "list", "--broker-address", secured.door("SCRAM"), "--security"]
    done = subprocess.run([*list_topics, arguments], env=os.environ | environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([*list_topics, f"{arguments},password={PASSWORD}"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "TIDERACE_SECURITY_PASSWORD" in done.stderr
    assert CANARY not in done.stderr


def unreadable_token() -> str:
    raise ValueError("the vault is closed")


# The door, what is wrong with what is tried there, and what the error has to say.
BAD: dict[str, tuple[str, Callable[[Secured], dict[str, Any]], str]] = {
    "untrusted CA": ("STRANGER", lambda s: {}, "issuer certificate.*`ca_location`"),
    "another CA": (
        "TLS",
        lambda s: {"ca_location": s.stranger.certificate},
        "not accepted.*`ca_location`",
    ),
    "host name": ("ELSEWHERE", lambda s: {}, "address mismatch.*`broker_address`.*`verify_hostname`"),
    "expired": ("EXPIRED", lambda s: {}, "certificate has expired"),
    "no certificate": (
        "MUTUAL",
        lambda s: {"certificate_location": None, "key_location": None},
        "wants one.*`certificate_location`",
    ),
    "expired certificate": (
        "MUTUAL",
        lambda s: {
            "certificate_location": s.expired_client.certificate,
            "key_location": s.expired_client.key,
        },
        "does not accept this program's certificate.*`certificate_location`",
    ),
    "password over TLS": (
        "SCRAM",
        lambda s: {"password": "canary-wrong"},
        "invalid credentials.*`username` and `password`",
    ),
    "user": ("SCRAM", lambda s: {"username": "nobody"}, "invalid credentials.*`username` and `password`"),
    "password": (
        "PLAIN",
        lambda s: {"password": "canary-wrong"},
        "Invalid username or password.*`username` and `password`",
    ),
    "mechanism": (
        "OAUTH",
        lambda s: {**settings(s, "SCRAM"), "token": None},
        "supported mechanisms: OAUTHBEARER.*`mechanism`",
    ),
    "token": (
        "OAUTH",
        lambda s: {"token": lambda: (token("ada", -3600), time.time() + 60, "ada")},
        "(SASL authentication error|Failed to acquire).*`token`",
    ),
    "service name": ("KERBEROS", lambda s: {"service_name": "nobody"}, "nobody/localhost.*`service_name`"),
}


def write(app: tr.Application, topic: str) -> None:
    with app.get_producer() as producer:
        producer.produce(topic, "k", {"x": 1})


def error_of(action: Callable[[], object]) -> str:
    """The text of the BrokerError that comes within the time that is promised."""
    began = time.monotonic()
    with pytest.raises(tr.BrokerError) as caught:
        action()
    assert time.monotonic() - began < LIMIT_S
    return str(caught.value)


Found = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def refused(secured: Secured, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What each of BAD is told as an application, as a producer and as a command, all tried at a time."""

    def run(case: str) -> str:
        door, chosen, _ = BAD[case]
        state = tmp_path_factory.mktemp("refused")
        return error_of(
            pass_through(application(secured, door, "g", state, security=chosen(secured)), "g").run
        )

    def produce(case: str) -> str:
        door, chosen, _ = BAD[case]
        state = tmp_path_factory.mktemp("refused")
        return error_of(lambda: write(application(secured, door, "g", state, security=chosen(secured)), "t"))

    def list_topics(case: str) -> str:
        door, chosen, _ = BAD[case]
        began = time.monotonic()
        done = command(secured, door, "topic", "list", **chosen(secured))
        assert time.monotonic() - began < LIMIT_S
        assert done.returncode == 1, done
        return done.stderr

    with ThreadPoolExecutor(3 * len(BAD)) as pool:
        told = {
            (case, way.__name__): pool.submit(way, case)
            for case in BAD
            for way in (run, produce, list_topics)
        }
    found: Found = {case: {} for case in BAD}
    for (case, way), future in told.items():
        found[case][way] = future.result()
    return found


@pytest.mark.parametrize("case", BAD)
def test_who_is_refused_hears_at_once_why_and_what_to_change(refused: Found, case: str) -> None:
    assert len(refused[case]) == 3
    for text in refused[case].values():
        assert re.search(BAD[case][2], text), text
        assert CANARY not in text


def test_a_token_function_that_raises_is_the_reason_of_the_error(
    secured: Secured, name: str, tmp_path: Path
) -> None:
    app = application(secured, "OAUTH", name, tmp_path, security={"token": unreadable_token})
    text = error_of(lambda: write(app, name))
    assert re.search(r"ValueError: the vault is closed \(test_security.py line \d+\).*`token`", text), text


@pytest.mark.parametrize("given", [3, "opaque", ("token",), ("token", "soon")])
def test_a_token_that_is_none_is_the_reason_of_the_error(
    secured: Secured, given: object, name: str, tmp_path: Path
) -> None:
    app = application(secured, "OAUTH", name, tmp_path, security={"token": lambda: given})
    assert re.search("security: .*token.*`token`", error_of(lambda: write(app, name)))


def test_tokens_are_asked_for_before_they_end_and_the_last_one_holds(
    secured: Secured, name: str, tmp_path: Path
) -> None:
    asked = threading.Semaphore(0)
    closed = threading.Event()

    def short_lived() -> str:
        assert threading.current_thread() is not threading.main_thread()
        asked.release()
        return unreadable_token() if closed.is_set() else token("ada", lifetime_s=6)

    app = application(secured, "OAUTH", name, tmp_path, security={"token": short_lived})
    # Two clients: one asks for topics, one writes.
    with app.get_producer() as producer:
        producer.produce(f"{name}-input", "k", {"x": 1})
        producer.flush()
        assert all(asked.acquire(timeout=20) for _ in range(2))
        closed.set()
        assert all(asked.acquire(timeout=20) for _ in range(2))
        producer.produce(f"{name}-input", "k", {"x": 2})


def door_of(recipe: str) -> str:
    doors = {"OAUTHBEARER": "OAUTH", "GSSAPI": "KERBEROS", "SCRAM": "SCRAM", "certificate_location": "MUTUAL"}
    return next((door for sign, door in doors.items() if sign in recipe), "TLS")


def test_the_recipes_of_the_guide_open_the_doors(
    secured: Secured, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/guide/security.md").read_text()
    actual = {
        "/etc/kafka/ca.pem": secured.authority.certificate,
        "/etc/kafka/crash-detector.pem": secured.client.certificate,
        "/etc/kafka/crash-detector.keytab": secured.keytab,
        "/etc/kafka/crash-detector.key": secured.client.key,
        "crash-detector@EXAMPLE.ORG": "ada",
        'username="crash-detector"': 'username="ada"',
        "username=crash-detector": "username=ada",
        "correct horse": PASSWORD,
    }
    for shown, meant in actual.items():
        page = page.replace(shown, str(meant))
    variables: dict[str, Any] = {"fetch_token_from_your_identity_provider": lambda: token("ada")}
    opened = []
    for recipe in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        exec(recipe.replace("broker:9093", secured.door(door_of(recipe))), variables)
        if "tr.Application(" in recipe:
            write(variables["app"], name)
            opened.append(door_of(recipe))
    assert opened == ["SCRAM", "TLS", "MUTUAL", "OAUTH", "KERBEROS"]
    (shown,) = re.findall(r"^```console[^\n]*\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    commands = re.sub(r"^\$ ", "", shown, flags=re.MULTILINE).replace("tiderace topic", f"{CLI} topic")
    script = commands.replace("broker:9093", secured.door("SCRAM"))
    done = subprocess.run(["bash", "-ec", script], capture_output=True, text=True)
    assert (done.returncode, name in done.stdout) == (0, True), done


# All that an application with state wants; what is left out is what the error has to name.
RIGHTS = {
    "topic": ["read", "write", "create", "describe", "describe configs"],
    "group": ["read", "describe"],
    "transactional id": ["write", "describe"],
}


@pytest.mark.parametrize(
    ("missing", "wanted"),
    [
        ("topic", "ACL on the topic"),
        ("group", "ACL on the group"),
        ("transactional id", "ACL on transactional ids"),
    ],
)
def test_a_missing_right_is_named(
    secured: Secured, missing: str, wanted: str, name: str, tmp_path: Path
) -> None:
    for resource, operations in RIGHTS.items():
        if resource != missing:
            secured.allow("bob", resource, name, *operations)
    app = application(secured, "PLAIN", name, tmp_path, security={"username": "bob"})
    text = error_of(lambda: pass_through(app, name).run(until_end=True))
    assert "AUTHORIZATION_FAILED" in text
    assert wanted in text
    if missing == "topic":
        assert wanted in error_of(lambda: write(app, f"{name}-input"))
        asking = ["topic", "read", f"{name}-input"]
        done = command(secured, "PLAIN", *asking, username="bob")
        assert (done.returncode, wanted in done.stderr) == (1, True)


def test_with_all_rights_rows_come_through(secured: Secured, name: str, tmp_path: Path) -> None:
    for resource, operations in RIGHTS.items():
        secured.allow("bob", resource, name, *operations)
    app = application(secured, "PLAIN", name, tmp_path, security={"username": "bob"})
    pass_through(app, name)
    write(app, f"{name}-input")
    assert app.run(until_end=True).rows_out == 1


PROGRAM = """\
#include <tiderace/tiderace.h>
#include <iostream>
#include <stdexcept>
namespace tr = tiderace;
// ADDRESS TOPIC CA TOKEN: writes a record with a token; without one, says why there is none.
int main(int, char** arguments) {
  tr::KafkaSecurity security{.protocol = "SASL_SSL", .mechanism = "OAUTHBEARER", .ca_location = arguments[3]};
  security.token = [token = std::string(arguments[4])]() -> tr::SecurityToken {
    if (token.empty()) throw std::runtime_error("the vault is closed");
    return {.value = token};
  };
  std::cout << tr::to_string(security) << std::endl;
  tr::Application app({.broker_address = arguments[1], .consumer_group = "program", .security = security});
  try {
    auto producer = app.get_producer();
    producer.produce({.topic = arguments[2], .key = "k", .value = "{}"});
    producer.flush();
    std::cout << "written" << std::endl;
  } catch (const tr::Error& error) {
    std::cout << to_string(error.kind()) << ": " << error.what() << std::endl;
  }
}
"""


def test_a_function_of_cpp_gives_tokens_or_the_reason(secured: Secured, name: str, tmp_path: Path) -> None:
    (tmp_path / "program.cpp").write_text(PROGRAM)
    build = ["c++", "-std=c++20", f"-I{ROOT}/include", f"-L{CLI.parent}", f"-Wl,-rpath,{CLI.parent}"]
    subprocess.run([*build, "program.cpp", "-o", "program", "-ltiderace"], cwd=tmp_path, check=True)
    arguments = [tmp_path / "program", secured.door("OAUTH"), name, secured.authority.certificate]

    def said(jwt: str) -> str:
        done = subprocess.run([*arguments, jwt], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
        first, rest = done.stdout.split("\n", 1)
        assert first.endswith("token from a function")
        return rest

    assert said(token("ada")) == "written\n"
    assert re.match("broker: .*the vault is closed.*`token`", said(""))


TALKATIVE = """
import os, sys
import tiderace as tr

app = tr.Application(sys.argv[1], consumer_group="talkative", consumer_config={"debug": "all"},
                     producer_config={"debug": "all"})
print(app, vars(app), app.explain())
try:
    with app.get_producer() as producer:
        producer.produce("talkative", "k", {"x": 1})
except tr.BrokerError as error:
    print("refused:", error)
"""


def talk(secured: Secured, door: str, good: bool, folder: Path) -> str:
    """What a program says that opens a door and has librdkafka tell everything."""
    told = variables(secured, door)
    if door == "MUTUAL":
        told["TIDERACE_SECURITY_KEY_LOCATION"] = str(secured.client.encrypted_key)
        told["TIDERACE_SECURITY_KEY_PASSWORD"] = KEY_PASSWORD
    if not good:
        wrong = {
            "MUTUAL": ("CA_LOCATION", str(secured.stranger.certificate)),
            "OAUTH": ("TOKEN", token("ada", -3600)),
            "KERBEROS": ("SERVICE_NAME", "nobody"),
        }
        setting, value = wrong.get(door, ("PASSWORD", "canary-wrong"))
        told[f"TIDERACE_SECURITY_{setting}"] = value
    done = subprocess.run(
        [sys.executable, "-c", TALKATIVE, secured.door(door)],
        cwd=folder,
        env=os.environ | told | {"TIDERACE_LOG": "debug"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    assert told.get("TIDERACE_SECURITY_TOKEN", "no token") not in said
    return said


def test_secrets_are_in_no_log(secured: Secured, tmp_path: Path) -> None:
    tried = [
        (door, good) for door in ("MUTUAL", "SCRAM", "PLAIN", "OAUTH", "KERBEROS") for good in (True, False)
    ]
    with ThreadPoolExecutor(len(tried)) as pool:
        found = {one: pool.submit(talk, secured, *one, tmp_path) for one in tried}
    for (door, good), said in found.items():
        assert "librdkafka" in said.result()
        assert ("refused: Kafka at" in said.result()) != good, door
        assert CANARY not in said.result(), door


class Running:
    """An application that runs in a thread of its own, and what it came to."""

    def __init__(self, app: tr.Application) -> None:
        self._app = app
        self.error: tr.Error | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._app.run()
        except tr.Error as error:
            self.error = error

    def ended(self, timeout_s: float) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *error: object) -> None:
        self._app.stop()
        assert self.ended(30)


def test_a_user_that_the_broker_does_not_know_yet_is_let_in_when_it_does(
    secured: Secured, name: str, tmp_path: Path
) -> None:
    app = application(secured, "SCRAM", name, tmp_path, security={"username": "newcomer"})
    found: list[str] = []

    def ask() -> None:
        write(app, name)
        found.append("written")

    asking = threading.Thread(target=ask)
    asking.start()
    # Long enough for a first refusal, which takes a third of a second.
    asking.join(0.6)
    secured.set_password("newcomer", PASSWORD)
    secured.allow("newcomer", "topic", name, "read", "write", "create", "describe")
    asking.join(LIMIT_S)
    assert found == ["written"]


def test_a_broker_that_is_away_is_waited_for_and_a_changed_password_is_not(
    secured: Secured, name: str, tmp_path: Path
) -> None:
    for resource, operations in RIGHTS.items():
        secured.allow("carol", resource, name, *operations)
    rows = threading.Semaphore(0)

    def service(user: str) -> Running:
        app = application(secured, "SCRAM", f"{name}-{user}", tmp_path / user, security={"username": user})
        sdf = app.dataframe(app.topic(f"{name}-input")).update(lambda row: rows.release())
        sdf.to_topic(app.topic(f"{name}-{user}"))
        return Running(app)

    open_door = tr.Application(secured.cluster.bootstrap, consumer_group="admin", state_dir=tmp_path)
    with service("ada") as ada, service("carol") as carol:
        write(open_door, f"{name}-input")
        assert rows.acquire(timeout=30)
        assert rows.acquire(timeout=30)
        secured.set_password("carol", "another")
        secured.cluster.kill()
        secured.cluster.start()
        assert carol.ended(2 * LIMIT_S)
        write(open_door, f"{name}-input")
        assert rows.acquire(timeout=60), ada.error
    assert isinstance(carol.error, tr.BrokerError)
    assert re.search("invalid credentials.*`username` and `password`", str(carol.error))
    assert ada.error is None
