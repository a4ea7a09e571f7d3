"""Token totals of interceptions, threads and sessions, and the sums of their metadata."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from db.queries import sessions, totals
from db.rows import SessionKey, SessionRow, TokenTotalsRow
from resolvers.asking import Ask, Batch
from resolvers.context import Context

K = TypeVar("K", bound=Hashable)

_INTEGER = re.compile(r"-?\d{1,16}", re.ASCII)

# Larger numbers count nothing and could not be told exactly in JSON: they are no integers here.
_LARGEST = 2**53 - 1


class TokenSummary(NamedTuple):
    """The four sums in tokens, and how to learn the sums of the metadata.

    Attributes:
        metadata_by: The batch that finds those sums.
        key: By which it does.
        carried_metadata: The same as JSON, where they are known already.
    """

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    cache_write_input_tokens: int
    metadata_by: Batch
    key: Hashable
    carried_metadata: str | None = None

    @property
    def metadata(self) -> Ask:
        """How to learn the sums of the metadata."""
        return Ask(self.metadata_by, self.key)


async def of_interceptions(
    ctx: Context, ids: Sequence[UUID], _args: None = None
) -> list[TokenSummary]:
    """Return the totals of each interception; zeros where it has no token usage."""
    found = await totals.of_interceptions(ctx.db, ids)
    return _summaries(ids, found, metadata_of_interceptions)


async def of_threads(ctx: Context, ids: Sequence[UUID], _args: None = None) -> list[TokenSummary]:
    """Return the totals of each thread; zeros where it has no token usage."""
    return _summaries(ids, await totals.of_threads(ctx.db, ids), metadata_of_threads)


def of_session(row: SessionRow) -> TokenSummary:
    """Return the totals of a session; zeros where it has no token usage."""
    sent, produced, cache_read, cache_written = map(int, row.token_sums)
    key, metadata = row.key, row.token_metadata
    return TokenSummary(
        sent, produced, cache_read, cache_written, metadata_of_sessions, key, metadata
    )


async def metadata_of_interceptions(
    ctx: Context, ids: Sequence[UUID], _args: None = None
) -> list[dict[str, int]]:
    """Return the metadata sums of each interception's token usages."""
    return _sums_by_key(ids, await totals.metadata_of_interceptions(ctx.db, ids))


async def metadata_of_threads(
    ctx: Context, ids: Sequence[UUID], _args: None = None
) -> list[dict[str, int]]:
    """Return the metadata sums of each thread's token usages."""
    return _sums_by_key(ids, await totals.metadata_of_threads(ctx.db, ids))


async def metadata_of_sessions(
    ctx: Context, keys: Sequence[SessionKey], _args: None = None
) -> list[dict[str, int]]:
    """Return the metadata sums of each session's token usages."""
    found = await sessions.token_metadata(ctx.db, keys)
    if found is None:
        return _sums_by_key(keys, await totals.metadata_of_sessions(ctx.db, keys))
    return [dict(sorted(found.get(key, {}).items())) for key in keys]


def _summaries(
    keys: Sequence[K], found: Mapping[K, TokenTotalsRow], metadata: Batch
) -> list[TokenSummary]:
    return [TokenSummary(*found.get(key, totals.NO_TOKENS), metadata, key) for key in keys]


def _sums_by_key(
    keys: Sequence[K], rows: Iterable[tuple[K, Mapping[str, Any]]]
) -> list[dict[str, int]]:
    by_key: dict[K, list[Mapping[str, Any]]] = defaultdict(list)
    for key, metadata in rows:
        by_key[key].append(metadata)
    return [metadata_sums(by_key.get(key, ())) for key in keys]


def metadata_sums(metadata: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Add up the integers of metadata, key by key, keys ascending.

    Nested objects are flattened with dots; an integer in quotes counts; all else is skipped, also
    what is beyond ±(2^53-1), as the rollup of sessions does.

    >>> metadata_sums([{"a": 1, "b": {"c": "2", "d": 0.5}}, {"a": 3, "e": "no"}])
    {'a': 4, 'b.c': 2}
    """
    sums: dict[str, int] = defaultdict(int)
    for each in metadata:
        if isinstance(each, dict):
            for name, value in _integers(each, ""):
                sums[name] += value
    return dict(sorted(sums.items()))


def _integers(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, int]]:
    for name, item in value.items():
        if isinstance(item, dict):
            yield from _integers(item, f"{prefix}{name}.")
        elif (number := _integer(item)) is not None:
            yield prefix + name, number


def _integer(value: object) -> int | None:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    return value if type(value) is int and abs(value) <= _LARGEST else None
