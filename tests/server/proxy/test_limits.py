"""The steps before the relay, in their order: concurrency, rate, mounted, BYOK."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import programs
from tests.server.proxy.running import (
    Running,
    ask,
    connection,
    eventually,
    front,
    metric,
    new_id,
    request,
    seen,
)

OK = [["write", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]]
HANG = [["write", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"], ["hang"]]


async def refusal(gateway: Running, *headers: str) -> tuple[int, Any, dict[str, list[str]]]:
    status, got, body = await ask(gateway, request("/x", *headers, script=OK))
    return status, json.loads(body or b"null"), got


@pytest.fixture(scope="module")
def strict(upstream: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A passthrough with every limit on."""
    log = tmp_path_factory.mktemp("strict") / "log"
    with front(
        log,
        AIBRIDGE_UPSTREAM_URL=upstream.url,
        AIBRIDGE_MAX_CONCURRENCY="2",
        AIBRIDGE_RATE_LIMIT="3",
        AIBRIDGE_ALLOW_BYOK="false",
        AIBRIDGE_TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8",
    ) as server:
        yield server


async def test_over_the_concurrency_limit_a_request_is_refused_until_a_place_is_free(
    strict: Running, upstream: Running
) -> None:
    name = new_id()
    async with connection(strict) as (_, one), connection(strict) as (_, two):
        for writer in (one, two):
            writer.write(request("/x", "X-Api-Key: c1", f"X-Id: {name}", script=HANG))
        await eventually(lambda: strict.json("/_state")["taken"] == 2)
        status, error, headers = await refusal(strict, "X-Api-Key: c2")
        message = "AI Bridge is currently at capacity. Please try again later."
        assert (status, error) == (503, {"message": message})
        assert headers["x-ratelimit-remaining"] == ["3"]
    await eventually(lambda: strict.json("/_state")["taken"] == 0)
    assert (await refusal(strict, "X-Api-Key: c2"))[0] == 200
    assert metric(strict, 'aibridge_passthrough_refused_total{reason="concurrency"}') == 1


async def test_over_the_rate_limit_a_caller_is_refused_and_told_when_to_come_back(
    strict: Running, upstream: Running
) -> None:
    name = new_id()
    for remaining in ("2", "1", "0"):
        status, _, headers = await refusal(strict, "Authorization: bearer  r1")
        assert (status, headers["x-ratelimit-remaining"]) == (200, [remaining])
        assert headers["x-ratelimit-limit"] == ["3"]
        assert abs(int(headers["x-ratelimit-reset"][0]) - time.time()) < 3
    status, error, headers = await refusal(strict, "Authorization: Bearer r1", f"X-Id: {name}")
    message = "You've been rate limited. Please try again later."
    assert (status, error) == (429, {"message": message})
    assert headers["retry-after"] == ["1"]
    assert headers["x-ratelimit-remaining"] == ["0"]
    assert (await refusal(strict, "X-Api-Key: r2"))[0] == 200
    assert seen(upstream, name) is None
    await asyncio.sleep(1.0)
    assert (await refusal(strict, "Authorization: Bearer r1"))[0] == 200


async def test_without_a_token_the_address_behind_a_trusted_proxy_counts(strict: Running) -> None:
    for hops in ("2001:db8::1", "2001:db8::ffff:2, 10.1.2.3", "forged, 2001:db8::3"):
        assert (await refusal(strict, f"X-Forwarded-For: {hops}"))[0] == 200
    assert (await refusal(strict, "X-Forwarded-For: 2001:db8::4"))[0] == 429
    assert (await refusal(strict, "X-Forwarded-For: 2001:db8:0:1::1"))[0] == 200


async def test_an_own_key_is_refused_where_that_is_off(strict: Running, upstream: Running) -> None:
    name = new_id()
    token = "X-Coder-AI-Governance-Token: "
    status, error, _ = await refusal(strict, token + "t", "X-Api-Key: b1", f"X-Id: {name}")
    assert (status, error) == (
        403,
        {
            "message": "Bring Your Own Key (BYOK) mode is not enabled.",
            "detail": "Contact your administrator to enable it with AIBRIDGE_ALLOW_BYOK=true.",
        },
    )
    assert seen(upstream, name) is None
    assert (await refusal(strict, token, "X-Api-Key: b1"))[0] == 200


async def test_without_an_upstream_nothing_is_mounted_but_limits_hold(tmp_path: Path) -> None:
    with front(tmp_path / "log", AIBRIDGE_RATE_LIMIT="1", AIBRIDGE_ALLOW_BYOK="false") as gateway:
        byok = "X-Coder-AI-Governance-Token: t"
        status, error, headers = await refusal(gateway, byok)
        assert (status, error) == (404, {"message": "aibridged handler not mounted"})
        assert headers["x-ratelimit-limit"] == ["1"]
        assert (await refusal(gateway, byok))[0] == 429


async def test_limits_are_off_by_default_and_then_say_nothing(gateway: Running) -> None:
    _, headers, _ = await ask(gateway, request("/x"))
    assert not [name for name in headers if name.startswith("x-ratelimit")]


@contextmanager
def redis(folder: Path, port: int) -> Iterator[None]:
    command = [
        programs.require("redis-server"),
        "--port",
        str(port),
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(100):
                with socket.socket() as sock:
                    if sock.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield
        finally:
            process.terminate()


async def test_replicas_share_a_limit_and_pass_requests_while_its_storage_is_away(
    upstream: Running, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    settings = {"AIBRIDGE_UPSTREAM_URL": upstream.url, "AIBRIDGE_RATE_LIMIT": "2"}
    storage = {"AIBRIDGE_LIMITS_STORAGE": f"valkey://127.0.0.1:{port}/0"}
    with (
        front(tmp_path / "one", **settings, **storage) as one,
        front(tmp_path / "two", **settings, **storage) as two,
    ):
        with redis(tmp_path, port):
            statuses = [(await refusal(replica))[0] for replica in (one, two, one, two)]
            assert statuses == [200, 200, 429, 429]
        for _ in range(4):
            status, _, headers = await refusal(one)
            assert (status, headers["x-ratelimit-remaining"]) == (200, ["2"])
        assert metric(one, "aibridge_limits_storage_failures_total") == 4
        assert one.log.read_text().count("rate limit storage is away") == 1
