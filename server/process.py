"""The serving process: its workers, what it says when it is ready, and how it ends."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Callable
from functools import partial

import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from uvicorn.supervisors import Multiprocess

from server import logs, metrics, start
from server.app import create_app
from server.bounded_head import BoundedHeadProtocol
from server.settings import Settings, load_settings

# Called with the server's address once requests are answered.
Announce = Callable[[str], None]


def worker_app() -> Starlette:
    """Return the application of this process, from the environment; uvicorn calls it."""
    settings = load_settings()
    logs.configure(settings)
    app = create_app(settings)
    freeze_memory()
    return app


def freeze_memory() -> None:
    """Set the garbage collector up for a process that has made what it keeps."""
    # What is there by now (modules, schema, routes) lives as long as the process. Frozen, it is not
    # walked again by each full collection, which at our allocation rate would stop a request for
    # tens of milliseconds; the higher thresholds make collections of request garbage rarer.
    gc.collect()
    gc.freeze()
    gc.set_threshold(5000, 20, 1000)


def serve(settings: Settings, sock: socket.socket, announce: Announce) -> None:
    """Serve until a signal says to stop; requests that run then have the grace time to finish.

    Args:
        settings: With a database URL.
        sock: Bound to the address.
        announce: Called once, when requests are answered.
    """
    _export(settings)
    config = uvicorn_config(settings, "server.process:worker_app")
    # uvicorn raises the signal again when it has stopped; that must not kill us before we are done.
    start.ignore_signals()
    ready = partial(announce, _address(sock))
    if settings.workers > 1:
        with metrics.shared_by_processes():
            _Supervisor(config, sock, ready).run()
    else:
        _Server(config, ready).run(sockets=[sock])


def uvicorn_config(settings: Settings, app: str | Starlette) -> uvicorn.Config:
    """Return how an application is served: itself, or the name of what makes it."""
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        loop="uvloop",
        http=BoundedHeadProtocol,
        workers=settings.workers,
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        # Ours are dated by a middleware, which leaves the date of a relayed answer alone.
        date_header=False,
        timeout_graceful_shutdown=settings.shutdown_grace,
    )


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


class _Supervisor(Multiprocess):
    def __init__(
        self, config: uvicorn.Config, sock: socket.socket, ready: Callable[[], None]
    ) -> None:
        super().__init__(config, [sock])
        self._ready: Callable[[], None] | None = ready

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        if self._ready and any(process.is_ready(timeout=1) for process in self.processes):
            self._ready()
            self._ready = None


def _export(settings: Settings) -> None:
    """Hand the settings to the workers, which read them from the environment as everybody does."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        if isinstance(value, tuple):
            value = ",".join(str(item) for item in value)
        if value is not None:
            os.environ[f"AIBRIDGE_{name.upper()}"] = str(value)


def _address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
