"""What `make bench` runs, one after the other: `python -m bench.all 100k`.

The databases are made at their first use and kept; making one of a million takes minutes.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench.data import SIZES

_ROOT = Path(__file__).parents[1]


def main(size: str) -> int:
    """Run each benchmark as a process of its own; return how many failed."""
    if size not in SIZES:
        print(f"SIZE={size} must be one of {', '.join(SIZES)}.", file=sys.stderr)
        return 2
    failed = 0
    steps = [
        ("data", size),
        ("growth", size),
        ("sessions", size),
        ("sessions", size, "--grouped"),
        ("sessions", size, "--pairs"),
        ("graphql", size, "2"),
        ("rest", size),
        ("plots", size),
    ]
    for name, *arguments in steps:
        print(f"\n== bench.{name} {' '.join(arguments)}", flush=True)
        began = time.perf_counter()
        command = [sys.executable, "-m", f"bench.{name}", *arguments]
        code = subprocess.run(command, cwd=_ROOT, check=False).returncode
        failed += code != 0
        print(f"== {time.perf_counter() - began:.0f} s", flush=True)
    return failed


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1] if len(sys.argv) > 1 else "1m"))
