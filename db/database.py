"""Connections: a pool of them, and one read-only snapshot for each operation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from types import TracebackType
from typing import Any, Self, TypeAlias, cast

import asyncpg
import orjson

from db import attached, rollup
from db.attached import Attached
from db.errors import (
    DatabaseBusyError,
    DatabaseError,
    DatabaseUnavailableError,
    InvalidTextError,
    StatementTimeoutError,
)
from db.statement import Statement
from db.url import for_asyncpg

# A row by position or by column name; asyncpg ships no types.
Record: TypeAlias = Any

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
    # On a standby: what the primary changed stands in the way of a snapshot.
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    # What asyncpg says of a connection that was killed at the moment when it was to be used.
    asyncpg.InternalClientError,
)


# How long a statement may take to be cancelled and rolled back before its connection is given up.
_RELEASE_SECONDS = 5.0


class Database:
    """A pool of connections to one PostgreSQL database."""

    def __init__(
        self, pool: asyncpg.Pool, *, acquire_timeout: float, is_attached: bool = False
    ) -> None:
        self._pool = pool
        self._acquire_timeout = acquire_timeout
        self.is_attached = is_attached
        # How an attached database has to be read, once it was looked at.
        self.attached: Attached | None = None
        self._has_rollup = False
        self._releasing: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        pool_size: int = 10,
        acquire_timeout: float = 5.0,
        statement_timeout: float = 30.0,
        statement_cache_size: int = 1024,
        is_attached: bool = False,
    ) -> Database:
        """Make the pool. No connection is opened yet: the database may be away at this moment.

        Args:
            url: `postgresql://…`.
            pool_size: Connections at most.
            acquire_timeout: Seconds to wait for a free connection.
            statement_timeout: Seconds that PostgreSQL lets one statement run.
            statement_cache_size: Prepared statements kept by a connection; 0 for pgbouncer in
                transaction mode before 1.21.
            is_attached: The database is another program's: it is only read, and nothing of ours is
                looked for in it. `attach` finds out how it has to be read.
        """
        pool = asyncpg.create_pool(
            for_asyncpg(url),
            min_size=0,
            max_size=pool_size,
            timeout=acquire_timeout,
            command_timeout=statement_timeout + 5.0,
            statement_cache_size=statement_cache_size,
            init=_init_connection,
            reset=_reset_connection,
            server_settings={
                "application_name": "aibridge",
                "statement_timeout": str(int(statement_timeout * 1000)),
                "timezone": "UTC",
                # The planner's compiler costs more than it brings for statements of milliseconds.
                "jit": "off",
                **({"default_transaction_read_only": "on"} if is_attached else {}),
            },
        )
        await pool
        return cls(pool, acquire_timeout=acquire_timeout, is_attached=is_attached)

    async def close(self) -> None:
        """Close all connections; statements that still run are given a second."""
        await asyncio.gather(*self._releasing)
        try:
            await asyncio.wait_for(self._pool.close(), 1.0)
        except TimeoutError:
            self._pool.terminate()

    def snapshot(self) -> Snapshot:
        """Return a read-only view of the database as it is at the first statement."""
        return Snapshot(self)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection for writing; errors come as `DatabaseError`."""
        connection = await self._acquire()
        try:
            yield connection
        except (asyncpg.PostgresError, *_UNAVAILABLE) as error:
            raise translated(error) from error
        finally:
            await self._release(connection)

    async def fetch(
        self, statement: Statement, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Record]:
        """Run one statement by itself, outside of any snapshot, and return its rows.

        Raises:
            DatabaseError: As `Snapshot.fetch`.
        """
        async with self.connection() as connection:
            rows: Sequence[Record] = await connection.fetch(
                self.sql_of(statement), *statement.arguments(parameters or {})
            )
            return rows

    async def attach(self) -> Attached:
        """Look at what an attached database has; statements are put to it accordingly from now on.

        Raises:
            NotAttachableError: It can't be read; the message is one sentence that says why.
            DatabaseUnavailableError: It is away.
        """
        async with self.connection() as connection:
            self.attached = await attached.probe(connection)
        return self.attached

    def sql_of(self, statement: Statement) -> str:
        """Return the SQL that runs the statement on this database."""
        if self.attached is None:
            return statement.sql
        return self.attached.adapted(statement.sql)

    async def rollup_faults(self) -> list[str]:
        """Say what is wrong with the triggers that keep the rollup; where anything, read past it.

        Raises:
            DatabaseError: As `Snapshot.fetch`.
        """
        if self.is_attached:
            return []
        async with self.connection() as connection:
            faults = await rollup.trigger_faults(connection)
        self._has_rollup = self._has_rollup and not faults
        return faults

    async def _look_for_rollup(self, connection: Any) -> bool:
        # Once found it stays; until then each operation looks, for a migration may come.
        if not self._has_rollup and not self.is_attached:
            self._has_rollup = await connection.fetchval(rollup.IS_KEPT)
        return self._has_rollup

    async def _acquire(self) -> Any:
        try:
            return await self._pool.acquire(timeout=self._acquire_timeout)
        except TimeoutError as error:
            if self._pool.get_size() < self._pool.get_max_size():
                raise translated(error) from error
            raise DatabaseBusyError("all connections are in use") from error
        except (asyncpg.PostgresError, *_UNAVAILABLE) as error:
            raise translated(error) from error

    def _release_later(self, connection: Any) -> None:
        """Give the connection back beside what follows: nobody has to wait for its rollback."""
        task = asyncio.create_task(self._release(connection))
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)

    async def _release(self, connection: Any) -> None:
        # The pool drops a connection that broke; there is nothing to tell the caller.
        try:
            await asyncio.shield(self._pool.release(connection, timeout=_RELEASE_SECONDS))
        except (asyncpg.PostgresError, *_UNAVAILABLE):
            # The pool may have given it up already.
            with suppress(asyncpg.InterfaceError):
                connection.terminate()


