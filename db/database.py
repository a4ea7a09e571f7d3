"""The database as operations see it: one read-only snapshot for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic, perf_counter
from types import TracebackType
from typing import Any, Self, TypeAlias, cast

import asyncpg

from db import attached, codecs, rollup
from db.attached import Attached
from db.connections import FAULTS, RELEASE_SECONDS, Connection, Connections, translated
from db.errors import DatabaseError, InvalidTextError
from db.statement import Statement
from db.url import for_asyncpg

# How long the rollup is believed to be kept, until its triggers are looked at again: anybody may
# switch them off meanwhile, and its figures would be wrong in silence.
_BELIEVED_SECONDS = 5.0

# A row by position or by column name; asyncpg ships no types.
Record: TypeAlias = Any


class Database:
    """A pool of connections to one PostgreSQL database."""

    def __init__(self, connections: Connections, *, is_attached: bool = False) -> None:
        self.connections = connections
        self.is_attached = is_attached
        # How an attached database has to be read, once it was looked at.
        self.attached: Attached | None = None
        # Until when the database is believed to keep its rollup; an attached one has none.
        self._keeps_rollup_until = 0.0

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        pool_size: int = 10,
        acquire_timeout: float = 5.0,
        statement_timeout: float = 30.0,
        statement_cache_size: int = 256,
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
            init=codecs.prepare,
            reset=codecs.reset,
            server_settings={
                "application_name": "aibridge",
                "statement_timeout": str(int(statement_timeout * 1000)),
                "timezone": "UTC",
                # The planner's compiler costs more than it brings for statements of milliseconds.
                "jit": "off",
                **({"default_transaction_read_only": "on"} if is_attached else {}),
            },
        )
        connections = Connections(
            await pool, acquire_timeout=acquire_timeout, keep_begun=statement_cache_size > 0
        )
        return cls(connections, is_attached=is_attached)

    async def close(self) -> None:
        """Close all connections; statements that still run are given a second."""
        await self.connections.close()

    def snapshot(self) -> Snapshot:
        """Return a read-only view of the database as it is at the first statement."""
        return Snapshot(self)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection for writing; errors come as `DatabaseError`."""
        connection = await self.connections.acquire()
        try:
            yield connection
        except FAULTS as error:
            raise translated(error) from error
        finally:
            await self.connections.release(connection)

    async def fetch(
        self, statement: Statement, parameters: Mapping[str, Any] | None = None
    ) -> Sequence[Record]:
        """Run one statement by itself, outside of any snapshot, and return its rows.

        Raises:
            DatabaseError: As `Snapshot.fetch`.
        """
        arguments = statement.arguments(parameters or {})
        connection = await self.connections.acquire()
        failed = True
        try:
            rows: Sequence[Record] = await connection.fetch(self.sql_of(statement), *arguments)
            failed = False
        except FAULTS as error:
            raise translated(error) from error
        finally:
            self.connections.put(connection, failed=failed)
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
        if faults:
            self._keeps_rollup_until = 0.0
        return faults

    @property
    def is_known_to_keep_rollup(self) -> bool:
        """Whether the database was found to keep its rollup of sessions, a moment ago."""
        return monotonic() < self._keeps_rollup_until

    async def keeps_rollup(self, connection: Connection) -> bool:
        """Say whether the rollup is kept, by what was found a moment ago or by a look at it."""
        if self.is_attached:
            return False
        if not self.is_known_to_keep_rollup and await connection.fetchval(rollup.IS_KEPT):
            self._keeps_rollup_until = monotonic() + _BELIEVED_SECONDS
        return self.is_known_to_keep_rollup


