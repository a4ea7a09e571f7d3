"""The database of a command that does one thing and ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from server.cli.failure import INTERRUPTED, CommandError
from server.settings import Settings

if TYPE_CHECKING:
    from db.database import Database

T = TypeVar("T")


@contextmanager
def database_url(settings: Settings, *, only_reads: bool = False) -> Iterator[str]:
    """Yield the URL of the database; where none is given, of the embedded one, which then runs.

    Raises:
        CommandError: The database can't be had, or is attached and the command does not only read.
    """
    if settings.attach and not only_reads:
        raise CommandError(
            "This command is for a database of our own; AIBRIDGE_ATTACH says only to read "
            "another program's."
        )
    from server import logs, start  # noqa: PLC0415 (a wrong setting is told at once)

    logs.configure(settings)
    try:
        with start.stopped_by_signals(), start.with_database(settings) as complete:
            assert complete.database_url is not None
            yield complete.database_url.get_secret_value()
    except start.StartError as error:
        raise CommandError(str(error)) from error


def on_database(settings: Settings, work: Callable[[Any], Awaitable[T]]) -> T:
    """Run `work` with a connection to the database, which is at the newest revision.

    Raises:
        CommandError: The database is away, not at the newest revision, or refuses.
    """

    async def lent(database: Database, _: str) -> T:
        async with database.connection() as connection:
            return await work(connection)

    return on_pool(settings, lent)


def on_pool(settings: Settings, work: Callable[[Database, str], Awaitable[T]]) -> T:
    """Run `work` with a pool to the database, which is at the newest revision, and its URL.

    Raises:
        CommandError: The database is away, not at the newest revision, or refuses.
    """

    async def prepared(database: Database, url: str) -> T:
        from server import readiness  # noqa: PLC0415

        migrate = settings.auto_migrate_or(embedded=settings.database_url is None)
        await readiness.prepare(database, url, migrate=migrate)
        return await work(database, url)

    with database_url(settings) as url:
        return run_until_stopped(with_pool(url, prepared))


def run_until_stopped(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end, or to a signal's: it is cancelled then, and may end what it has begun.

    Raises:
        SystemExit: A signal came.
    """
    try:
        return asyncio.run(_cancelled_by_signals(work))
    except asyncio.CancelledError:
        raise SystemExit(INTERRUPTED) from None


async def _cancelled_by_signals(work: Awaitable[T]) -> T:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def cancel() -> None:
        # Another signal would cut short what ends already: of what was written nobody could tell.
        if not task.cancelling():
            task.cancel()

    for number in before:
        loop.add_signal_handler(number, cancel)
    try:
        return await work
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


async def with_connection(url: str, work: Callable[[Any], Awaitable[T]]) -> T:
    """Run `work` with a connection to a database that is known to be fit."""

    async def lent(database: Database, _: str) -> T:
        async with database.connection() as connection:
            return await work(connection)

    return await with_pool(url, lent)


async def with_pool(
    url: str, work: Callable[[Database, str], Awaitable[T]], *, is_attached: bool = False
) -> T:
    """Run `work` with a pool of one connection and its URL; what goes wrong is one sentence."""
    # Loaded only when a database is asked: `--help` and a wrong option are told at once.
    from db.database import Database  # noqa: PLC0415
    from db.errors import DatabaseError  # noqa: PLC0415
    from server.readiness import UnfitDatabaseError  # noqa: PLC0415

    # What is asked once needs no prepared statement, which a pooler might not know.
    database = await Database.open(
        url, pool_size=1, statement_cache_size=0, is_attached=is_attached
    )
    try:
        return await work(database, url)
    except UnfitDatabaseError as error:
        raise CommandError(str(error)) from error
    except DatabaseError as error:
        raise CommandError(f"The database can't be used: {error}.") from error
    finally:
        await database.close()
