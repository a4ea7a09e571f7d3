"""Connections: a pool of them, and for reading those whose transaction has begun already.

What takes several statements reads in a transaction of its own. To begin one and to end it are two
round trips, which nobody should wait for: beside the answer a transaction is ended and the next one
begun, and kept ready for a moment. A transaction that has read nothing holds nothing in PostgreSQL.

What takes one statement needs no transaction. Connections for it are kept for a moment as well,
since to take one from the pool and to give it back costs half of what such a statement does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeAlias

import asyncpg

from db.errors import (
    DatabaseBusyError,
    DatabaseError,
    DatabaseRefusesError,
    DatabaseUnavailableError,
    StatementTimeoutError,
)

# asyncpg ships no types.
Connection: TypeAlias = Any

# Connections that are ready, each with the timer that gives it back.
_Kept: TypeAlias = dict[Connection, asyncio.TimerHandle]

_UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InsufficientResourcesError,
    # It takes no connections.
    asyncpg.ObjectNotInPrerequisiteStateError,
    # On a standby: what the primary changed stands in the way of a snapshot.
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    # What asyncpg says of a connection that was killed at the moment when it was to be used.
    asyncpg.InternalClientError,
)

# Whatever of these is raised while a connection is used, `translated` makes it ours.
FAULTS = (asyncpg.PostgresError, *_UNAVAILABLE)

# The end of one transaction and the beginning of the next, in one round trip.
_NEXT = "ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"

# How long a transaction that has read nothing is kept for the next operation. Under load one comes
# at once; otherwise no connection is `idle in transaction` for a time that anybody would notice.
_READY_SECONDS = 0.02

# The same for a connection without a transaction.
_IDLE_SECONDS = 1.0

# How long one is kept from the pool at most, so that the pool can replace it.
_LENT_SECONDS = 60.0

# How long a statement may take to be cancelled and rolled back before its connection is given up.
RELEASE_SECONDS = 5.0


class Connections:
    """Lends the connections of a pool, first come, first served.

    Args:
        pool: The pool.
        acquire_timeout: Seconds to wait for a free connection.
        keep_begun: Whether transactions are begun ahead. A pooler that lends its servers for one
            transaction each would have them waiting for us.

    Attributes:
        keeps_begun: As given.
    """

    def __init__(self, pool: asyncpg.Pool, *, acquire_timeout: float, keep_begun: bool) -> None:
        self._pool = pool
        self._acquire_timeout = acquire_timeout
        self.keeps_begun = keep_begun
        self._size: int = pool.get_max_size()
        self._permits = asyncio.Semaphore(self._size)
        self._lent = 0
        # Of both the newest is taken first; what is not needed grows old and goes back to the pool.
        self._begun: dict[Connection, asyncio.TimerHandle] = {}
        self._idle: dict[Connection, asyncio.TimerHandle] = {}
        # When each connection was taken from the pool.
        self._since: dict[Connection, float] = {}
        self._is_closing = False
        self._ending: set[asyncio.Task[None]] = set()

    async def acquire(self) -> Connection:
        """Return a connection, which is to be given to `release`, or to `put` after one statement.

        Raises:
            DatabaseError: None can be had.
        """
        await self._permit()
        try:
            return await self._take_any()
        except BaseException:
            self._returned()
            raise

    async def release(self, connection: Connection) -> None:
        """Take a connection back."""
        try:
            await asyncio.shield(self._release(connection))
        finally:
            self._returned()

    async def begin(self) -> Connection:
        """Return a connection in a transaction that only reads, which is to be given to `end`.

        Its snapshot is of the moment of its first statement.

        Raises:
            DatabaseError: None can be had.
        """
        await self._permit()
        try:
            return self._take(self._begun) or await self._begin()
        except BaseException:
            self._returned()
            raise

    def put(self, connection: Connection, *, failed: bool) -> None:
        """Take a connection back after a single statement, and keep it for the next one.

        Args:
            connection: What `acquire` returned.
            failed: Whether the statement failed, or was abandoned.
        """
        if failed:
            self._beside(self._release(connection), self._returned)
        else:
            self._keep(self._idle, connection, _IDLE_SECONDS)
            self._returned()

    def end(self, connection: Connection, *, failed: bool) -> None:
        """End what was read in, beside what follows: nobody has to wait for it.

        Args:
            connection: What `begin` returned.
            failed: Whether a statement failed, or was abandoned.
        """
        if self.keeps_begun and not failed and not self._is_closing:
            self._beside(self._begin_again(connection))
        else:
            self._beside(self._release(connection), self._returned)

    async def close(self) -> None:
        """Close all connections; statements that still run are given a second."""
        self._is_closing = True
        await asyncio.gather(*self._ending)
        for kept in (self._begun, self._idle):
            while kept:
                await self._release(_pop(kept))
        try:
            await asyncio.wait_for(self._pool.close(), 1.0)
        except TimeoutError:
            self._pool.terminate()

    async def _permit(self) -> None:
        if self._permits.locked():
            try:
                async with asyncio.timeout(self._acquire_timeout):
                    await self._permits.acquire()
            except TimeoutError as error:
                raise DatabaseBusyError("all connections are in use") from error
        else:
            await self._permits.acquire()
        self._lent += 1

    def _returned(self) -> None:
        self._lent -= 1
        self._permits.release()

    async def _take_any(self) -> Connection:
        return self._take(self._idle) or await self._acquire()

    async def _acquire(self) -> Connection:
        if self._begun and self._lent + len(self._begun) + len(self._idle) > self._size:
            await self._release(_pop(self._begun))
        try:
            connection = await self._pool.acquire(timeout=self._acquire_timeout)
        except FAULTS as error:
            raise translated(error) from error
        self._since[connection] = asyncio.get_running_loop().time()
        return connection

    async def _release(self, connection: Connection) -> None:
        self._since.pop(connection, None)
        # The pool rolls back what still runs, and drops a connection that broke.
        try:
            await self._pool.release(connection, timeout=RELEASE_SECONDS)
        except FAULTS:
            # It may have been dropped already.
            with suppress(asyncpg.InterfaceError):
                connection.terminate()

    async def _begin(self) -> Connection:
        connection = await self._take_any()
        try:
            # Entered and never left: whoever takes it back rolls back, and knows that it is meant.
            await connection.transaction(isolation="repeatable_read", readonly=True).__aenter__()
        except BaseException as error:
            await asyncio.shield(self._release(connection))
            if isinstance(error, FAULTS):
                raise translated(error) from error
            raise
        return connection

    async def _begin_again(self, connection: Connection) -> None:
        try:
            await connection.execute(_NEXT, timeout=RELEASE_SECONDS)
        except FAULTS:
            await self._release(connection)
        else:
            self._keep(self._begun, connection, _READY_SECONDS)
        finally:
            self._returned()

    def _keep(self, kept: _Kept, connection: Connection, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        # asyncpg closes one that has served for long, but only when it is given back.
        is_due = loop.time() - self._since[connection] > _LENT_SECONDS
        if self._is_closing or is_due:
            self._beside(self._release(connection))
        else:
            kept[connection] = loop.call_later(seconds, self._expire, kept, connection)

    def _take(self, kept: _Kept) -> Connection | None:
        while kept:
            connection = _pop(kept)
            try:
                if not connection.is_closed():
                    return connection
            except asyncpg.InterfaceError:
                # It was lost, and the pool has noticed and taken it back.
                del self._since[connection]
                continue
            self._beside(self._release(connection))
        return None

    def _expire(self, kept: _Kept, connection: Connection) -> None:
        del kept[connection]
        self._beside(self._release(connection))

    def _beside(
        self, work: Coroutine[Any, Any, None], then: Callable[[], None] | None = None
    ) -> None:
        task = asyncio.create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        if then is not None:
            task.add_done_callback(lambda _: then())


def _pop(kept: _Kept) -> Connection:
    connection, timer = kept.popitem()
    timer.cancel()
    return connection


def translated(error: Exception) -> DatabaseError:
    """Return the error of asyncpg as one of ours."""
    # PostgreSQL's details and hints follow on lines of their own.
    told = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    if isinstance(error, asyncpg.QueryCanceledError):
        return StatementTimeoutError(str(error))
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return DatabaseRefusesError(told)
    if isinstance(error, _UNAVAILABLE):
        return DatabaseUnavailableError(told)
    return DatabaseError(told)
