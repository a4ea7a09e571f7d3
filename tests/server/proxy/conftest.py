"""One upstream for all tests of the passthrough, and one passthrough with default settings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.proxy.running import Running, front, running


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("upstream") / "log"
    with running("tests.server.proxy.upstream", log) as server:
        yield server


@pytest.fixture(scope="session")
def gateway(upstream: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The passthrough to the upstream, below a path of its own, without limits."""
    log = tmp_path_factory.mktemp("gateway") / "log"
    with front(
        log, AIBRIDGE_UPSTREAM_URL=f"{upstream.url}/base", AIBRIDGE_UPSTREAM_TIMEOUT="1"
    ) as server:
        yield server
