"""Programs that pip can't bring: a test that needs one asks for it here."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

_NODE = Path(__file__).parent / "node"


def require(program: str) -> str:
    """Return the program's path; without it the test is skipped, or fails where REQUIRE_ALL=1."""
    path = shutil.which(program)
    if path is None:
        reason = f"needs the program `{program}`, which is not installed"
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def node_packages() -> Path:
    """Return the folder of the pinned npm packages, installed where they are missing."""
    npm = require("npm")
    require("node")
    with (_NODE / ".lock").open("w") as lock:
        # Several test processes may come here at once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed = _NODE / "node_modules" / ".package-lock.json"
        wanted = _NODE / "package-lock.json"
        if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
            options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            subprocess.run([npm, "ci", *options], cwd=_NODE, check=True, timeout=300)
            installed.touch()
    return _NODE
