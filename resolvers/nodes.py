"""Global ids: one opaque id for every thing that can be asked for again, and the way back.

An id names the type and the key; it is stable over releases. One that can't be decoded, is unknown,
or names what the caller may not read is nothing, never an error.
"""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from db.rows import (
    InterceptionRow,
    SessionKey,
    SessionRow,
    ThreadRow,
    TokenUsageRow,
    ToolUsageRow,
    UserPromptRow,
    UserRow,
)
from resolvers import interceptions, sessions, threads, usages, users
from resolvers.asking import Ask, Batch
from resolvers.carrying import TYPE_NAMES
from resolvers.context import Context


@dataclass(frozen=True, slots=True)
class NodeKind:
    """A type whose things have global ids.

    Attributes:
        row: The row that stands for such a thing.
        batch: Finds those that the caller may read, by key.
        write: The key of a row as text.
        read: The key of a text; raises ValueError where it is none.
    """

    row: type
    batch: Batch
    write: Callable[[Any], str] = lambda row: str(row.id)
    read: Callable[[str], Hashable] = UUID

    @property
    def name(self) -> str:
        """The type's name, which stands in the id."""
        return TYPE_NAMES[self.row]


def _read_session_key(text: str) -> SessionKey:
    initiator_id, _, session_id = text.partition(":")
    if "\0" in session_id:
        raise ValueError(text)
    return session_id, UUID(initiator_id)


KINDS = (
    NodeKind(
        SessionRow,
        sessions.by_keys,
        lambda row: f"{row.initiator_id}:{row.session_id}",
        _read_session_key,
    ),
    NodeKind(ThreadRow, threads.by_ids),
    NodeKind(InterceptionRow, interceptions.by_ids),
    NodeKind(TokenUsageRow, usages.tokens_by_ids),
    NodeKind(UserPromptRow, usages.prompts_by_ids),
    NodeKind(ToolUsageRow, usages.tools_by_ids),
    NodeKind(UserRow, users.visible_by_ids),
)
_URL_SAFE = bytes.maketrans(b"+/", b"-_")

_BY_NAME = {kind.name: kind for kind in KINDS}
_BY_ROW = {kind.row: kind for kind in KINDS}


def global_id(row: Any) -> str:
    """Return the global id of a row."""
    row_type = type(row)
    text = f"{TYPE_NAMES[row_type]}:{_BY_ROW[row_type].write(row)}"
    # What base64.urlsafe_b64encode does, in half the time: a nested answer holds hundreds of ids.
    raw = binascii.b2a_base64(text.encode(), newline=False).translate(_URL_SAFE)
    return raw.rstrip(b"=").decode("ascii")


def look_up_of(global_id: str) -> Ask | None:
    """Return the look-up that an id stands for; None where it stands for none."""
    try:
        raw = base64.urlsafe_b64decode(global_id.encode("ascii") + b"=" * (-len(global_id) % 4))
        name, _, key = raw.decode().partition(":")
        kind = _BY_NAME[name]
        return Ask(kind.batch, kind.read(key))
    except (ValueError, KeyError):
        return None


async def by_ids(ctx: Context, ids: Sequence[str], _args: None = None) -> list[Any]:
    """Return the things with these ids, None for each that is none; a statement for each type."""
    asks = {each: ask for each in ids if (ask := look_up_of(each)) is not None}
    keys: dict[Batch, list[Hashable]] = defaultdict(list)
    for ask in asks.values():
        keys[ask.batch].append(ask.key)
    if len(keys) > 1:
        # So that all tell of one moment.
        await ctx.db.begin()
    found: dict[Ask, Any] = {}
    for batch, wanted in keys.items():
        rows = await batch(ctx, wanted, None)
        found |= {Ask(batch, key): row for key, row in zip(wanted, rows, strict=True)}
    return [found[asks[each]] if each in asks else None for each in ids]


async def lists(
    ctx: Context, lists: Sequence[tuple[str, ...]], _args: None = None
) -> list[list[Any]]:
    """Return the things of each list of ids, in its order."""
    ids = list(dict.fromkeys(each for ids in lists for each in ids))
    found = dict(zip(ids, await by_ids(ctx, ids), strict=True))
    return [[found[each] for each in ids] for ids in lists]
