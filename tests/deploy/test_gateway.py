"""The gateway, started with the files of compose and chart, but for ports, certificates and the broker."""

import asyncio
import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from chart import CASES, DEPLOY, dashboard_metrics, environment, of_kind, rendered
from gateway_support import Gateway, receive
from observer import Observer, free_port, until
from test_compose import SECRETS
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

TOKEN = "sixteen-characters-or-more"
FILES = {"compose": (DEPLOY / "compose/gateway.toml").read_text()} | {
    f"{case}-{name}": text
    for case in CASES
    if "-gateway\n" in rendered(case)
    for name, text in of_kind(case, "ConfigMap", "-gateway")["data"].items()
}
CHART = [name for name in FILES if name != "compose"]


@pytest.fixture(scope="session")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pods have under /etc/tiderace: a certificate, and the key of signed tokens."""
    folder = tmp_path_factory.mktemp("etc")
    for part in ("tls", "jwt"):
        (folder / part).mkdir()
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    words += ["-subj", "/CN=localhost", "-keyout", "tls/tls.key", "-out", "tls/tls.crt"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    words = ["openssl", "x509", "-in", "tls/tls.crt", "-pubkey", "-noout", "-out", "jwt/public.pem"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    return folder


@contextmanager
def started(name: str, folder: Path, mounted: Path) -> Iterator[tuple[Gateway, int]]:
    """That gateway, and the port of its metrics."""
    lines = FILES[name].replace("/etc/tiderace", str(mounted)).splitlines()
    port = free_port()
    config = "\n".join(
        f"metrics_port = {port}" if line.startswith("metrics_port") else line
        for line in lines
        if not line.startswith("listen")
    )
    case = next((case for case in CASES if name.startswith(case)), None)
    variables = environment(case, "gateway") if case else dict.fromkeys(SECRETS)
    tokens = {variable: f"{TOKEN}-{variable}" for variable in variables if "TOKEN" in variable}
    gateway = Gateway(folder, f"embedded:{folder}/log", config, **tokens)
    try:
        yield gateway, port
        gateway.stop()
    finally:
        gateway.kill()


@pytest.mark.parametrize("name", FILES)
def test_it_starts_and_is_ready(name: str, tmp_path: Path, mounted: Path) -> None:
    with started(name, tmp_path, mounted) as (gateway, port):
        assert gateway.tls == ("[tls]" in FILES[name])
        observer = Observer()
        observer.port = port
        for path in ("/healthz", "/readyz", "/metrics"):
            until(lambda path=path: observer.get(path)[0] == 200)


def test_the_dashboard_shows_all_that_a_gateway_serves(tmp_path: Path, mounted: Path) -> None:
    with started("compose", tmp_path, mounted) as (_, port):
        observer = Observer()
        observer.port = port
        until(lambda: observer.get("/metrics")[0] == 200)
        served = set(re.findall(r"^# TYPE (\w+)", observer.get("/metrics")[1], re.MULTILINE))
    shown = {name for name in dashboard_metrics() if name.startswith("tiderace_gateway_")}
    assert {name.removesuffix("_bucket") for name in shown} == {
        name for name in served if name.startswith("tiderace_gateway_")
    }


def post(gateway: Gateway, origin: str, token: str) -> int:
    """The status of a row that a page of `origin` sends."""
    headers = {"Origin": origin, "Authorization": f"Bearer {token}", "Host": "riders.example.org"}
    request = urllib.request.Request(
        gateway.url("phone-data?key=rider-1", "http"), json.dumps({"gForceX": 1}).encode(), headers
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_browser_gets_in_behind_the_ingress(tmp_path: Path, mounted: Path) -> None:
    """It says https, since the Ingress ends TLS; the gateway hears plain HTTP."""
    (name,) = [name for name in CHART if name.startswith("gateway-ingress")]
    with started(name, tmp_path, mounted) as (gateway, _):
        assert post(gateway, "https://riders.example.org", f"{TOKEN}-GATEWAY_TOKEN_0") == 200
        assert post(gateway, "https://elsewhere.example.org", f"{TOKEN}-GATEWAY_TOKEN_0") == 403


def test_a_dashboard_reads_behind_the_ingress(tmp_path: Path, mounted: Path) -> None:
    (name,) = [name for name in CHART if name.startswith("gateway-ingress")]

    async def read(gateway: Gateway, origin: Origin) -> dict[str, Any]:
        # As a browser does, which cannot set headers.
        words = [Subprotocol("tiderace.v1"), Subprotocol(f"tiderace.token.{TOKEN}-GATEWAY_TOKEN_1")]
        async with gateway.connect("alerts?from=latest", origin=origin, subprotocols=words) as socket:
            hello: dict[str, Any] = await receive(socket)
            return hello

    with started(name, tmp_path, mounted) as (gateway, _):
        assert "hello" in asyncio.run(read(gateway, Origin("https://riders.example.org")))
        with pytest.raises(InvalidStatus) as refused:
            asyncio.run(read(gateway, Origin("https://elsewhere.example.org")))
    assert b"the origin is not allowed" in bytes(refused.value.response.body or b"")
