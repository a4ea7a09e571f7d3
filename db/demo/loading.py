"""The demo's rows into the tables, through the importer's writer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from db.demo import story
from db.importing.writing import Writer, connected

# What `aibridge demo` shows: enough for paging and searching, loaded in a second.
DEFAULT_INTERCEPTIONS = 4_000


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
    async with connected(url) as connection:
        writer = Writer(connection)
        await writer.prepare()
        written = done = 0
        until = until or story.last_full_hour()
        batches = story.batches(interceptions=interceptions, seed=seed, until=until)
        batch = next(batches, None)
        while batch is not None:
            done += len(batch)
            counts, batch = await asyncio.gather(
                writer.write(batch), asyncio.to_thread(next, batches, None)
            )
            written += counts.written["aibridge_interceptions"]
            if progress is not None:
                progress(done)
        await connection.execute("ANALYZE")
    return written