class Snapshot:
    """One REPEATABLE READ, READ ONLY transaction, from the first statement to the block's end.

    Statements of one operation may be asked for at once; they run one after the other on the
    one connection, so that every level of an answer tells of the same moment.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Any = None
        self._lock = asyncio.Lock()
        self._failure: DatabaseError | None = None
        self._fetching: set[asyncio.Task[Any] | None] = set()
        self._rollup = False
        self.statements = 0
        self.rows = 0
        # Told of each statement that was run: its SQL, its rows, and how many seconds it took.
        self.watch: Callable[[str, int, float], None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stop()
        connection, self._connection = self._connection, None
        if connection is not None:
            # The pool rolls back, which is how a transaction that only read ends.
            self._database._release_later(connection)  # noqa: SLF001

    async def fetch(
        self, statement: Statement, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Record]:
        """Run the statement and return its rows.

        Raises:
            InvalidTextError: A text parameter holds what PostgreSQL can't; nothing was run.
            StatementTimeoutError: It took too long; the snapshot can't be used any more.
            DatabaseUnavailableError: The connection can't be had or was lost; likewise.
        """
        arguments = statement.arguments(parameters or {})
        for argument in arguments:
            _refuse_invalid_text(argument)
        async with self._turn():
            connection = await self._open()
            began = perf_counter()
            try:
                sql = self._database.sql_of(statement)
                rows: Sequence[Record] = await connection.fetch(sql, *arguments)
            except (asyncpg.PostgresError, *_UNAVAILABLE) as error:
                self._failure = translated(error)
                raise self._failure from error
            if self.watch is not None:
                self.watch(sql, len(rows), perf_counter() - began)
            self.statements += 1
            self.rows += len(rows)
        if self._fetching:
            # Let the next statement be sent: PostgreSQL works on it while rows are made of these.
            await asyncio.sleep(0)
        return rows

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait until the connection is free; the task is known meanwhile, should it be stopped."""
        task = asyncio.current_task()
        self._fetching.add(task)
        try:
            async with self._lock:
                yield
        finally:
            self._fetching.discard(task)

    async def _stop(self) -> None:
        """Cancel the statements that nobody waits for any more: their operation has ended.

        They run in tasks of the data loaders, which know nothing of the operation's end.
        """
        abandoned = {task for task in self._fetching if task is not None}
        abandoned.discard(cast("asyncio.Task[Any]", asyncio.current_task()))
        for task in abandoned:
            task.cancel()
        if abandoned:
            await asyncio.wait(abandoned, timeout=_RELEASE_SECONDS)

    async def has_rollup(self) -> bool:
        """Say whether the database keeps its rollup of sessions: the table is there, and kept."""
        async with self._turn():
            await self._open()
        return self._rollup

    async def _open(self) -> Any:
        if self._failure is not None:
            raise self._failure
        if self._connection is None:
            try:
                self._connection = await self._begin()
            except (asyncpg.PostgresError, *_UNAVAILABLE) as error:
                self._failure = translated(error)
                raise self._failure from error
            except DatabaseError as error:
                self._failure = error
                raise
        return self._connection

    async def _begin(self) -> Any:
        connection = await self._database._acquire()  # noqa: SLF001
        try:
            self._rollup = await self._database._look_for_rollup(connection)  # noqa: SLF001
            # Entered and never left: the pool rolls back, and knows by this that it is meant.
            transaction = connection.transaction(isolation="repeatable_read", readonly=True)
            await transaction.__aenter__()
        except BaseException:
            await self._database._release(connection)  # noqa: SLF001
            raise
        return connection


def translated(error: Exception) -> DatabaseError:
    """Return the error of asyncpg as one of ours."""
    if isinstance(error, asyncpg.QueryCanceledError):
        return StatementTimeoutError(str(error))
    if isinstance(error, _UNAVAILABLE):
        return DatabaseUnavailableError(f"{type(error).__name__}: {error}")
    return DatabaseError(f"{type(error).__name__}: {error}")


def _refuse_invalid_text(value: object) -> None:
    if isinstance(value, str):
        if not _is_storable(value):
            raise InvalidTextError(value)
    elif isinstance(value, list | tuple) and value and isinstance(value[0], str):
        # Lists are of one type, and most are of ids: only those of texts are looked through.
        for item in value:
            if not _is_storable(item):
                raise InvalidTextError(item)


def _is_storable(text: str) -> bool:
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


async def _init_connection(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="text",
        encoder=lambda value: orjson.dumps(value).decode(),
        decoder=orjson.loads,
    )


async def _reset_connection(_: asyncpg.Connection) -> None:
    """Save a round trip: the pool has rolled back, and nobody of ours changes a session's state."""
