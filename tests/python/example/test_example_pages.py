"""The pages that the crash detection example serves: certificate, tokens, QR code."""

import json
import math
import re
import socket
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import demo
import pytest
import segno
import serve
import train
from gateway_support import TIMEOUT, Gateway
from processes import TOPICS, Pipeline
from websockets.sync.client import connect

Start = Callable[..., Gateway]


def test_the_certificate_of_the_demo_holds_for_the_machine(tmp_path: Path) -> None:
    folder = tmp_path / ".demo"
    authority = serve.make_authority(folder)
    first = authority.read_bytes()
    assert serve.make_authority(folder).read_bytes() == first, "phones would have to trust another one"
    for name in ("192.168.1.20", "10.0.0.7"):
        certificate, key = serve.make_certificate(folder, [name])
        verifying = ["openssl", "verify", "-x509_strict", "-CAfile", str(authority), "-purpose", "sslserver"]
        subprocess.run([*verifying, "-verify_ip", name, certificate], check=True, capture_output=True)
        assert {path.stat().st_mode & 0o077 for path in (folder, folder / "ca.key", key)} == {0}


def test_the_pages_are_served_with_tls_to_who_has_a_token(
    start_gateway: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "phone.html").write_text("the phone page")
    monkeypatch.setattr(serve, "PAGES", tmp_path / "dist")
    authority = serve.make_authority(tmp_path / ".demo")
    certificate, key = serve.make_certificate(tmp_path / ".demo", serve.addresses())
    made = serve.configuration(0, certificate, key, "token-of-the-phones", "token-of-the-dashboard")
    gateway = start_gateway(made.replace('listen = "0.0.0.0:0"\n', "") + TOPICS)
    context = ssl.create_default_context(cafile=str(authority))
    page = f"https://127.0.0.1:{gateway.port}/phone.html"
    with urllib.request.urlopen(page, context=context) as answer:
        assert answer.read() == b"the phone page"

    def post(token: str) -> int:
        url = gateway.url(f"phone-data?key=a&token={token}", scheme="http")
        try:
            with urllib.request.urlopen(url, data=b'{"x": 1}', context=context) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert [post(f"token-of-the-{who}") for who in ("phones", "dashboard", "thieves")] == [200, 403, 401]


def test_serving_wants_its_pages_and_its_port_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "PAGES", tmp_path)
    with pytest.raises(SystemExit, match=r"no pages in .*; ./dev web builds them"):
        serve.check(0)
    (tmp_path / "index.html").touch()
    serve.check(0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=f"port {port} is not to be had"):
            serve.check(port)


def modules(printed: str) -> list[list[int]]:
    """What a phone sees of a QR code in half blocks: 1 where it is dark, without its border of two."""
    halves = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}  # white on black, so that blocks are light
    lines = [[halves[character] for character in line] for line in printed.splitlines()]
    rows = [[pair[half] for pair in line] for line in lines for half in (0, 1)]
    side = len(rows[0])
    assert not any(rows[0] + rows[1] + rows[side - 1] + rows[side - 2]), "phones want a light border"
    return [row[2:-2] for row in rows[2 : side - 2]]


def test_a_qr_code_in_half_blocks() -> None:
    text = "https://192.168.1.20:8443/phone.html#token=x"
    printed = serve.qr_code(text)
    assert max(map(len, printed.splitlines())) <= 60
    assert modules(printed) == [list(row) for row in segno.make(text, error="l", micro=False).matrix]


class Visited(Pipeline):
    """Ends what is served as Ctrl-C would, as soon as somebody who has `visit` has looked at it."""

    visit: Callable[[int], None]

    def arriving(self, until_s: float, all_up: bool = True) -> Iterator[Any]:
        assert (until_s, all_up) == (math.inf, True)
        self.visit(int(self.gateway_url.rpartition(":")[2]))
        self.check()
        raise KeyboardInterrupt


def test_what_the_demo_serves_is_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "phone.html").write_text("the phone page")
    monkeypatch.setattr(serve, "PAGES", tmp_path / "dist")
    monkeypatch.setattr(serve, "AUTHORITY", tmp_path / ".demo")
    monkeypatch.setattr(serve, "addresses", lambda: ["127.0.0.1"])
    configuration = serve.configuration
    here = "127.0.0.1:"  # in place of the local network
    monkeypatch.setattr(serve, "configuration", lambda *all: configuration(*all).replace("0.0.0.0:", here))
    train.train(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def visit(at: int) -> None:
        assert at == port
        said = capsys.readouterr().out
        page = re.search(r"^phone page +(\S+)$", said, re.M)
        dashboard = re.search(r"^dashboard +(\S+)$", said, re.M)
        assert page
        assert dashboard
        assert page[1].startswith(f"https://127.0.0.1:{port}/phone.html#token=")
        seen = modules(re.split(r"^phone page", said, flags=re.M)[0].rstrip("\n"))
        assert seen == [list(row) for row in segno.make(page[1], error="l", micro=False).matrix]
        authority = re.search(r"bring (\S+) to it", said)
        assert authority
        context = ssl.create_default_context(cafile=authority[1])
        with urllib.request.urlopen(page[1], context=context, timeout=TIMEOUT) as answer:
            assert answer.read() == b"the phone page"
        write, alerts = (urllib.parse.urldefrag(url[1]).fragment for url in (page, dashboard))
        base = f"127.0.0.1:{port}/v1/topics"
        row = b'{"timestamp": 1700000000000, "gForceX": 1.5, "gForceY": 9.5, "gForceZ": 0.5}'
        with urllib.request.urlopen(
            f"https://{base}/phone-data?key=ann&{write}", row, TIMEOUT, context=context
        ):
            pass
        # The service is up, too.
        with connect(f"wss://{base}/alerts?from=earliest&{alerts}", ssl=context, proxy=None) as socket:
            found: list[dict[str, Any]] = []
            while not found:
                found = json.loads(socket.recv(TIMEOUT)).get("records", [])
        assert [(record["key"], record["value"]["gForceTotal"]) for record in found] == [("ann", 11.5)]

    with Visited(demo.parse([]), tmp_path, f"embedded:{tmp_path / 'log'}") as pipeline:
        pipeline.visit = visit
        pipeline.publish()
        pipeline.start_gateway()
        pipeline.gateway_url = ""
        serve.serve(pipeline, port)
