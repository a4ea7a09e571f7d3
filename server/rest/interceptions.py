"""GET /interceptions: all interceptions, newest first, each with what it used."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from db.keyset import Keyset, SortKey
from db.queries.parts import Carrying
from db.queries.reading import Reading
from db.rows import InterceptionRow
from resolvers import interceptions, search, usages
from resolvers.carrying import Readings
from resolvers.context import Context
from server.rest import encoding, lists
from server.rest.endpoint import Answer, Asked, Endpoint
from server.rest.lists import ListName
from server.rest.parameters import checked_limit
from server.rest.refusals import RefusedError

# "workspace" is the reference's own wording.
_NAME = ListName(cursor="after_id", search="workspace")

# RFC 9745: the day since when callers should go over to the sessions.
_DEPRECATED = "@1795305600"

_READINGS = Readings.made({InterceptionRow: Reading(carrying=Carrying((encoding.INITIATOR,)))})


async def _answer(ctx: Context, asked: Asked) -> Answer:
    parameters = asked.parameters
    paging = parameters.paging()
    parameters.refuse_faults()
    lists.refuse_cursor_with_offset(_NAME, paging, cursor=paging.after_id is not None)
    limit = checked_limit(paging)
    filter_ = await lists.filter_of(ctx, _NAME, parameters.text("q"), search.INTERCEPTIONS)
    after = await _position(ctx, paging.after_id)
    window = Keyset(limit=limit, offset=paging.offset, after=after)
    count = (await interceptions.counts(ctx, [filter_]))[0]
    ctx.readings = _READINGS
    rows = await interceptions.of_window(ctx, filter_, window)
    successor = asked.path.removesuffix("interceptions") + "sessions"
    return Answer(
        {"count": count, "results": await _encoded(ctx, rows)},
        {"Deprecation": _DEPRECATED, "Link": f'<{successor}>; rel="successor-version"'},
    )


async def _position(ctx: Context, after_id: UUID | None) -> SortKey | None:
    if after_id is None:
        return None
    row = (await interceptions.by_ids(ctx, [after_id]))[0]
    if row is None:
        raise RefusedError(
            400,
            "Invalid pagination cursor.",
            f"after_id: interception {after_id} not found: invalid pagination cursor",
        )
    return row.started_at, row.id


async def _encoded(ctx: Context, rows: Sequence[InterceptionRow]) -> list[dict[str, object]]:
    if not rows:
        return []
    ids = [row.id for row in rows]
    initiators = await lists.initiators_of(ctx, rows)
    return [
        encoding.interception(*each)
        for each in zip(
            rows,
            initiators,
            await usages.tokens_of_interceptions(ctx, ids),
            await usages.prompts_of_interceptions(ctx, ids),
            await usages.tools_of_interceptions(ctx, ids),
            strict=True,
        )
    ]


ENDPOINT = Endpoint("interceptions", ("interceptions",), _answer)
