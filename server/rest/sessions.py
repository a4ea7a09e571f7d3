"""GET /sessions: sessions with at least one interception that passes, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode
from uuid import UUID

from orjson import Fragment

from db.errors import InvalidTextError
from db.filters import Filter
from db.keyset import Keyset, SortKey
from db.queries import columns
from db.queries.parts import TOLD, Carrying, Member, Part, Value
from db.queries.reading import Reading
from db.rows import SessionRow
from resolvers import matching_sessions, search, sessions
from resolvers.carrying import Readings
from resolvers.context import Context
from resolvers.matching_sessions import Figures
from server.rest import encoding, lists
from server.rest.endpoint import Answer, Asked, Endpoint
from server.rest.lists import ListName
from server.rest.parameters import checked_limit
from server.rest.refusals import RefusedError
from server.times import moment

_NAME = ListName(cursor="after_session_id", search="session")

_READS = frozenset(
    {
        "ended_at",
        "last_active_at",
        "last_prompt_id",
        "metadata",
        "models",
        "providers",
        "thread_count",
        "token_sums",
    }
)
_LAST_PROMPT = Part("last_prompt")
# All that is told of a whole session; `_session` tells the same of what can't be told so.
_TOLD = Part(
    TOLD,
    (
        Member("id", Value("session_id")),
        Member("initiator", encoding.INITIATOR),
        Member("providers", Value("providers")),
        Member("models", Value("models")),
        Member("client", Value("client")),
        Member("metadata", Value("metadata")),
        Member("started_at", Value("started_at", is_trimmed=True)),
        Member("ended_at", Value("ended_at", is_trimmed=True)),
        Member("threads", Value("thread_count")),
        Member("token_usage_summary", encoding.TOKEN_USAGE),
        Member("last_prompt", _LAST_PROMPT, is_optional=True),
        Member("last_active_at", Value("last_active_at", is_trimmed=True)),
    ),
)
_READING = Reading(
    # Nor is a place in the list told: the link to the next page names a session.
    columns.unread(SessionRow, _READS) | {"ordered_at"},
    Carrying((_TOLD,)),
    otherwise=Carrying((encoding.INITIATOR, _LAST_PROMPT)),
    alone=True,
    listed=True,
)
_READINGS = Readings.made({SessionRow: _READING})


async def _answer(ctx: Context, asked: Asked) -> Answer:
    parameters = asked.parameters
    paging = parameters.paging()
    initiator_id = parameters.uuid("after_initiator")
    parameters.refuse_faults()
    session_id = parameters.text("after_session_id")
    lists.refuse_cursor_with_offset(_NAME, paging, cursor=bool(session_id))
    limit = checked_limit(paging)
    q = parameters.text("q")
    filter_ = await lists.filter_of(ctx, _NAME, q, search.SESSIONS)
    after = await _position(ctx, filter_, session_id, initiator_id)
    window = Keyset(limit=limit, offset=paging.offset, after=after)
    ctx.readings = _READINGS
    found = await matching_sessions.page(ctx, filter_, window)
    count = found[0][0].listed if found else None
    if count is None:
        count = (await sessions.counts(ctx, [filter_]))[0]
    headers = {}
    if len(found) == limit:
        headers["Link"] = f'<{_next(asked, q, limit, found[-1][0])}>; rel="next"'
    return Answer({"count": count, "sessions": await _encoded(ctx, found)}, headers)


async def _position(
    ctx: Context, filter_: Filter, session_id: str, initiator_id: UUID | None
) -> SortKey | None:
    if not session_id:
        return None
    try:
        found = await matching_sessions.position(ctx, filter_, session_id, initiator_id)
    except InvalidTextError:
        found = None
    if found is None:
        raise RefusedError(
            400,
            "Query parameter has invalid value.",
            f'after_session_id: session "{session_id}" not found',
        )
    return found


def _next(asked: Asked, q: str, limit: int, last: SessionRow) -> str:
    """Return the link to the page behind a full one."""
    query = {
        "q": q,
        "limit": limit,
        "after_session_id": last.session_id,
        "after_initiator": last.initiator_id,
    }
    return f"{asked.path}?{urlencode({name: value for name, value in query.items() if value})}"


async def _encoded(
    ctx: Context, found: Sequence[tuple[SessionRow, Figures]]
) -> list[dict[str, object]] | list[Fragment]:
    told = [Fragment(row.told) for row, _ in found if row.told is not None]
    # Of a page either all rows tell themselves or none does.
    if told:
        return told
    rows = [row for row, _ in found]
    initiators = await lists.initiators_of(ctx, rows)
    prompts = await _last_prompts(ctx, rows)
    return [
        _session(row, figures, initiator, prompt)
        for (row, figures), initiator, prompt in zip(found, initiators, prompts, strict=True)
    ]


async def _last_prompts(ctx: Context, rows: Sequence[SessionRow]) -> list[str | Fragment | None]:
    """Return the newest prompt of each session, None where it has none: carried, or looked up."""
    missing = [row.last_prompt_id for row in rows if row.last_prompt is None and row.last_prompt_id]
    texts = await sessions.last_prompts(ctx, missing)
    found: dict[UUID | None, str | None] = dict(zip(missing, texts, strict=True))
    return [
        found.get(row.last_prompt_id) if row.last_prompt is None else _carried(row.last_prompt)
        for row in rows
    ]


def _carried(prompt: str) -> Fragment | None:
    return None if prompt == "null" else Fragment(prompt)


def _session(
    row: SessionRow,
    figures: Figures,
    initiator: dict[str, object] | Fragment,
    prompt: str | Fragment | None,
) -> dict[str, object]:
    told: dict[str, object] = {
        "id": row.session_id,
        "initiator": initiator,
        "providers": row.providers,
        "models": row.models,
        "client": row.client,
        "metadata": row.metadata,
        "started_at": moment(figures.started_at),
        "ended_at": moment(figures.ended_at),
        "threads": figures.thread_count,
        "token_usage_summary": encoding.token_sums(row.token_sums),
    }
    if prompt is not None:
        told["last_prompt"] = prompt
    # Where there is no prompt, the start that is told above.
    told["last_active_at"] = moment(
        row.last_active_at if row.last_prompt_id else figures.started_at
    )
    return told


ENDPOINT = Endpoint("sessions", ("sessions",), _answer)
