"""Tokens that others sign: whom they let in, to what, and for how long."""

import asyncio
import base64
import hashlib
import hmac
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gateway_support import Gateway, post, receive, rest_of
from websockets.exceptions import InvalidStatus

Start = Callable[..., Gateway]
Sign = Callable[..., str]
TOPICS = "[topics]\nphone-data = {}\nalerts = {}\n"
SECRET = "a canary of thirty-two bytes, or more"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(algorithm: str, claims: dict[str, Any]) -> str:
    head = {"alg": algorithm, "typ": "JWT"}
    return ".".join(encoded(json.dumps(part).encode()) for part in (head, claims))


def claims_of(lives_s: float, **more: Any) -> dict[str, Any]:
    return {
        "sub": "anna",
        "iss": "https://accounts.example.org",
        "aud": "tiderace",
        "exp": int(time.time() + lives_s),
        "write": ["phone-*"],
        "read": ["alerts"],
        "keys": ["rider-1"],
        **more,
    }


def sign_with_secret(lives_s: float, secret: str = SECRET, **more: Any) -> str:
    text = unsigned("HS256", claims_of(lives_s, **more))
    return f"{text}.{encoded(hmac.digest(secret.encode(), text.encode(), hashlib.sha256))}"


@pytest.fixture(params=["HS256", "RS256"])
def signed(request: pytest.FixtureRequest, start_gateway: Start, tmp_path: Path) -> tuple[Gateway, Sign]:
    """A gateway, and what signs for it."""
    claims = 'issuer = "https://accounts.example.org"\naudience = "tiderace"\n'
    jwt = f'{TOPICS}[jwt]\nalgorithm = "{request.param}"\n{claims}'
    if request.param == "HS256":
        return start_gateway(jwt + 'key_env = "JWT_SECRET"\n', JWT_SECRET=SECRET), sign_with_secret
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", public)

    def sign(lives_s: float, **more: Any) -> str:
        text = unsigned("RS256", claims_of(lives_s, **more))
        return f"{text}.{encoded(openssl('dgst', '-sha256', '-sign', private, given=text.encode()))}"

    return start_gateway(jwt + 'key_file = "public.pem"\n'), sign


def openssl(*arguments: str | Path, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=given, check=True, capture_output=True).stdout


def bearer(token: str) -> dict[str, dict[str, str]]:
    return {"additional_headers": {"Authorization": f"Bearer {token}"}}


def status_of(gateway: Gateway, target: str, token: str) -> int:
    async def shake() -> int:
        try:
            async with gateway.connect(target, **bearer(token)):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    return asyncio.run(shake())


def test_a_signed_token_lets_in_to_what_it_says(signed: tuple[Gateway, Sign]) -> None:
    gateway, sign = signed
    token = sign(3600)

    async def write() -> Any:
        async with gateway.connect("phone-data", **bearer(token)) as socket:
            await receive(socket)
            await socket.send('{"x":1}')
            return await receive(socket)

    assert asyncio.run(write())["ack"] == 1
    (record,) = gateway.app.get_reader("phone-data", until_end=True)
    assert record.key == b"rider-1"
    for target, status in (
        ("phone-data?key=rider-1", 101),
        ("alerts?from=latest", 101),
        ("alerts?from=latest&key=rider-1", 101),
        ("phone-data?key=rider-2", 403),
        ("alerts?key=rider-1", 403),
        ("phone-data?from=latest", 403),
        ("alerts?from=latest&key=rider-2", 403),
    ):
        assert status_of(gateway, target, token) == status, target
    assert post(gateway, f"phone-data?token={token}", b'{"x":2}')[0] == 200
    assert token.rsplit(".", 1)[1] not in gateway.stop()


def test_a_token_that_is_none_is_refused(signed: tuple[Gateway, Sign]) -> None:
    gateway, sign = signed
    sound = sign(3600)
    for token in (
        "",
        sign(-60),  # expired
        sign(3600, nbf=int(time.time() + 600)),
        sign(3600, iss="https://elsewhere.example.org"),
        sign(3600, aud="others"),
        sign_with_secret(3600, "another secret of thirty-two bytes"),
        unsigned("none", claims_of(3600)) + ".",
        sound.rsplit(".", 1)[0] + ".",
        sound[:60] + ("A" if sound[60] != "A" else "B") + sound[61:],
    ):
        assert status_of(gateway, "phone-data", token) == 401, token
    assert status_of(gateway, "phone-data", sound) == 101


@pytest.mark.parametrize("target", ["phone-data", "alerts?from=latest"])
def test_a_socket_ends_with_its_token(start_gateway: Start, target: str) -> None:
    gateway = start_gateway(
        TOPICS + '[jwt]\nalgorithm = "HS256"\nkey_env = "JWT_SECRET"\n', JWT_SECRET=SECRET
    )

    async def outlive() -> None:
        async with (
            gateway.connect(target, **bearer(sign_with_secret(-2))) as short,
            gateway.connect(target, **bearer(sign_with_secret(3600))) as long,
        ):
            await receive(long)
            begin = time.monotonic()
            messages, code, reason = await rest_of(short)
            assert len(messages) == 1  # the hello
            assert (code, reason) == (1008, "the token has expired")
            assert time.monotonic() - begin < 10
            pong = await long.ping()
            await asyncio.wait_for(pong, 60)

    asyncio.run(outlive())
