from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from server import metrics
from server.metrics import Counted
from server.settings import load_settings

DOCUMENT = (Path(__file__).parents[2] / "docs" / "proxy.md").read_text()


def ours() -> list[str]:
    return sorted(
        family.name + ("_total" if family.type == "counter" else "")
        for family in REGISTRY.collect()
        if family.name.startswith("aibridge_")
    )


def counted(route: str, status: str) -> float:
    labels = {"route": route, "status": status}
    return REGISTRY.get_sample_value("aibridge_requests_total", labels) or 0.0


@pytest.mark.parametrize("name", ours())
def test_every_metric_is_described(name: str) -> None:
    assert DOCUMENT.count(f"| `{name}` |") == 1


async def test_requests_are_counted_by_class_of_route_and_status() -> None:
    app = Counted(Starlette(routes=[Route("/graphql", lambda _: PlainTextResponse("x"))]))
    before = counted("graphql", "200"), counted("other", "404"), counted("api", "404")
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for path in ("/graphql", "/any/path", "/api/v2/aibridge/any/path"):
            await client.get(path)
    after = counted("graphql", "200"), counted("other", "404"), counted("api", "404")
    assert after == (before[0] + 1, before[1] + 1, before[2] + 1)


@pytest.mark.parametrize(
    ("kind", "message", "label"),
    [
        ("websocket", {"type": "websocket.accept"}, "101"),
        ("websocket", {"type": "websocket.close"}, "403"),
        ("websocket", {"type": "websocket.http.response.start", "status": 429}, "429"),
        ("http", {"type": "http.response.start", "status": 299}, "other"),
        ("http", None, "none"),
    ],
)
async def test_status_labels_are_few(kind: str, message: Any, label: str) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        if message:
            await send(message)

    async def nothing(*_: Any) -> Any:
        return None

    route = "api-websocket" if kind == "websocket" else "api"
    before = counted(route, label)
    await Counted(app)({"type": kind, "path": "/api/v2/aibridge/x"}, nothing, nothing)
    assert counted(route, label) == before + 1


def test_the_page_is_there_only_where_it_is_wanted() -> None:
    assert metrics.routes(load_settings()) == []
    assert len(metrics.routes(load_settings(metrics=True))) == 1
