"""The gateway's WebSockets speak RFC 6455 and RFC 7692: Autobahn's cases, run by kosoku."""

import asyncio
import subprocess
from pathlib import Path

from kosoku import run_fuzzingclient

ECHO = Path(__file__).resolve().parents[3] / "build/tests/cpp/gateway/gateway_echo"

GOOD = {"OK", "NON-STRICT", "NON_STRICT", "INFORMATIONAL"}


def test_autobahn() -> None:
    with subprocess.Popen([ECHO], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        port = int(server.stdout.readline())
        try:
            results = asyncio.run(run_fuzzingclient(f"127.0.0.1:{port}", concurrency=4))
        finally:
            server.kill()
    assert len(results) == 517
    # Anything else, such as UNIMPLEMENTED, is not good enough.
    wrong = [
        (result.case_id, verdict)
        for result in results
        for verdict in (str(result.behavior), str(result.behavior_close))
        if verdict.rpartition(".")[2] not in GOOD
    ]
    assert wrong == []
