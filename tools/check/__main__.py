"""Runs every check of the sources and prints what is wrong; exit status 1 if anything is.

Usage: .venv/bin/python tools/check [NAME...]    (all checks, or those named)
"""

import sys
import time

import checks
import documents
import formatting
import layers
import modules
import sizes
import typed

CHECKS: dict[str, checks.Check] = {
    "formatting": formatting.check,
    "layers": layers.check,
    "sizes": sizes.check,
    "modules": modules.check,
    "documents": documents.check,
    "typed": typed.check,
    "tests": checks.check_own_tests,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        print(f"check: unknown check {', '.join(unknown)}; there are {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    tree = checks.Tree.of_repository()
    failed = 0
    for name in names or CHECKS:
        started = time.monotonic()
        problems = CHECKS[name](tree)
        seconds = time.monotonic() - started
        print(f"check {name}: {f'{len(problems)} problems' if problems else 'ok'} ({seconds:.1f} s)")
        for problem in problems:
            print(f"  {problem}")
        failed += bool(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
