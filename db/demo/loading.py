"""The demo's rows into the tables, through the importer's writer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from itertools import islice

from db.demo import story
from db.importing.batches import Batch
from db.importing.writing import Writer, connected

# What `aibridge demo` shows: enough for paging and searching, loaded in a second.
DEFAULT_INTERCEPTIONS = 4_000

# Two batches are written while the next two are made.
_WRITERS = 2


async def load(
    url: str,
    *,
    interceptions: int = DEFAULT_INTERCEPTIONS,
    seed: int = 1,
    until: datetime | None = None,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write demo data and return how many interceptions were new.

    The same arguments make the same rows, so loading them again changes nothing. `until` is the
    end of the demo's time, by default the last full hour. `progress` is told how many
    interceptions are done.
    """
    until = until or story.last_full_hour()
    batches = story.batches(interceptions=interceptions, seed=seed, until=until)

    def make() -> list[Batch]:
        return list(islice(batches, _WRITERS))

    written = done = 0
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(connected(url)) for _ in range(_WRITERS)]
        writers = [Writer(connection) for connection in connections]
        for writer in writers:
            await writer.prepare()
        making = asyncio.create_task(asyncio.to_thread(make))
        while made := await making:
            making = asyncio.create_task(asyncio.to_thread(make))
            for counts in await asyncio.gather(*map(Writer.write, writers, made)):
                written += counts.written["aibridge_interceptions"]
            done += sum(map(len, made))
            if progress is not None:
                progress(done)
        await connections[0].execute("ANALYZE")
    return written
