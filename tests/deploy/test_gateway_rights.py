"""The rights on Kafka that docs/guide/security.md wants for a gateway are enough."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kafka_secured
import pytest
import tiderace as tr
from chart import ROOT
from gateway_support import Gateway, receive
from kafka_secured import PASSWORD, Secured
from observer import until

CONFIG = 'id = "{id}"\n[topics]\n{id}-in = {{}}\n{id}-out = {{}}\n'
# On the topic that is written, the one that is read, the gateway's own, and its transactional id.
RIGHTS = {
    "in": ("topic", "{id}-in", ["write", "describe", "describe configs", "create"]),
    "out": ("topic", "{id}-out", ["read", "describe", "describe configs", "create"]),
    "sequences": (
        "topic",
        "{id}-sequences",
        ["read", "write", "describe", "describe configs", "create"],
    ),
    "transactions": ("transactional id", "{id}", ["write", "describe"]),
}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with kafka_secured.secured(tmp_path_factory.mktemp("secured")) as secured:
        yield secured


def gateway(secured: Secured, folder: Path, name: str) -> Gateway:
    """As bob, who has no rights but those that he was given."""
    security = {"PROTOCOL": "SASL_PLAINTEXT", "MECHANISM": "PLAIN", "USERNAME": "bob", "PASSWORD": PASSWORD}
    variables = {f"TIDERACE_SECURITY_{name}": value for name, value in security.items()}
    return Gateway(folder, secured.door("PLAIN"), CONFIG.format(id=name), **variables)


def post(gateway: Gateway, name: str) -> int:
    target = f"{name}-in?session=phone&sequence=1"
    try:
        with urllib.request.urlopen(gateway.url(target, "http"), data=b'{"x": 1}', timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


async def first(gateway: Gateway, name: str) -> Any:
    async with gateway.connect(f"{name}-out?from=earliest") as socket:
        assert "hello" in await receive(socket)
        return (await receive(socket))["records"][0]["value"]


def test_with_its_rights_it_stores_and_reads(secured: Secured, tmp_path: Path) -> None:
    for resource, name, operations in RIGHTS.values():
        secured.allow("bob", resource, name.format(id="whole"), *operations)
    there = gateway(secured, tmp_path, "whole")
    try:
        until(lambda: post(there, "whole") == 200)
        with tr.Application(secured.cluster.bootstrap, "another").get_producer() as producer:
            producer.produce("whole-out", "k", {"y": 2})
        assert asyncio.run(first(there, "whole")) == {"y": 2}
        there.stop()
    finally:
        there.kill()


def test_the_guide_has_these_rights() -> None:
    guide = (ROOT / "docs/guide/security.md").read_text()
    (table,) = [part for part in guide.split("\n\n") if "*id*`-sequences`" in part]
    rows = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[1] for line in table.splitlines()[2:]}

    def said(what: str) -> set[str]:
        (found,) = [operations for name, operations in rows.items() if what in name]
        return {operation.lower() for operation in found.removesuffix(" |").split(", ")}

    def wanted(what: str) -> set[str]:
        return {operation.replace(" ", "") for operation in RIGHTS[what][2]} - {"create"}

    assert said("clients write") == wanted("in")
    assert said("clients read") == wanted("out")
    assert said("-sequences") == wanted("sequences")
    assert said("transactional id") == wanted("transactions")
    assert said("each of these") == {"create"}
