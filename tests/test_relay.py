"""Relay's own compiler takes the schema: it can page through every list and refetch every Node."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.programs import node_packages, require

SCHEMA = Path(__file__).parents[1] / "schema.graphql"

# Eight connections in both directions, and the seven Node types.
FRAGMENTS = 23


def test_relay_pages_through_every_connection_and_refetches_every_node(tmp_path: Path) -> None:
    done = subprocess.run(
        [require("node"), "relay_check.mjs", SCHEMA, tmp_path],
        cwd=node_packages(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= FRAGMENTS
