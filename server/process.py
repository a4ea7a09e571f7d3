"""The serving process: its socket, its database, its workers, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from uvicorn.supervisors import Multiprocess

from db.database import Database
from db.errors import DatabaseUnavailableError
from server import logs, metrics, readiness
from server.app import create_app
from server.settings import Settings, load_settings

# Called with the server's address once requests are answered.
Announce = Callable[[str], None]


class StartError(Exception):
    """The server can't start; the message is one sentence that says why."""


def worker_app() -> Starlette:
    """Return the application of this process, from the environment; uvicorn calls it."""
    settings = load_settings()
    logs.configure(settings)
    app = create_app(settings)
    # What is there by now (modules, schema, routes) lives as long as the process. Frozen, it is not
    # walked again by each full collection, which at our allocation rate would stop a request for
    # tens of milliseconds; the higher thresholds make collections of request garbage rarer.
    gc.collect()
    gc.freeze()
    gc.set_threshold(5000, 20, 1000)
    return app


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Leave the block with SystemExit(0) at SIGTERM or SIGINT, so that what it holds is closed."""

    def stop(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _ignore)
        raise SystemExit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    yield


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """Take the address before anything else is started.

    Raises:
        StartError: It can't be had.
    """
    host, port = settings.host, settings.port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except OSError as error:
        raise StartError(
            f"Can't listen on {host} port {port} (AIBRIDGE_HOST, AIBRIDGE_PORT): "
            f"{(error.strerror or str(error)).lower()}."
        ) from None
    with sock:
        sock.set_inheritable(True)
        yield sock


@contextmanager
def with_database(settings: Settings) -> Iterator[Settings]:
    """Yield settings that name a database: as given, or the embedded one, which runs in the block.

    Raises:
        StartError: The embedded PostgreSQL does not start.
    """
    if settings.database_url is not None:
        yield settings
        return
    from db import embedded  # noqa: PLC0415 (only where no URL is given)

    try:
        with embedded.running(settings.data_dir / "postgres") as server_url:
            url = asyncio.run(embedded.database_url(server_url))
            migrate = settings.auto_migrate_or(embedded=True)
            yield settings.model_copy(
                update={"database_url": SecretStr(url), "auto_migrate": migrate}
            )
    except embedded.EmbeddedError as error:
        raise StartError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error


async def prepare_database(settings: Settings) -> None:
    """Look at the database once before serving, and migrate it where the settings say so.

    A database that is away is no error: the server waits for it.

    Raises:
        StartError: It is there and can't be served.
    """
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    database = await Database.open(url, pool_size=1, acquire_timeout=settings.pool_timeout)
    try:
        await readiness.prepare(database, url, migrate=bool(settings.auto_migrate))
    except readiness.UnfitDatabaseError as error:
        raise StartError(str(error)) from error
    except DatabaseUnavailableError as error:
        logs.logger.warning("the database can't be reached yet", error=str(error))
    finally:
        await database.close()


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
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _ignore)
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
        http="httptools",
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


def _ignore(*_: object) -> None:
    """Take a signal without ending; SIG_IGN would be inherited by the workers."""
