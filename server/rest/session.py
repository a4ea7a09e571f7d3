"""GET /sessions/{session_id}: one session, and a page of its threads, oldest first."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from orjson import Fragment

from db.errors import InvalidTextError
from db.keyset import Keyset, SortKey
from db.rows import SessionRow
from resolvers import interceptions, sessions, threads, totals, wording
from resolvers.context import Context
from resolvers.sessions import SessionName
from server.rest import encoding, lists
from server.rest.endpoint import Answer, Asked, Endpoint
from server.rest.parameters import NIL, Parameters, int32_of, why_no_uuid
from server.rest.refusals import RefusedError
from server.rest.threads import Page, page_of
from server.times import moment

_DEFAULT_LIMIT = 50
_MAX_LIMIT = 200


async def _answer(ctx: Context, asked: Asked) -> Answer:
    parameters = asked.parameters
    cursors = {name: _cursor(parameters, name) for name in ("after_id", "before_id")}
    if all(cursors.values()):
        raise RefusedError(400, "Cannot use both after_id and before_id in the same request.")
    limit = _limit(parameters)
    session = await _session(ctx, SessionName(asked.session_id, parameters.text("initiator")))
    window = await _window(ctx, session, cursors, limit)
    rows = await threads.window_of_session(ctx, session.key, window)
    return Answer(await _encoded(ctx, session, await page_of(ctx, rows)))


def _cursor(parameters: Parameters, name: str) -> UUID | None:
    text = parameters.text(name)
    value = wording.uuid_of(text)
    if text and value is None:
        raise RefusedError(400, f"Invalid {name} query parameter.", why_no_uuid(text))
    return None if value == NIL else value


def _limit(parameters: Parameters) -> int:
    text = parameters.text("limit")
    try:
        limit = int32_of(text) if text else _DEFAULT_LIMIT
    except ValueError:
        limit = 0
    if not 1 <= limit <= _MAX_LIMIT:
        raise RefusedError(
            400, "Invalid limit query parameter.", f"Limit must be between 1 and {_MAX_LIMIT}."
        )
    return limit


async def _session(ctx: Context, name: SessionName) -> SessionRow:
    try:
        found = (await sessions.by_names(ctx, [name]))[0]
    except InvalidTextError:
        found = None
    if not isinstance(found, SessionRow):
        raise RefusedError(404, "Session not found.")
    return found


async def _window(
    ctx: Context, session: SessionRow, cursors: Mapping[str, UUID | None], limit: int
) -> Keyset:
    after, before = [
        await _position(ctx, session, name, cursor) for name, cursor in cursors.items()
    ]
    return Keyset(limit=limit, backward=before is not None, after=after, before=before)


async def _position(
    ctx: Context, session: SessionRow, name: str, cursor: UUID | None
) -> SortKey | None:
    if cursor is None:
        return None
    row = (await interceptions.by_ids(ctx, [cursor]))[0]
    if row is None:
        reason = "not found"
    elif row.session_key != session.key:
        reason = f"does not belong to session {session.session_id}"
    else:
        return row.started_at, row.id
    raise RefusedError(
        400,
        "Invalid pagination cursor.",
        f"{name}: interception {cursor} {reason}: invalid pagination cursor",
    )


async def _encoded(ctx: Context, session: SessionRow, page: Page) -> dict[str, object]:
    (initiator,) = await lists.initiators_of(ctx, [session])
    metadata: Mapping[str, int] | Fragment
    if session.token_metadata is not None:
        metadata = Fragment(session.token_metadata)
    else:
        (metadata,) = await totals.metadata_of_sessions(ctx, [session.key])
    return {
        "id": session.session_id,
        "initiator": initiator,
        "providers": session.providers,
        "models": session.models,
        **encoding.left_out_when_none(client=session.client),
        "metadata": session.metadata,
        **encoding.left_out_when_none(
            page_started_at=page.started_at and moment(page.started_at),
            page_ended_at=page.ended_at and moment(page.ended_at),
        ),
        "started_at": moment(session.started_at),
        "ended_at": moment(session.ended_at),
        "token_usage_summary": encoding.token_summary(totals.of_session(session), metadata),
        "threads": page.threads,
    }


ENDPOINT = Endpoint("session", ("sessions", None), _answer)
