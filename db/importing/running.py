"""A whole import: files in, rows and a result out, batch by batch.

Each batch is a transaction, so what an interrupted import has written is whole, and importing the
same files again writes the rest. A strict import is one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from db.database import translated
from db.importing import records, rows, sources
from db.importing.pieces import Piece, SourceError
from db.importing.records import Record, RecordError
from db.importing.seen import Seen
from db.importing.writing import Counts, Writer, connect

# A batch ends at so many records, or so many bytes: rows that a COPY sends at once, and about
# what the importer holds in memory at any time.
_BATCH_RECORDS = 4_000
_BATCH_BYTES = 8 * 1024 * 1024

# What PostgreSQL says of values that it can't take; found to be one record's fault, it is told so.
_FAULTS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


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


@dataclass(slots=True)
class _Chunk:
    """Records that are written together, and the place of each."""

    file: int
    records: list[Record] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    size: int = 0

    def halves(self) -> Iterator[_Chunk]:
        middle = len(self.records) // 2
        for part in (slice(None, middle), slice(middle, None)):
            yield _Chunk(self.file, self.records[part], self.places[part])


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
    try:
        connection = await connect(url)
        try:
            await _Import(connection, files, options, result).run()
        except BaseException:
            if options.strict:
                result.counts = Counts()
            raise
        finally:
            # A transaction that is still open ends with the connection, and is rolled back.
            connection.terminate()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise translated(error) from error
    return result


class _Import:
    def __init__(
        self, connection: Any, files: Sequence[str], options: Options, result: Result
    ) -> None:
        self._connection = connection
        self._files = files
        self._options = options
        self._result = result
        self._writer = Writer(connection)
        self._seen = Seen(connection)

    async def run(self) -> None:
        await self._writer.prepare()
        await self._seen.prepare()
        async with AsyncExitStack() as stack:
            if self._options.strict:
                await stack.enter_async_context(self._connection.transaction())
            for file, name in enumerate(self._files):
                for chunk in self._chunks(file, name):
                    await self._write(chunk)
                    self._options.on_progress(self._result)

    def _fault(self, file: int, place: str, reason: str) -> None:
        fault = Fault(self._files[file], place, reason)
        self._result.faults += 1
        self._options.on_fault(fault)
        if self._options.strict:
            raise StrictError(str(fault))

    def _chunks(self, file: int, name: str) -> Iterator[_Chunk]:
        chunk = _Chunk(file)
        for piece, record in self._decoded(file, name):
            chunk.records.append(record)
            chunk.places.append(piece.place)
            chunk.size += len(piece.text)
            if len(chunk.records) >= _BATCH_RECORDS or chunk.size >= _BATCH_BYTES:
                yield chunk
                chunk = _Chunk(file)
        if chunk.records:
            yield chunk

    def _decoded(self, file: int, name: str) -> Iterator[tuple[Piece, Record]]:
        """Yield the records that can be taken and report the others."""
        try:
            with sources.opened(name) as source:
                for piece in sources.pieces(source):
                    self._result.records += 1
                    self._result.bytes += len(piece.text)
                    try:
                        record = records.decode(piece)
                    except RecordError as error:
                        self._fault(file, piece.place, str(error))
                    else:
                        yield piece, record
        except SourceError as error:
            self._fault(file, "", str(error))

    async def _write(self, chunk: _Chunk) -> None:
        """Write the records of a chunk; where PostgreSQL refuses one, all the others."""
        try:
            async with self._connection.transaction():
                counts, repeated = await self._written(chunk)
                if self._options.strict:
                    await self._writer.clear()
        except _FAULTS as error:
            self._writer.forget()
            if len(chunk.records) == 1:
                self._fault(chunk.file, chunk.places[0], f"PostgreSQL refuses it: {error}")
                return
            for half in chunk.halves():
                await self._write(half)
            return
        self._result.counts.add(counts)
        for place, reason in repeated:
            self._fault(chunk.file, place, reason)

    async def _written(self, chunk: _Chunk) -> tuple[Counts, list[tuple[str, str]]]:
        wanted, repeated, elsewhere = await self._without_repeated(chunk)
        batch = rows.batch_of(wanted)
        if self._options.dry_run:
            counts = await self._writer.weigh(batch)
            for table, known in rows.batch_of(elsewhere).rows().items():
                counts.skipped[table] += len(known)
        else:
            counts = await self._writer.write(batch)
        return counts, repeated

    async def _without_repeated(
        self, chunk: _Chunk
    ) -> tuple[list[Record], list[tuple[str, str]], list[Record]]:
        """Return the records to write, the repeated ones of this file, those of another file."""
        places: dict[Any, str] = {}
        for record, place in zip(chunk.records, chunk.places, strict=True):
            places.setdefault(record.id, place)
        before = await self._seen.mark(chunk.file, places)
        wanted, repeated, elsewhere = [], [], []
        for record, place in zip(chunk.records, chunk.places, strict=True):
            known = before.get(record.id)
            first = known.place if known and known.file == chunk.file else places[record.id]
            if first != place:
                repeated.append((place, f"id: {record.id} is that of {first} too"))
            elif known and self._options.dry_run:
                elsewhere.append(record)
            else:
                wanted.append(record)
        return wanted, repeated, elsewhere
