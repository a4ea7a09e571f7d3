"""The passthrough alone behind the product's own uvicorn settings, as a process of its own.

It prints its port, then serves until SIGTERM. `GET /_state` tells of the process.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from server import logs, metrics, process
from server.dates import DateMiddleware
from server.logs import RequestLogMiddleware
from server.proxy.handler import Passthrough
from server.settings import Settings, load_settings


def _rss() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def application(settings: Settings) -> Starlette:
    passthrough = Passthrough(settings)

    async def state(_: Request) -> JSONResponse:
        tasks = len(asyncio.all_tasks())
        return JSONResponse({"taken": passthrough._slots.taken, "rss": _rss(), "tasks": tasks})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with passthrough.running():
            yield

    return Starlette(
        routes=[
            Route("/_state", state),
            *metrics.routes(settings),
            Route("/api/v2/aibridge/sessions", state, methods=["GET"]),
            *passthrough.routes(),
        ],
        middleware=[
            Middleware(DateMiddleware),
            Middleware(metrics.Counted),
            Middleware(RequestLogMiddleware),
        ],
        lifespan=lifespan,
    )


def main() -> None:
    settings = load_settings()
    logs.configure(settings)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        print(sock.getsockname()[1], flush=True)  # noqa: T201
        config = process.uvicorn_config(settings, application(settings))
        process.freeze_memory()
        uvicorn.Server(config).run(sockets=[sock])


if __name__ == "__main__":
    main()
