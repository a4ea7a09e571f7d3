"""How long interceptions are kept, and the task of the server that deletes what is older."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic

from db import retention
from db.database import Database
from db.errors import DatabaseError
from server.logs import logger
from server.readiness import Readiness
from server.settings import Settings

DEFAULT_DAYS = 60

# Days are what is kept: some hours more or less are nothing.
_PERIOD_SECONDS = 6 * 3600.0
_PROGRESS_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Policy:
    """How long interceptions are kept.

    Attributes:
        days: So many days from their beginning.
        is_default: Nobody asked for it: what was imported, or comes from another database by
            replication, is kept.
    """

    days: int
    is_default: bool

    def limit(self) -> retention.Limit:
        """Return what is to go by now."""
        before = datetime.now(UTC) - timedelta(days=self.days)
        return retention.Limit(before, spares_imported=self.is_default)


def policy(settings: Settings) -> Policy | None:
    """Return how long interceptions are kept, None for ever."""
    if settings.attach:
        return None
    if settings.retention is None:
        return Policy(DEFAULT_DAYS, is_default=True)
    return Policy(settings.retention, is_default=False) if settings.retention else None


def announce(settings: Settings) -> None:
    """Log what will be deleted."""
    found = policy(settings)
    if found is None:
        logger.info("retention: interceptions are kept for ever")
        return
    logger.info(
        "retention: older interceptions are deleted",
        days=found.days,
        began_before=found.limit().before.isoformat(timespec="seconds"),
        kept="what was imported (AIBRIDGE_RETENTION is not set)" if found.is_default else "nothing",
    )


class Retention:
    """Deletes what is too old, once the database is found fit and then every six hours.

    However many processes do so, one of them deletes. It rests as long as it works.
    """

    def __init__(self, database: Database, readiness: Readiness, policy: Policy | None) -> None:
        self._database = database
        self._readiness = readiness
        self._policy = policy
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, where anything is ever deleted."""
        if self._policy is not None:
            self._task = asyncio.create_task(self._run(self._policy))

    async def stop(self) -> None:
        """Stop; a batch that is under way is undone."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self, policy: Policy) -> None:
        await self._readiness.wait()
        while True:
            try:
                if not policy.is_default or not await retention.is_follower(self._database):
                    await self._purge(policy.limit())
            except retention.PurgeBusyError as error:
                logger.debug("retention: not now", reason=str(error))
            except DatabaseError as error:
                logger.warning("retention: stopped before the end", reason=str(error))
            await asyncio.sleep(_PERIOD_SECONDS)

    async def _purge(self, limit: retention.Limit) -> None:
        deleted: Counter[str] = Counter()
        began = told = monotonic()
        batch_began = began
        async for batch in retention.purge(self._database, limit):
            deleted += batch
            now = monotonic()
            if deleted and now - told > _PROGRESS_SECONDS:
                told = now
                logger.info("retention: deleting", **_told(deleted))
            await asyncio.sleep(now - batch_began)
            batch_began = monotonic()
        if deleted:
            seconds = round(monotonic() - began, 1)
            logger.info("retention: deleted", seconds=seconds, **_told(deleted))


def _told(deleted: Counter[str]) -> dict[str, int]:
    return {table.removeprefix("aibridge_"): rows for table, rows in deleted.items()}