class Snapshot:
    """One REPEATABLE READ, READ ONLY transaction, from the first statement to the block's end.

    Statements of one operation may be asked for at once; they run one after the other on the
    one connection, so that every level of an answer tells of the same moment. A statement that is
    all that an answer is made of needs no transaction for that.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()
        self._failure: DatabaseError | None = None
        self._abandoned = False
        self._fetching: set[asyncio.Task[Any] | None] = set()
        self._keeps_rollup: bool | None = None
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
        # Whoever of the operation's tasks comes later must not begin another transaction.
        self._failure = self._failure or DatabaseError("the operation has ended")
        try:
            if self._fetching:
                await self._stop()
        finally:
            connection, self._connection = self._connection, None
            if connection is not None:
                self._database.connections.end(connection, failed=self._abandoned)

    async def begin(self) -> None:
        """Begin the transaction, where several statements are known to follow.

        Raises:
            DatabaseError: As `fetch`.
        """
        async with self._lock:
            await self._open()

    async def fetch(
        self,
        statement: Statement,
        parameters: Mapping[str, Any] | None = None,
        *,
        alone: bool = False,
    ) -> Sequence[Record]:
        """Run the statement and return its rows.

        Args:
            statement: The statement.
            parameters: The values of its parameters.
            alone: If nothing was read before, nothing of what is read later will be told together
                with these rows: no transaction is begun for them.

        Raises:
            InvalidTextError: A text parameter holds what PostgreSQL can't; nothing was run.
            StatementTimeoutError: It took too long; the snapshot can't be used any more.
            DatabaseUnavailableError: The connection can't be had or was lost; likewise.
        """
        arguments = statement.arguments(parameters or {})
        for argument in arguments:
            _refuse_invalid_text(argument)
        task = asyncio.current_task()
        self._fetching.add(task)
        try:
            async with self._lock:
                alone = (
                    alone and self._connection is None and self._database.connections.keeps_begun
                )
                rows = await self._run(self._database.sql_of(statement), arguments, alone=alone)
        finally:
            self._fetching.discard(task)
        if self._fetching:
            # Let the next statement be sent: PostgreSQL works on it while rows are made of these.
            await asyncio.sleep(0)
        return rows

    @property
    def is_attached(self) -> bool:
        """Whether the database is another program's."""
        return self._database.is_attached

    async def has_rollup(self) -> bool:
        """Say whether the database keeps its rollup of sessions: the table is there, and kept.

        Raises:
            DatabaseError: As `fetch`.
        """
        if self._connection is None and self._database.is_known_to_keep_rollup:
            return True
        if self._keeps_rollup is None:
            task = asyncio.current_task()
            self._fetching.add(task)
            try:
                async with self._lock:
                    self._keeps_rollup = await self._look_for_rollup()
            finally:
                self._fetching.discard(task)
        return self._keeps_rollup

    async def _run(self, sql: str, arguments: Sequence[Any], *, alone: bool) -> Sequence[Record]:
        connection = await (self._take() if alone else self._open())
        began = perf_counter()
        failed, self._abandoned = True, not alone
        try:
            rows: Sequence[Record] = await connection.fetch(sql, *arguments)
            failed = self._abandoned = False
        except FAULTS as error:
            self._failure = translated(error)
            raise self._failure from error
        finally:
            if alone:
                self._database.connections.put(connection, failed=failed)
        if self.watch is not None:
            self.watch(sql, len(rows), perf_counter() - began)
        self.statements += 1
        self.rows += len(rows)
        return rows

    async def _look_for_rollup(self) -> bool:
        connection = await self._open()
        self._abandoned = True
        try:
            is_kept = await self._database.keeps_rollup(connection)
        except FAULTS as error:
            self._failure = translated(error)
            raise self._failure from error
        self._abandoned = False
        return is_kept

    async def _take(self) -> Connection:
        self._require()
        try:
            return await self._database.connections.acquire()
        except DatabaseError as error:
            self._failure = error
            raise

    async def _open(self) -> Connection:
        self._require()
        if self._connection is None:
            try:
                connection = await self._database.connections.begin()
            except DatabaseError as error:
                self._failure = error
                raise
            try:
                self._require()
            except DatabaseError:
                # The operation ended meanwhile, and nobody else would give it back.
                self._database.connections.end(connection, failed=False)
                raise
            self._connection = connection
        return self._connection

    def _require(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _stop(self) -> None:
        """Cancel the statements that nobody waits for any more: their operation has ended.

        They run in tasks of the data loaders, which know nothing of the operation's end.
        """
        abandoned = {task for task in self._fetching if task is not None}
        abandoned.discard(cast("asyncio.Task[Any]", asyncio.current_task()))
        for task in abandoned:
            task.cancel()
        if abandoned:
            await asyncio.wait(abandoned, timeout=RELEASE_SECONDS)


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
