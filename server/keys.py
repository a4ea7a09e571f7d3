"""Keys of callers: looked up together, remembered as they were, and noted when they were used."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from db.database import Database
from db.errors import DatabaseError
from db.queries import credentials
from db.queries.credentials import CredentialRow
from db.times import in_utc
from server import logs

_TOUCH_AFTER = timedelta(minutes=1)
# How many keys are remembered as found, and as noted lately; to forget them costs some statements
# and waiting, nothing else.
_REMEMBERED_MAX = 10_000

_Found: TypeAlias = "asyncio.Future[CredentialRow | None]"


class Keys:
    """Looks keys up, for all requests that wait at the same time by one statement.

    Whoever asks while a statement runs waits for the next one. So everybody is answered by a
    statement that began after they asked: a key that was revoked is refused from then on.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, list[_Found]] = {}
        self._is_looking = False
        self._remembered: dict[str, CredentialRow] = {}
        # Kept, since the event loop does not.
        self._task: asyncio.Task[None] | None = None

    async def by_id(self, key_id: str) -> CredentialRow | None:
        """Return the key with its user; None where nobody may sign in with it.

        Raises:
            DatabaseError: The database can't be asked now.
        """
        if self._is_looking:
            found: _Found = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(key_id, []).append(found)
            return await found
        self._is_looking = True
        try:
            rows = await self._found([key_id])
        finally:
            self._go_on()
        return rows.get(key_id)

    def remembered(self, key_id: str) -> CredentialRow | None:
        """Return the key as it was when it was last looked up, None where it was not found.

        It may have been revoked since: what is told to anybody must wait for `by_id`. None as well
        while other keys are looked up: a busy server gains nothing by working ahead.
        """
        return None if self._is_looking else self._remembered.get(key_id)

    async def _found(self, key_ids: Sequence[str]) -> dict[str, CredentialRow]:
        rows = await credentials.by_key_ids(self._database, key_ids)
        if len(self._remembered) + len(rows) > _REMEMBERED_MAX:
            self._remembered.clear()
        for key_id in key_ids:
            self._remembered.pop(key_id, None)
        self._remembered |= rows
        return rows

    def _go_on(self) -> None:
        """Look up what was asked for meanwhile, in a task that no request can cancel."""
        self._is_looking = bool(self._waiting)
        if self._waiting:
            self._task = asyncio.create_task(self._look())

    async def _look(self) -> None:
        waiting, self._waiting = self._waiting, {}
        try:
            rows = await self._found(list(waiting))
        except Exception as error:  # noqa: BLE001 (it is the error of each who waits)
            for future in _unfinished(waiting.values()):
                future.set_exception(error)
        else:
            for key_id, futures in waiting.items():
                for future in _unfinished([futures]):
                    future.set_result(rows.get(key_id))
        self._go_on()


def _unfinished(futures: Iterable[list[_Found]]) -> Iterator[_Found]:
    """Yield those that somebody still waits for: a request may have been given up meanwhile."""
    return (future for some in futures for future in some if not future.done())


class LastUsed:
    """Notes beside the requests when a key was used; at most once a minute for each key.

    A note that fails (the database only reads, for instance) is dropped: it is a convenience.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._touched: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, row: CredentialRow) -> None:
        """Note the use without waiting for it; an attached database is not written to."""
        if self._database.is_attached:
            return
        now = time.monotonic()
        if datetime.now(UTC) - in_utc(row.last_used) < _TOUCH_AFTER:
            return
        if now - self._touched.get(row.key_id, float("-inf")) < _TOUCH_AFTER.total_seconds():
            return
        if len(self._touched) >= _REMEMBERED_MAX:
            self._touched.clear()
        self._touched[row.key_id] = now
        task = asyncio.create_task(self._touch(row.key_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for the notes under way."""
        await asyncio.gather(*self._tasks)

    async def _touch(self, key_id: str) -> None:
        try:
            await credentials.touch(self._database, key_id)
        except DatabaseError as error:
            logs.logger.debug("last_used not noted", error=type(error).__name__)
