"""The demo's rows into the tables, through the importer's writer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from db.demo import story
from db.importing.writing import Writer, connect

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
    connection = await connect(url)
    try:
        writer = Writer(connection)
        await writer.prepare()
        written = done = 0
        until = until or story.last_full_hour()
        for batch in story.batches(interceptions=interceptions, seed=seed, until=until):
            async with connection.transaction():
                counts = await writer.write(batch)
            written += counts.written["aibridge_interceptions"]
            done += len(batch)
            if progress is not None:
                progress(done)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
    return written
