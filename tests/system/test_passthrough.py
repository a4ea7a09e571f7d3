"""The passthrough in the real process, beside everything else that it serves."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.server.proxy.running import Running, new_id, seen
from tests.server.proxy.running import running as upstream_process
from tests.system.serving import serving

BASE = "/api/v2/aibridge"


async def test_the_product_relays_what_its_own_endpoints_do_not_take(
    shared_database_url: str, tmp_path: Path
) -> None:
    """Two processes: settings reach both, and their metrics are added up."""
    with upstream_process("tests.server.proxy.upstream", tmp_path / "upstream") as upstream:
        settings = {
            "AIBRIDGE_UPSTREAM_URL": upstream.url,
            "AIBRIDGE_WORKERS": "2",
            "AIBRIDGE_METRICS": "true",
            "AIBRIDGE_RATE_LIMIT": "100",
            "AIBRIDGE_TRUSTED_PROXIES": "127.0.0.1,10.0.0.0/8",
        }
        async with (
            serving(shared_database_url, tmp_path, **settings) as served,
            httpx.AsyncClient(base_url=served.address, timeout=10) as client,
        ):
            await _ask_everything(client, upstream)


async def _ask_everything(client: httpx.AsyncClient, upstream: Running) -> None:
    name = new_id()
    relayed = await client.post(f"{BASE}/sessions", headers={"x-id": name}, content=b"{}")
    assert (relayed.status_code, len(relayed.headers.get_list("date"))) == (200, 1)
    assert relayed.headers["x-ratelimit-limit"] == "100"
    record = seen(upstream, name)
    assert record is not None
    assert record["head"].startswith("POST /sessions HTTP/1.1\r\n")

    ours = await client.get(f"{BASE}/sessions", headers={"x-id": f"{name}-2"})
    assert (ours.status_code, len(ours.headers.get_list("date"))) == (401, 1)
    assert "x-ratelimit-limit" not in ours.headers
    assert seen(upstream, f"{name}-2") is None

    for _ in range(8):
        await client.get(f"{BASE}/anthropic/v1/models", headers={"connection": "close"})
    page = (await client.get("/metrics")).text
    assert 'aibridge_requests_total{route="api",status="200"} 9.0' in page
    assert 'aibridge_requests_total{route="api",status="401"} 1.0' in page
