"""The gateway's WebSockets speak RFC 6455 and RFC 7692: Autobahn's cases, run by kosoku."""

import json
import subprocess
import sys
from pathlib import Path

ECHO = Path(__file__).resolve().parents[3] / "build/tests/cpp/gateway/gateway_echo"
# In a process of its own: it puts a pkg_resources of its own before others. That ends without a teardown:
# 2 of 60 times kosoku's threads aborted it then.
CASES = """
import asyncio, json, os, sys
from kosoku import FailureError, run_fuzzingclient
try:
    results = asyncio.run(run_fuzzingclient(f"127.0.0.1:{sys.argv[1]}", concurrency=4))
except FailureError as failure:
    results = failure.results
told = [(each.case_id, str(each.behavior), str(each.behavior_close)) for each in results]
print(json.dumps(told), flush=True)
os._exit(0)
"""
GOOD = {"OK", "NON-STRICT", "NON_STRICT", "INFORMATIONAL"}


def test_autobahn() -> None:
    with subprocess.Popen([ECHO], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        port = server.stdout.readline().strip()
        try:
            command = [sys.executable, "-c", CASES, port]
            ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        finally:
            server.kill()
    results = json.loads(ran.stdout.splitlines()[-1])
    assert len(results) == 517
    # Anything else, such as UNIMPLEMENTED, is not good enough.
    wrong = [
        result for result in results if not GOOD.issuperset(each.rpartition(".")[2] for each in result[1:])
    ]
    assert wrong == []
