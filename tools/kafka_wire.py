"""Asks a Kafka broker three questions in its own protocol, for which no client library is needed.

A request is its length (4 bytes), then a header of key, version, correlation id and client id, then its body.
An answer is its length, the correlation id and its body. Numbers are big-endian; a string is a length of 2
bytes, -1 for none, and its text.
"""

import itertools
import socket
import struct
from typing import Any

METADATA = 3
API_VERSIONS = 18
DESCRIBE_QUORUM = 55

_CLIENT = b"tiderace"
_LIMIT_BYTES = 1 << 20
_correlation_ids = itertools.count(1)


def ask(address: str, key: int, version: int, body: bytes = b"", timeout_s: float = 5) -> bytes:
    """The body of the answer to one request, on a connection of its own; OSError if there is none."""
    host, _, port = address.rpartition(":")
    correlation_id = next(_correlation_ids)
    request = struct.pack(">hhih", key, version, correlation_id, len(_CLIENT)) + _CLIENT + body
    with socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as stream:
            length, answered_id = unpack(">ii", stream.read(8))
            if answered_id != correlation_id or not 4 <= length <= _LIMIT_BYTES:
                raise ConnectionError(f"{address} does not answer as Kafka does")
            return stream.read(length - 4)


def unpack(layout: str, answer: bytes, at: int = 0) -> tuple[Any, ...]:
    """`struct.unpack_from`, where an answer that is too short is an OSError like any other fault of it."""
    try:
        return struct.unpack_from(layout, answer, at)
    except struct.error as error:
        raise ConnectionError(f"an answer of {len(answer)} bytes is too short") from error


def api_versions(address: str) -> dict[int, tuple[int, int]]:
    """The requests that the broker understands: key to lowest and highest version. OSError without answer."""
    answer = ask(address, API_VERSIONS, 0)
    error, count = unpack(">hi", answer)
    if error:
        raise ConnectionError(f"{address} answers ApiVersions with error {error}")
    found = {}
    for index in range(count):
        key, lowest, highest = unpack(">hhh", answer, 6 + 6 * index)
        found[key] = (lowest, highest)
    return found


def brokers_known(address: str) -> set[int]:
    """The nodes that this broker knows to be up. OSError if it does not answer."""
    answer = ask(address, METADATA, 1, struct.pack(">i", 0))  # about no topic
    (count,) = unpack(">i", answer)
    nodes, at = set(), 4
    for _ in range(count):
        # node, host, port, rack
        node, host_length = unpack(">ih", answer, at)
        at += 6 + host_length + 4
        (rack_length,) = unpack(">h", answer, at)
        at += 2 + max(rack_length, 0)
        nodes.add(node)
    return nodes


def quorum_leader(address: str) -> int:
    """The node that is the controller. OSError if the broker does not answer."""
    # A later form of requests: in front of the body a byte for no tags, lengths of texts and arrays one more
    # than they are. Asked for: one topic with one partition, 0.
    topic = b"__cluster_metadata"
    body = b"\0" + b"\2" + bytes([len(topic) + 1]) + topic + b"\2" + struct.pack(">i", 0) + b"\0\0\0"
    answer = ask(address, DESCRIBE_QUORUM, 0, body)
    # tags, error, one topic with its name, one partition: index, error, leader
    error, partition_error, leader = unpack(f">xhxx{len(topic)}xx4xhi", answer)
    if error or partition_error:
        raise ConnectionError(f"{address} answers DescribeQuorum with error {error or partition_error}")
    return int(leader)
