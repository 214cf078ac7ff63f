"""A PostgreSQL for the tests of sinks."""

from collections.abc import Iterator

import pytest
from postgres_server import Postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
def postgres(server: Postgres) -> Postgres:
    """The server, with an empty database."""
    if not server.running:
        server.start()
    server.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return server
