"""Programs that pip can't bring: a test that needs one asks for it here."""

from __future__ import annotations

import os
import shutil

import pytest


def require(program: str) -> str:
    """Return the program's path; without it the test is skipped, or fails where REQUIRE_ALL=1."""
    path = shutil.which(program)
    if path is None:
        reason = f"needs the program `{program}`, which is not installed"
        if os.environ.get("REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
