"""Who gets in, and what attackers get: nothing, and nobody waits for them."""

import asyncio
import http.client
import json
import re
import socket
import ssl
import subprocess
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from gateway_support import COMMAND, Attacks, Gateway, all_of, frame, receive
from observer import free_port
from websockets.exceptions import InvalidStatus

Start = Callable[..., Gateway]
TOPICS = "[topics]\nphone-data = {}\nalerts = {}\n"
PHONE, BOARD = "canary-of-the-phones", "canary-of-the-dashboard"
TOKENS = f"""
[[tokens]]
token = "{PHONE}"
subject = "phones"
write = ["phone-data"]
keys = ["rider-*"]
[[tokens]]
token = "{BOARD}"
subject = "dashboard"
read = ["alerts"]
"""


def status_of(gateway: Gateway, target: str, **options: Any) -> int:
    """What a WebSocket handshake is answered with."""

    async def shake() -> int:
        try:
            async with gateway.connect(target, **options):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    return asyncio.run(shake())


def bearer(token: str) -> dict[str, dict[str, str]]:
    return {"additional_headers": {"Authorization": f"Bearer {token}"}}


@pytest.mark.parametrize(
    ("target", "token", "status"),
    [
        ("phone-data?key=rider-1", PHONE, 101),
        ("phone-data?key_field=rider", PHONE, 101),
        ("alerts?from=latest", BOARD, 101),
        ("phone-data?key=rider-1", "", 401),
        ("phone-data?key=rider-1", PHONE + "x", 401),
        ("phone-data?key=rider-1", BOARD, 403),
        ("alerts?key=rider-1", PHONE, 403),
        ("alerts?from=latest", PHONE, 403),
        ("phone-data?from=latest", BOARD, 403),
        ("phone-data?key=anna", PHONE, 403),
        ("phone-data", PHONE, 403),
        ("gateway-sequences?from=earliest", BOARD, 404),
        ("phone-data,alerts?from=latest", BOARD, 403),
        ("..%2f..%2falerts?from=latest", BOARD, 404),
    ],
)
def test_tokens_say_what_one_may(start_gateway: Start, target: str, token: str, status: int) -> None:
    gateway = start_gateway(TOPICS + TOKENS)
    assert status_of(gateway, target, **bearer(token)) == status
    if token:
        sign = "&" if "?" in target else "?"
        assert status_of(gateway, f"{target}{sign}token={token}") == status
        protocols = {"subprotocols": ["tiderace.v1", f"tiderace.token.{token}"]}
        assert status_of(gateway, target, **protocols) == status
    assert PHONE not in gateway.stop()


def test_each_row_of_a_key_field_is_looked_at(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS + TOKENS)

    async def write() -> list[Any]:
        async with gateway.connect("phone-data?key_field=rider", **bearer(PHONE)) as socket:
            await receive(socket)
            await socket.send('[{"rider":"rider-1"},{"rider":"anna"}]')
            await socket.send('{"rider":"rider-2"}')
            return [await receive(socket), await receive(socket)]

    refused, taken = asyncio.run(write())
    assert refused == {"refused": 1, "error": 'row 2: the token does not allow the key "anna"'}
    assert taken["ack"] == 2
    assert gateway.values("phone-data") == [{"rider": "rider-2"}]


def test_subjects_have_sessions_of_their_own(start_gateway: Start) -> None:
    second = '[[tokens]]\ntoken = "canary-of-somebody-else"\nsubject = "others"\nwrite = ["phone-data"]\n'
    gateway = start_gateway(TOPICS + TOKENS + second)

    async def sequence(token: str) -> int:
        async with gateway.connect("phone-data?key=rider-1&session=s", **bearer(token)) as socket:
            hello = await receive(socket)
            await socket.send('{"x":1}')
            await receive(socket)
            return int(hello["hello"]["sequence"])

    assert asyncio.run(sequence(PHONE)) == 0
    assert asyncio.run(sequence("canary-of-somebody-else")) == 0
    assert asyncio.run(sequence(PHONE)) == 1


def test_origins(start_gateway: Start) -> None:
    gateway = start_gateway('allowed_origins = ["https://example.org"]\n' + TOPICS)
    own = f"http://127.0.0.1:{gateway.port}"
    for origin, status in (
        ("https://example.org", 101),
        (own, 101),
        ("https://evil.example", 403),
        ("null", 403),
    ):
        assert status_of(gateway, "alerts?from=latest", origin=origin) == status, origin


