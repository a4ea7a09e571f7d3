"""A whole import: files in, rows and a result out, chunk by chunk.

Each chunk is a transaction, so what an interrupted import has written is whole, and importing the
same files again writes the rest. A strict import is one transaction.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import asyncpg

from db.connections import translated
from db.importing import rows
from db.importing.chunks import Chunk, chunks, repeated
from db.importing.seen import Seen
from db.importing.writing import Counts, Writer, connected

# Chunks that are written at once: they keep PostgreSQL busy while we read the next one.
_WRITERS: Final = 3

# How long those that are under way may take to end when the import is stopped.
_END_SECONDS: Final = 5.0

# What PostgreSQL says of values that it can't take; found to be one record's fault, it is told so.
_FAULTS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)

# What became of a chunk: its rows, and place and reason of each record that was not taken.
_Outcome: TypeAlias = tuple[Counts, list[tuple[str, str]]]


class StrictError(Exception):
    """A strict import met a fault: nothing was written."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One record, or the rest of a file, that could not be taken."""

    file: str
    place: str
    reason: str

    def __str__(self) -> str:
        """Return it as one line for a person."""
        return ": ".join(part for part in (self.file, self.place, self.reason) if part)


@dataclass(slots=True)
class Result:
    """What an import has done so far; true also of one that was interrupted."""

    counts: Counts = field(default_factory=Counts)
    records: int = 0
    bytes: int = 0
    faults: int = 0


@dataclass(frozen=True, slots=True)
class Options:
    """How to import; `on_fault` and `on_progress` are told what happens as it happens."""

    strict: bool = False
    dry_run: bool = False
    on_fault: Callable[[Fault], None] = lambda _: None
    on_progress: Callable[[Result], None] = lambda _: None


async def run(
    url: str, files: Sequence[str], options: Options, result: Result | None = None
) -> Result:
    """Import the files, `-` being standard input.

    Args:
        url: The database.
        files: Paths, read one after the other.
        options: How to go about it.
        result: Where to count; a caller that may be interrupted has it at hand.

    Raises:
        StrictError: A fault in a strict import.
        DatabaseError: The database was lost or refuses; what the result counts is written.
    """
    result = Result() if result is None else result
    writers = 1 if options.strict or options.dry_run else _WRITERS
    try:
        async with AsyncExitStack() as stack:
            connections = [
                await stack.enter_async_context(connected(url)) for _ in range(writers + 1)
            ]
            await _Import(connections, files, options, result).run()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # What a connection says that was interrupted.
            raise asyncio.CancelledError from error
        raise translated(error) from error
    return result


class _Import:
    """Chunks begin one after the other, are written side by side, and end in their order."""

    def __init__(
        self, connections: list[Any], files: Sequence[str], options: Options, result: Result
    ) -> None:
        first, *others = connections
        self._seen = Seen(first)
        self._idle = [Writer(connection) for connection in others]
        self._open: deque[tuple[Chunk, Writer, asyncio.Task[_Outcome]]] = deque()
        self._files = files
        self._options = options
        self._result = result

    async def run(self) -> None:
        await self._seen.prepare()
        for writer in self._idle:
            await writer.prepare()
        if self._options.strict:
            await self._run_strictly(self._idle[0])
        else:
            await self._run()

    async def _run_strictly(self, writer: Writer) -> None:
        try:
            async with writer.transaction():
                await self._run()
        except BaseException:
            self._result.counts = Counts()
            raise

    async def _run(self) -> None:
        try:
            for file, name in enumerate(self._files):
                async for chunk in chunks(file, name):
                    await self._begin(chunk)
            while self._open:
                await self._end()
        finally:
            await self._give_up()

    async def _begin(self, chunk: Chunk) -> None:
        # The same record twice: the first one is written before the other is looked at.
        while not self._idle or any(
            not chunk.places.keys().isdisjoint(other.places) for other, _, _ in self._open
        ):
            await self._end()
        writer = self._idle.pop()
        self._open.append((chunk, writer, asyncio.create_task(self._write(chunk, writer))))

    async def _end(self) -> None:
        """Wait for the chunk that began first, and tell what became of it."""
        chunk, writer, task = self._open[0]
        # Whoever cancels us must not cut it short, as awaiting the task itself would: `_give_up`
        # lets it end.
        await asyncio.wait([task])
        counts, faults = task.result()
        self._open.popleft()
        self._idle.append(writer)
        self._count(chunk, counts)
        for fault in self._faults(chunk, faults):
            self._tell(fault)
            if self._options.strict:
                raise StrictError(str(fault))
        self._options.on_progress(self._result)

    async def _give_up(self) -> None:
        """Stop writing; what was written all the same counts."""
        tasks = [task for _, _, task in self._open]
        # Of a commit that is cut short nobody knows whether it was made: chunks under way may end.
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_END_SECONDS)
            for task in late:
                task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for (chunk, _, _), outcome in zip(self._open, outcomes, strict=True):
            if not isinstance(outcome, BaseException):
                self._count(chunk, outcome[0])
                for fault in self._faults(chunk, outcome[1]):
                    self._tell(fault)

    def _faults(self, chunk: Chunk, more: list[tuple[str, str]]) -> Iterator[Fault]:
        for place, reason in chunk.faults + more:
            yield Fault(self._files[chunk.file], place, reason)

    def _count(self, chunk: Chunk, counts: Counts) -> None:
        self._result.counts.add(counts)
        self._result.records += chunk.count
        self._result.bytes += chunk.size

    def _tell(self, fault: Fault) -> None:
        self._result.faults += 1
        self._options.on_fault(fault)

    async def _write(self, chunk: Chunk, writer: Writer) -> _Outcome:
        """Write the records of a chunk; where PostgreSQL refuses one, all the others."""
        try:
            return await self._written(chunk, writer)
        except asyncpg.DeadlockDetectedError:
            # Somebody else writes to the same sessions, and was the first.
            return await self._write(chunk, writer)
        except _FAULTS as error:
            if len(chunk.records) == 1:
                return Counts(), [
                    (place, f"PostgreSQL refuses it: {error}") for place in chunk.records
                ]
        counts, faults = Counts(), []
        for half in chunk.halves():
            more, found = await self._write(half, writer)
            counts.add(more)
            faults += found
        return counts, faults

    async def _written(self, chunk: Chunk, writer: Writer) -> _Outcome:
        if not self._options.dry_run:
            with suppress(asyncpg.UniqueViolationError):
                async with writer.transaction():
                    counts = await writer.add(chunk.batch)
                await self._seen.remember(chunk.file, chunk.places.items())
                return counts, []
        return await self._merged(chunk, writer)

    async def _merged(self, chunk: Chunk, writer: Writer) -> _Outcome:
        """Write the records of a chunk of which something is there already, or weigh them."""
        before = await self._seen.find(chunk.places)
        new, known, faults = [], [], []
        for place, record in chunk.records.items():
            first = before.get(record.id)
            if first is None:
                new.append(record)
            elif first.file != chunk.file:
                known.append(record)
            else:
                faults.append((place, repeated(record.id, first.place)))
        async with writer.transaction():
            if self._options.dry_run:
                counts = await writer.weigh(rows.batch_of(new))
                counts.skip(rows.batch_of(known))
            else:
                counts = await writer.merge(rows.batch_of(new + known))
        await self._seen.remember(chunk.file, [(r.id, chunk.places[r.id]) for r in new])
        return counts, faults
