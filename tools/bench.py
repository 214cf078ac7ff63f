"""Runs the benchmarks of build/bench and keeps what they measured in bench/results/NAME.json.

A result file is google-benchmark's JSON with two members more: `machine` and `versions`.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXECUTABLES = ROOT / "build" / "bench"
RESULTS = ROOT / "bench" / "results"
LIBRARIES = (
    "librocksdb-dev",
    "libsqlite3-dev",
    "libxgboost-dev",
    "libre2-dev",
    "libfmt-dev",
    "libbenchmark-dev",
)


def output_of(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def first_match(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1].strip() if found else ""


def machine() -> dict[str, object]:
    return {
        "cpu": first_match(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text()) or platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
    }


def versions() -> dict[str, str]:
    cmake = (ROOT / "CMakeLists.txt").read_text()
    cache = (ROOT / "build" / "CMakeCache.txt").read_text()
    compiler = first_match(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache)
    found = {
        "tiderace": first_match(r"project\(tiderace VERSION ([0-9.]+)", cmake),
        "commit": output_of("git", "describe", "--always", "--dirty"),
        "compiler": output_of(compiler, "--version").split("\n")[0],
        "build_type": first_match(r"^CMAKE_BUILD_TYPE:\w+=(.*)$", cache),
    }
    listed = output_of("dpkg-query", "-W", "-f", "${Package} ${Version}\n", *LIBRARIES)
    return found | dict(line.split(" ") for line in listed.splitlines())


def run(executable: Path, arguments: list[str]) -> None:
    name = executable.name.removesuffix("_bench")
    written = RESULTS / f"{name}.json.tmp"
    print(f"== {name}", flush=True)
    subprocess.run(
        [executable, f"--benchmark_out={written}", "--benchmark_out_format=json", *arguments], check=True
    )
    result = json.loads(written.read_text())
    result["context"].pop("host_name", None)
    result["machine"] = machine()
    result["versions"] = versions()
    written.write_text(json.dumps(result, indent=1) + "\n")
    written.rename(RESULTS / f"{name}.json")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a benchmark, for example json (default: all)"
    )
    parser.add_argument("--filter", metavar="REGEX", help="only the cases whose name matches")
    parser.add_argument("--repetitions", type=int, metavar="N", help="measure each case N times")
    parser.add_argument("--min-time", type=float, metavar="SECONDS", help="for each case at least this long")
    options = parser.parse_args()

    executables = {path.name.removesuffix("_bench"): path for path in sorted(EXECUTABLES.glob("*_bench"))}
    unknown = sorted(set(options.names) - set(executables))
    if unknown:
        print(f"bench: there is no {', '.join(unknown)}; there are {', '.join(executables)}", file=sys.stderr)
        return 2
    arguments = []
    if options.filter:
        arguments.append(f"--benchmark_filter={options.filter}")
    if options.repetitions:
        arguments.append(f"--benchmark_repetitions={options.repetitions}")
    if options.min_time:
        arguments.append(f"--benchmark_min_time={options.min_time}")
    RESULTS.mkdir(exist_ok=True)
    for name in options.names or executables:
        run(executables[name], arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
