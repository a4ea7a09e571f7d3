"""What the tests of the passthrough share: an upstream, and two passthroughs to it."""

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
    with front(log, AIBRIDGE_UPSTREAM_URL=f"{upstream.url}/base") as server:
        yield server


@pytest.fixture(scope="session")
def impatient(upstream: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The same, but it waits no longer than a second for an answer."""
    log = tmp_path_factory.mktemp("impatient") / "log"
    settings = {"AIBRIDGE_UPSTREAM_URL": f"{upstream.url}/base", "AIBRIDGE_UPSTREAM_TIMEOUT": "1"}
    with front(log, **settings) as server:
        yield server
