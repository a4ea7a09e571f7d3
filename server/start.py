"""What comes before serving, and what is closed after it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from db.database import Database
from db.errors import DatabaseError, DatabaseUnavailableError
from server import logs, readiness
from server.settings import Settings

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StartError(Exception):
    """The server can't start; the message is one sentence that says why."""


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Leave the block with SystemExit(0) at SIGTERM or SIGINT, so that what it holds is closed."""

    def stop(*_: object) -> None:
        ignore_signals()
        raise SystemExit(0)

    before = [signal.signal(number, stop) for number in _SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Take SIGTERM and SIGINT without ending; with SIG_IGN the workers would inherit it."""
    for number in _SIGNALS:
        signal.signal(number, lambda *_: None)


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
    # What is asked once needs no prepared statement, which a pooler might not know.
    database = await Database.open(
        url,
        pool_size=1,
        acquire_timeout=settings.pool_timeout,
        statement_cache_size=0,
        is_attached=settings.attach,
    )
    try:
        await readiness.prepare(database, url, migrate=bool(settings.auto_migrate))
    except readiness.UnfitDatabaseError as error:
        raise StartError(str(error)) from error
    except DatabaseUnavailableError as error:
        logs.logger.warning("the database can't be reached yet", error=str(error))
    except DatabaseError as error:
        raise StartError(f"The database can't be used: {error}.") from error
    finally:
        await database.close()
