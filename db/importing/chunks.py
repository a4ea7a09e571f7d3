"""The records of a file in chunks that are written together, read while others are written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final
from uuid import UUID

from db.importing import records, rows, sources
from db.importing.batches import Batch
from db.importing.pieces import SourceError
from db.importing.records import Record, RecordError

# A chunk ends at so many records, or so many bytes: rows that a COPY sends at once, and some
# hundredths of what the importer holds in memory at any time.
RECORDS: Final = 4_000
BYTES: Final = 8 * 1024 * 1024

# After so many records the connections get a turn: it takes them one or two milliseconds.
_SLICE: Final = 32


@dataclass(slots=True)
class Chunk:
    """Records that are written together, with their rows.

    Attributes:
        file: The file, counted from 0.
        records: Those that can be taken, by their place.
        places: The place of each record, by its id.
        batch: The rows of the records.
        faults: Place and reason of what can't be taken.
        count: Records read, good or bad.
        size: Their bytes.
    """

    file: int
    records: dict[str, Record] = field(default_factory=dict)
    places: dict[UUID, str] = field(default_factory=dict)
    batch: Batch = field(default_factory=Batch)
    faults: list[tuple[str, str]] = field(default_factory=list)
    count: int = 0
    size: int = 0

    def take(self, place: str, record: Record) -> None:
        """Add a record, unless its id is that of another one."""
        first = self.places.setdefault(record.id, place)
        if first == place:
            self.records[place] = record
            rows.add(record, self.batch)
        else:
            self.refuse(place, repeated(record.id, first))

    def refuse(self, place: str, reason: str) -> None:
        """Add a fault."""
        self.faults.append((place, reason))

    def halves(self) -> Iterator[Chunk]:
        """Yield two chunks with the half of the records each."""
        items = iter(self.records.items())
        for count in (len(self.records) // 2, None):
            half = Chunk(self.file)
            for place, record in islice(items, count):
                half.take(place, record)
            yield half


def repeated(record_id: UUID, first: str) -> str:
    """Return the reason why a record is not taken whose id another one has."""
    return f"id: {record_id} is that of {first} too"


async def chunks(file: int, name: str) -> AsyncIterator[Chunk]:
    """Yield the records of a file; what can't be read is a fault without a place."""
    chunk = Chunk(file)
    try:
        with sources.opened(name) as source:
            for piece in sources.pieces(source):
                chunk.count += 1
                chunk.size += len(piece.text)
                try:
                    chunk.take(piece.place, records.decode(piece))
                except RecordError as error:
                    chunk.refuse(piece.place, str(error))
                if chunk.count >= RECORDS or chunk.size >= BYTES:
                    yield chunk
                    chunk = Chunk(file)
                elif chunk.count % _SLICE == 0:
                    await asyncio.sleep(0)
    except SourceError as error:
        chunk.refuse("", str(error))
    if chunk.count or chunk.faults:
        yield chunk
