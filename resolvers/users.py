"""Users: by id, as filters name them, and the one who asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from db.queries import users
from db.rows import UserRow
from resolvers import access, wording
from resolvers.context import Context
from resolvers.errors import BadUserInputError

# How a filter names the caller.
ME = "me"


@dataclass(frozen=True, slots=True)
class Viewer:
    """The caller, and what they may do."""

    user_id: UUID
    roles: list[str]
    can_read_all: bool


async def viewers(ctx: Context, keys: Sequence[str], _args: None = None) -> list[Viewer]:
    """Return the caller, once for each key."""
    principal = ctx.principal
    viewer = Viewer(principal.user_id, sorted(principal.roles), access.can_read_all(principal))
    return [viewer] * len(keys)


async def by_ids(ctx: Context, ids: Sequence[UUID], _args: None = None) -> list[UserRow | None]:
    """Return the users with these ids, deleted ones too.

    For the initiators of rows that the caller may read, and for the caller; `visible_by_ids` is for
    ids that came from outside.
    """
    found = await users.by_ids(ctx.db, ids)
    return [found.get(user_id) for user_id in ids]


async def visible_by_ids(
    ctx: Context, ids: Sequence[UUID], _args: None = None
) -> list[UserRow | None]:
    """Return the users with these ids that the caller may know of: all, or only the caller."""
    found = await users.by_ids(ctx.db, [i for i in ids if _may_name(ctx, i)])
    return [found.get(user_id) for user_id in ids]


async def named(
    ctx: Context, names: Sequence[str], _args: None = None
) -> list[UUID | BadUserInputError]:
    """Return the ids of the users that a filter names: `me`, a user id, or a username in any case.

    A name that the caller may not know of is treated as one that does not exist: its result is the
    error that says so.
    """
    by_name = {
        name: user_id for name in names if (user_id := _without_look_up(ctx, name)) is not None
    }
    unknown = [name for name in names if name not in by_name]
    if unknown:
        reader = None if access.can_read_all(ctx.principal) else ctx.principal.user_id
        found = await users.ids_by_names(ctx.db, reader, unknown)
        by_name |= {name: found[name.lower()] for name in unknown if name.lower() in found}
    # Those that the caller may not know of leave here, so that no further statement tells of them.
    by_name = {name: user_id for name, user_id in by_name.items() if _may_name(ctx, user_id)}
    known = await users.known_ids(ctx.db, list(by_name.values())) if by_name else set()
    return [
        by_name[name] if name in by_name and by_name[name] in known else unknown_user(name)
        for name in names
    ]


def unknown_user(name: str) -> BadUserInputError:
    """Return the error for a user that a filter names and the caller can't see."""
    return BadUserInputError(
        f'Query param "initiator" has invalid value: user "{name}" either does not exist, '
        "or you are unauthorized to view them"
    )


def _may_name(ctx: Context, user_id: UUID) -> bool:
    return access.can_read_all(ctx.principal) or user_id == ctx.principal.user_id


def _without_look_up(ctx: Context, name: str) -> UUID | None:
    return ctx.principal.user_id if name == ME else wording.uuid_of(name)
