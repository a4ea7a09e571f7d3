"""The root fields: from arguments to the look-up that they mean."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import strawberry
from strawberry import UNSET

from db.filters import ToolUsageCriteria, UserPromptCriteria
from db.queries.values import Kind
from resolvers import filtering, interceptions, nodes, sessions, threads, usage_lists, users, values
from resolvers.asking import Ask
from resolvers.filtering import Wanted
from resolvers.paging import PageArgs
from schema.connections import (
    InterceptionConnection,
    SessionConnection,
    ToolUsageConnection,
    UserPromptConnection,
)
from schema.enums import SessionOrder, stored
from schema.fields import After, Before, First, Last, given, page_args, root
from schema.inputs import InterceptionFilter, ToolUsageFilter, UserPromptFilter
from schema.node import Node
from schema.types.interception import Interception
from schema.types.session import Session
from schema.types.thread import Thread
from schema.types.user import Viewer

Filter = Annotated[
    InterceptionFilter | None,
    strawberry.argument(description="Only those with an interception that passes."),
]
Search = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "A search of key:value pairs, as REST's `q`: `initiator:maya model:gpt-5 "
            'started_after:"2026-10-01T00:00:00Z"`. It applies beside `filter`.'
        )
    ),
]
Prefix = Annotated[
    str | None,
    strawberry.argument(description="Only those that begin with this text, case included."),
]
Limit = Annotated[int | None, strawberry.argument(description="How many at most.")]
Offset = Annotated[int | None, strawberry.argument(description="How many to pass over first.")]


# How many values are listed where no limit is given.
_LIMIT = 100


def _wanted(filter: InterceptionFilter | None, q: str | None = None) -> Wanted:
    chosen = given(filter)
    return filtering.searching(given(q)) if chosen is None else chosen.wanted(given(q))


def _node(
    id: Annotated[strawberry.ID, strawberry.argument(description="A global id.")],
) -> Ask:
    return Ask(nodes.by_ids, str(id))


def _nodes(
    ids: Annotated[list[strawberry.ID], strawberry.argument(description="Global ids.")],
) -> Ask:
    return Ask(nodes.lists, tuple(map(str, ids)))


def _viewer() -> Ask:
    return Ask(users.viewers, users.ME)


def _sessions(  # noqa: PLR0913, PLR0917 (the contract's arguments)
    filter: Filter = UNSET,
    q: Search = UNSET,
    order_by: Annotated[
        SessionOrder | None, strawberry.argument(description="The order of the list.")
    ] = SessionOrder.STARTED_AT_DESC,
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
) -> Ask:
    page = page_args(first, after, last, before)
    order = stored(order_by or SessionOrder.STARTED_AT_DESC)
    return Ask(sessions.pages, sessions.SessionList(page, _wanted(filter, q), order))


def _session(
    session_id: Annotated[str, strawberry.argument(description="The client's id of the session.")],
    initiator: Annotated[
        str | None,
        strawberry.argument(
            description='Whose: "me", a user id or a username. Needed where users share an id.'
        ),
    ] = UNSET,
) -> Ask:
    return Ask(sessions.by_names, sessions.SessionName(session_id, given(initiator)))


def _interceptions(
    filter: Annotated[
        InterceptionFilter | None, strawberry.argument(description="Only those that pass.")
    ] = UNSET,
    q: Search = UNSET,
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
) -> Ask:
    page = page_args(first, after, last, before)
    return Ask(interceptions.pages, interceptions.InterceptionList(page, _wanted(filter, q)))


def _interception(
    interception_id: Annotated[UUID, strawberry.argument(description="Its id in the database.")],
) -> Ask:
    return Ask(interceptions.by_ids, interception_id)


def _thread(
    thread_id: Annotated[
        UUID, strawberry.argument(description="The id of the thread's root interception.")
    ],
) -> Ask:
    return Ask(threads.by_ids, thread_id)


def _tool_usages(
    filter: Annotated[
        ToolUsageFilter | None, strawberry.argument(description="Only those that pass.")
    ] = UNSET,
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
) -> Ask:
    page = page_args(first, after, last, before)
    chosen = given(filter)
    if chosen is None:
        return Ask(usage_lists.pages, usage_lists.UsageList(page, ToolUsageCriteria()))
    return _usages(page, chosen, chosen.criteria())


def _user_prompts(
    filter: Annotated[
        UserPromptFilter | None, strawberry.argument(description="Only those that pass.")
    ] = UNSET,
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
) -> Ask:
    page = page_args(first, after, last, before)
    chosen = given(filter)
    if chosen is None:
        return Ask(usage_lists.pages, usage_lists.UsageList(page, UserPromptCriteria()))
    return _usages(page, chosen, chosen.criteria())


def _usages(
    page: PageArgs,
    filter: ToolUsageFilter | UserPromptFilter,
    criteria: ToolUsageCriteria | UserPromptCriteria,
) -> Ask:
    wanted = _wanted(filter.interceptions)
    return Ask(
        usage_lists.pages,
        usage_lists.UsageList(page, criteria, given(filter.initiator), wanted),
    )


def _values(kind: Kind, prefix: str | None, limit: int | None, offset: int | None) -> Ask:
    wanted = values.ValueList(
        kind, given(prefix) or "", _LIMIT if limit is None else limit, offset or 0
    )
    return Ask(values.lists, wanted)


def _models(prefix: Prefix = UNSET, limit: Limit = _LIMIT, offset: Offset = 0) -> Ask:
    return _values("model", prefix, limit, offset)


def _clients(prefix: Prefix = UNSET, limit: Limit = _LIMIT, offset: Offset = 0) -> Ask:
    return _values("client", prefix, limit, offset)


def _providers(prefix: Prefix = UNSET, limit: Limit = _LIMIT, offset: Offset = 0) -> Ask:
    return _values("provider", prefix, limit, offset)


@strawberry.type(description="What can be asked of the audit trail.")
class Query:
    """The root."""

    node: Node | None = root(
        _node, "The thing with this global id; null where there is none that you may read."
    )
    nodes: list[Node | None] = root(
        _nodes, "The things with these global ids, in their order; null for each that is none."
    )
    viewer: Viewer = root(_viewer, "You.")
    sessions: SessionConnection = root(
        _sessions, "Sessions, newest first unless ordered otherwise."
    )
    session: Session | None = root(
        _session,
        "The session with this id; the newest where several users share it and none is named. "
        "Null where there is none that you may read.",
    )
    interceptions: InterceptionConnection = root(_interceptions, "Interceptions, newest first.")
    interception: Interception | None = root(
        _interception, "The interception with this id; null where there is none that you may read."
    )
    thread: Thread | None = root(
        _thread, "The thread with this root; null where there is none that you may read."
    )
    tool_usages: ToolUsageConnection = root(_tool_usages, "Tool calls, newest first.")
    user_prompts: UserPromptConnection = root(_user_prompts, "Prompts, newest first.")
    models: list[str] = root(_models, "The models that were asked, ascending.")
    clients: list[str] = root(
        _clients, 'The agents that asked, ascending; "Unknown" stands for none recognised.'
    )
    providers: list[str] = root(_providers, "The types of providers that were asked, ascending.")