@pytest.mark.parametrize("target", ["GET /v1/config", "OPTIONS /v1/config", "OPTIONS /", "GET /"])
@pytest.mark.parametrize("origin", ["", "Origin: https://evil.example\r\n"])
def test_a_body_that_nobody_reads_is_no_request(start_gateway: Start, target: str, origin: str) -> None:
    gateway = start_gateway(TOPICS + '[limits]\nidle_timeout = "1s"\n')
    row = b'{"x":1}'
    hidden = (
        b"POST /v1/topics/phone-data?key=k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\n" + row
    )
    head = f"{target} HTTP/1.1\r\nHost: localhost\r\n{origin}"
    for body in (
        f"Content-Length: {len(hidden)}\r\n\r\n".encode() + hidden,
        f"Transfer-Encoding: chunked\r\n\r\n{len(hidden):x}\r\n".encode() + hidden + b"\r\n0\r\n\r\n",
    ):
        answer = all_of(Attacks(gateway).raw(head.encode() + body))
        assert answer.count(b"HTTP/1.1 ") == 1, answer
        assert b"Connection: close\r\n" in answer
    assert gateway.values("phone-data") == []


def test_pages_of_elsewhere_are_told_nothing_by_any_path(start_gateway: Start, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>hello</p>")
    allowed = 'allowed_origins = ["https://example.org"]\n'
    gateway = start_gateway(f'web_root = "{tmp_path}"\n{allowed}{TOPICS}')

    def answer(method: str, path: str, origin: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
        connection.request(method, path, headers={"Origin": origin})
        return connection.getresponse()

    for path in ("/", "/v1/config", "/v1/topics/alerts", "/nothing"):
        for method in ("GET", "OPTIONS"):
            evil = answer(method, path, "https://evil.example")
            assert not [name for name in evil.headers if name.lower().startswith("access-control-")]
            good = answer(method, path, "https://example.org")
            assert good.headers["Access-Control-Allow-Origin"] == "https://example.org"
        assert evil.status == 403
        assert good.headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert answer("GET", "/", "https://evil.example").status == 200


def test_who_asks_for_the_head_gets_no_body(start_gateway: Start, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>hello</p>")
    gateway = start_gateway(f'web_root = "{tmp_path}"\nmetrics_port = {free_port()}\n{TOPICS}')
    for port, path, length in (
        (gateway.port, "/v1/config", b"Content-Length: "),
        (gateway.port, "/", b"Content-Length: 12\r\n"),
        (gateway.port, "/nothing", b"Content-Length: "),
        (gateway.metrics_port, "/healthz", b"Content-Length: 3\r\n"),
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as asking:
            asking.sendall(f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            head, _, body = all_of(asking).partition(b"\r\n\r\n")
        assert (length in head + b"\r\n", body) == (True, b""), path


def test_metrics_are_asked_for_and_no_more(start_gateway: Start) -> None:
    gateway = start_gateway(f"metrics_port = {free_port()}\n{TOPICS}")
    hidden = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for method, status in (("GET", 200), ("POST", 405), ("OPTIONS", 405)):
        with socket.create_connection(("127.0.0.1", gateway.metrics_port), timeout=60) as asking:
            head = f"{method} /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(hidden)}\r\n\r\n"
            asking.sendall(head.encode() + hidden)
            answer = all_of(asking)
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        assert answer.count(b"HTTP/1.1 ") == 1


def test_behind_a_proxy_that_ends_tls_its_own_pages_get_in(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS + TOKENS)
    for origin, status in (("https://riders.example.org", 101), ("https://evil.example.org", 403)):
        answer = (
            Attacks(gateway)
            .raw(
                f"GET /v1/topics/alerts?from=latest&token={BOARD} HTTP/1.1\r\nHost: riders.example.org\r\n"
                f"Origin: {origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
            )
            .recv(100)
        )
        assert f" {status} ".encode() in answer


def test_a_name_that_points_here_is_no_way_in_without_tokens(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    for host, status in (("evil.example:80", 421), ("localhost:80", 426), ("[::1]:80", 426)):
        answer = (
            Attacks(gateway)
            .raw(
                f"GET /v1/topics/alerts?from=latest HTTP/1.1\r\nHost: {host}\r\n"
                f"Origin: http://{host}\r\n\r\n".encode()
            )
            .recv(100)
        )
        assert f" {status} ".encode() in answer


def test_a_handshake_for_readers_that_is_none_says_what_is_wrong(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS + TOKENS)
    for target, status, error in (
        ("alerts?from=latest", 401, "wanted a valid token"),
        (f"alerts?from=latest&token={PHONE}", 403, "does not allow to read alerts"),
        (f"alerts,nope?from=latest&token={BOARD}", 404, "there is no topic"),
        (f"alerts?from=nowhere&token={BOARD}", 400, "from: wanted latest"),
        (f"alerts?from=latest&token={BOARD}", 426, "wanted a WebSocket handshake"),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
        connection.request("GET", f"/v1/topics/{target}")
        answer = connection.getresponse()
        assert (answer.status, error in json.load(answer)["error"]) == (status, True)


def test_a_token_says_key_and_headers(start_gateway: Start) -> None:
    token = """
[[tokens]]
token = "canary-of-one-phone"
subject = "anna"
write = ["phone-data"]
keys = ["anna"]
headers = { tenant = "red", "x-source" = "phone" }
"""
    gateway = start_gateway(TOPICS + token)

    async def write() -> Any:
        target = "phone-data?header.tenant=blue&header.other=1&header_field.bike=bike&header_field.x=no"
        async with gateway.connect(target, **bearer("canary-of-one-phone")) as socket:
            await receive(socket)
            await socket.send('{"bike":"red","no":null}')
            return await receive(socket)

    assert asyncio.run(write())["ack"] == 1
    (record,) = gateway.app.get_reader("phone-data", until_end=True)
    assert record.key == b"anna"
    assert record.headers == [
        ("other", b"1"), ("tenant", b"red"), ("x-source", b"phone"), ("bike", b"red"),
    ]  # fmt: skip


def test_tls(start_gateway: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    certificate = authority.sign("gateway", "IP:127.0.0.1")
    tls = f'[tls]\ncertificate = "{certificate.certificate}"\nkey = "{certificate.key}"\n'
    gateway = start_gateway(TOPICS + tls)
    trusting = ssl.create_default_context(cafile=str(authority.certificate))

    async def write() -> Any:
        async with gateway.connect("phone-data?session=s", ssl=trusting) as socket:
            await receive(socket)
            await socket.send('{"x":1}')
            return await receive(socket)

    assert asyncio.run(write()) == {"ack": 1, "offsets": [[0, 0, 0]]}
    with (
        socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as plain,
        trusting.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as refused,
    ):
        size = 3_000_000  # over the limit: it is answered, thrown away, and the end is one of TLS
        head = f"POST /v1/topics/phone-data HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
        refused.sendall(head.encode() + b"x" * size)
        assert b" 413 " in all_of(refused)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", gateway.port)) as plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain)


@pytest.mark.parametrize(
    ("setting", "file", "reason"),
    [
        ("certificate", "none.pem", "cannot read .*none.pem; wanted a certificate"),
        ("certificate", "empty.pem", "wanted a certificate, .* found .*empty.pem: no start line"),
        ("key", "none.pem", "cannot read .*none.pem; wanted the private key"),
        ("key", "empty.pem", "wanted the private key .* found .*empty.pem: "),
        ("key", "other.key", "wanted the private key of that certificate .* key values mismatch"),
    ],
)
def test_tls_files_that_will_not_do(tmp_path: Path, setting: str, file: str, reason: str) -> None:
    authority = Authority(tmp_path / "ca")
    mine, other = authority.sign("mine", "IP:127.0.0.1"), authority.sign("other", "IP:127.0.0.1")
    (tmp_path / "empty.pem").touch()
    files = {"certificate": str(mine.certificate), "key": str(mine.key)}
    files[setting] = str(other.key if "other" in file else tmp_path / file)
    tls = "".join(f'{name} = "{path}"\n' for name, path in files.items())
    assert re.search(rf"\[tls\] {setting}: {reason}", refused(tmp_path, f"{TOPICS}[tls]\n{tls}"))


def refused(tmp_path: Path, configuration: str) -> str:
    """What a gateway says that does not start."""
    file = tmp_path / "gateway.toml"
    file.write_text(f'broker_address = "embedded:{tmp_path}/log"\nweb_root = ""\n{configuration}')
    ended = subprocess.run([COMMAND, "gateway", "--config", file], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    return ended.stderr


def works(gateway: Gateway) -> None:
    """Others are served as ever."""

    async def write() -> Any:
        async with gateway.connect("phone-data") as socket:
            await receive(socket)
            await socket.send('{"fine": true}')
            return await receive(socket)

    assert "ack" in asyncio.run(write())


LIMITS = '[limits]\nhandshake_timeout = "300ms"\nidle_timeout = "1s"\nmessage_bytes = "100kB"\n'


def test_a_handshake_that_does_not_come_is_not_waited_for(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS + LIMITS)
    attacks = Attacks(gateway)
    slow = [
        attacks.raw(b""),
        attacks.raw(b"GET /v1/topics/alerts HTTP/1.1\r\nHost: "),
        attacks.raw(b"\x16\x03\x01"),
    ]
    works(gateway)
    for connection in slow:
        assert b" 101 " not in all_of(connection)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(1, b"", length=1 << 62), 1009),
        (frame(1, b"x" * 60_000, fin=False) + frame(0, b"x" * 60_000), 1009),
        (frame(1, b'{"x":"\xff\xfe"}'), 1007),
        (frame(1, b"\xed\xa0\x80"), 1007),
        (frame(3, b"x"), 1002),
        (frame(9, b"x" * 126), 1002),
        (frame(1, b"x", rsv1=True), 1002),
        (frame(0, b"x"), 1002),
        (b"\x81\x05hello", 1002),
    ],
)
def test_frames_that_are_none_end_their_connection(start_gateway: Start, sent: bytes, code: int) -> None:
    gateway = start_gateway(TOPICS + LIMITS)
    connection = Attacks(gateway).shaken("phone-data")
    connection.sendall(sent)
    assert code.to_bytes(2, "big") in all_of(connection)
    works(gateway)
    assert gateway.values("phone-data") == [{"fine": True}]


def test_a_compression_bomb_stays_small(start_gateway: Start) -> None:
    packer = zlib.compressobj(9, wbits=-12)
    bomb = packer.compress(b'{"x":"' + b"a" * 500_000_000) + packer.flush(zlib.Z_SYNC_FLUSH)
    gateway = start_gateway(TOPICS + LIMITS)
    deflate = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    connection = Attacks(gateway).shaken("phone-data", deflate)
    status = Path(f"/proc/{gateway.process.pid}/status")
    before = int(status.read_text().split("VmHWM:")[1].split()[0])
    connection.sendall(frame(1, bomb[:90_000], rsv1=True))
    assert (1009).to_bytes(2, "big") in all_of(connection)
    assert int(status.read_text().split("VmHWM:")[1].split()[0]) - before < 20_000  # kB
    works(gateway)


def test_connections_beyond_the_limit_are_closed(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS + "[limits]\nconnections_per_address = 3\n")
    held = [Attacks(gateway).shaken("phone-data") for _ in range(3)]
    assert all_of(Attacks(gateway).raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")) == b""
    held.pop().close()
    deadline = time.monotonic() + 60
    while all_of(Attacks(gateway).raw(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")) == b"":
        assert time.monotonic() < deadline


def test_a_client_over_its_rate_is_read_more_slowly(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS + "[limits]\nmessages_per_second = 50\n")

    async def write() -> float:
        async with gateway.connect("phone-data") as connection:
            await receive(connection)
            begin = time.monotonic()
            for x in range(100):
                await connection.send(json.dumps({"x": x}))
            for x in range(100):
                assert (await receive(connection))["ack"] == x + 1
            return time.monotonic() - begin

    assert asyncio.run(write()) > 0.9  # a burst of 50, and 50 more take a second


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/./gateway.toml",
        "/..%5cgateway.toml",
        "/%00",
    ],
)
def test_paths_lead_nowhere(start_gateway: Start, tmp_path: Path, path: str) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "index.html").write_text("<p>hello</p>")
    (pages / ".secret").write_text("secret")
    gateway = start_gateway(f'web_root = "{pages}"\n{TOPICS}')
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port)
    connection.putrequest("GET", path, skip_host=False)
    connection.endheaders()
    assert connection.getresponse().status in (400, 404)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port)
    connection.request("GET", "/.secret")
    assert connection.getresponse().status == 404
    connection.close()
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"<p>hello</p>")


def test_nothing_of_a_request_is_put_into_the_log_as_it_is(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS, TIDERACE_LOG="debug")
    for target in ("/v1/topics/a%0aINJECTED", "/v1/topics/a\x1b[31mINJECTED"):
        Attacks(gateway).raw(f"GET {target} HTTP/1.1\r\nHost: INJECTED\r\n\r\n".encode()).close()
    works(gateway)
    assert "INJECTED" not in gateway.stop()


def test_a_reader_that_takes_nothing_stops_nobody(start_gateway: Start) -> None:
    gateway = start_gateway(TOPICS)
    stuck = Attacks(gateway).shaken("phone-data?from=latest")
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    async def write() -> None:
        async with gateway.connect("phone-data") as connection:
            await receive(connection)
            for x in range(100):
                await connection.send(json.dumps({"x": x, "padding": "p" * 100_000}))
                assert (await receive(connection))["ack"] == x + 1

    asyncio.run(write())
    stuck.close()


def test_a_port_in_use_is_said_before_anything_begins(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for setting, lines in (
            ("listen", f'listen = "127.0.0.1:{port}"\n'),
            ("metrics_port", f'listen = "127.0.0.1:0"\nmetrics_port = {port}\n'),
        ):
            said = refused(tmp_path, f"{lines}{TOPICS}")
            assert f"{setting}: cannot listen on 127.0.0.1 port {port}: " in said
            assert "take another port, or stop what uses it" in said
            assert not (tmp_path / "log").exists()  # nor has it taken the id from one that runs
