"""Whether the database can be served: there, of a known version, and at the newest revision.

The database may be away when the server starts, and come later: requests are answered with
SERVICE_UNAVAILABLE until it is found fit.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from db import migrations, privileges
from db.attached import NotAttachableError
from db.database import Database
from db.errors import DatabaseBusyError, DatabaseError, DatabaseUnavailableError
from db.models import metadata
from db.queries import revision
from server.logs import logger

# PostgreSQL's major versions that the tests know.
OLDEST, NEWEST = 15, 18

# How soon a database that came back is found; a probe is one short statement.
_RETRY_SECONDS = 1.0
# How long a start waits for the first look at the database before it goes on without.
_FIRST_LOOK_SECONDS = 2.0


class UnfitDatabaseError(Exception):
    """The database is there but can't be served; the message is one sentence that says why."""


async def look(database: Database) -> str | None:
    """Return the revision of the database, None where it was never migrated; change nothing.

    Raises:
        UnfitDatabaseError: It is of a version that this program can't serve, nor migrate.
        DatabaseUnavailableError: It is away.
    """
    async with database.snapshot() as snapshot:
        major, found = await revision.read(snapshot)
        tables = [] if found else await revision.tables(snapshot)
    if not OLDEST <= major <= NEWEST:
        raise UnfitDatabaseError(
            f"The database is PostgreSQL {major}; this program serves {OLDEST} to {NEWEST}."
        )
    if tables and not database.is_attached:
        raise UnfitDatabaseError(
            f"The database is another program's: it has {', '.join(tables)}, and no revision. Name "
            "an empty one, or read it as it is (`--attach`, AIBRIDGE_ATTACH=true)."
        )
    if found is not None and found != migrations.HEAD:
        from db.migrations import tool  # noqa: PLC0415 (Alembic is slow to load, rarely needed)

        if not tool.knows(found):
            raise UnfitDatabaseError(
                f"The database is at revision {found}, which this program (revision "
                f"{migrations.HEAD}) does not know: run a newer version of the program."
            )
    return found


def require_head(found: str | None) -> None:
    """Let the newest revision pass.

    Raises:
        UnfitDatabaseError: The revision found is an older one.
    """
    if found != migrations.HEAD:
        where = f"at revision {found}" if found else "not migrated"
        raise UnfitDatabaseError(
            f"The database is {where}, and this program needs revision {migrations.HEAD}: "
            "run `aibridge migrate` or set AIBRIDGE_AUTO_MIGRATE=true."
        )


async def prepare(database: Database, url: str, *, migrate: bool) -> None:
    """Make sure that the database can be served; one that is attached is only looked at.

    Args:
        database: The pool to look through; of a replica, where requests read one.
        url: Where migrations run.
        migrate: Run the missing migrations instead of refusing.

    Raises:
        UnfitDatabaseError: It can't be served as it is.
        DatabaseUnavailableError: It is away.
    """
    found = await look(database)
    if database.is_attached:
        await _attach(database)
        return
    if found != migrations.HEAD and migrate:
        from db.migrations import tool  # noqa: PLC0415 (as above)

        await tool.upgrade(url)
        # A replica has it when it comes by.
        found = await look(database)
    require_head(found)
    async with database.connection() as connection:
        refusal = await privileges.refusal(connection, list(metadata.tables))
    if refusal:
        raise UnfitDatabaseError(refusal)


async def _attach(database: Database) -> None:
    known = database.attached
    try:
        found = await database.attach()
    except NotAttachableError as error:
        raise UnfitDatabaseError(str(error)) from error
    if found == known:
        return
    for stand in found.stands:
        where = f"{stand.table}.{stand.column}" if stand.column else stand.table
        logger.info("attached: not as this program knows it", where=where, read_as=stand.reads_as)


class Readiness:
    """What is known of the database's fitness, kept by a task until it is found fit."""

    def __init__(self, database: Database, url: str, *, migrate: bool) -> None:
        self._database = database
        self._url = url
        self._migrate = migrate
        self._fit = asyncio.Event()
        self._reason = "The database was not looked at yet."
        self._looked = asyncio.Event()
        self._warned: list[str] = []
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look at the database; where it is not fit, go on looking in the background."""
        self._task = asyncio.create_task(self._look_until_fit())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._looked.wait(), _FIRST_LOOK_SECONDS)

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def require(self) -> None:
        """Let a request through to the database.

        Raises:
            DatabaseUnavailableError: It was not found fit yet.
        """
        if not self._fit.is_set():
            raise DatabaseUnavailableError(self._reason)

    async def wait(self) -> None:
        """Wait until the database was found fit; it may be away again by then."""
        await self._fit.wait()

    async def probe(self) -> str:
        """Return why the database can't be served at this moment, empty where it can."""
        if not self._fit.is_set():
            return self._reason
        return await self._look(migrate=False)

    async def warnings(self) -> list[str]:
        """Return what is wrong with a database that can be served all the same."""
        try:
            found = await self._database.rollup_faults()
        except DatabaseError:
            return []
        if found and found != self._warned:
            logger.warning("the rollup of sessions is not kept", faults=found)
        self._warned = found
        return found

    async def _look_until_fit(self) -> None:
        logged = None
        while reason := await self._look(migrate=self._migrate):
            self._reason = reason
            self._looked.set()
            if reason != logged:
                logger.warning("waiting for the database", reason=reason)
                logged = reason
            await asyncio.sleep(_RETRY_SECONDS)
        self._fit.set()
        self._looked.set()

    async def _look(self, *, migrate: bool) -> str:
        try:
            await prepare(self._database, self._url, migrate=migrate)
        except UnfitDatabaseError as error:
            return str(error)
        except DatabaseBusyError:
            return "All database connections are in use."
        except DatabaseUnavailableError:
            return "The database can't be reached."
        except DatabaseError as error:
            logger.warning("the database refuses", error=str(error))
            return "The database can't be used."
        return ""
