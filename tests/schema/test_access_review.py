"""A member who tries to learn of another's rows: by links, filters, cursors, counts, errors."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import orjson
import pytest

from tests.factories import Factory
from tests.graph import Graph

# Stands in every text of ben's, so that nothing of his can come out unseen.
SECRET = "secret-of-ben"

_USAGES = """
  tokenUsages { id metadata interception { id } } userPrompts { prompt interception { id } }
  toolUsages { tool input interception { id } } modelThoughts { content }
"""
_INTERCEPTION = f"""
  id interceptionId initiator {{ username }} provider providerName model client clientSessionId
  apiKeyId metadata credentialHint tokenUsage {{ inputTokens metadata }} {_USAGES}
"""
_LINKED = f"""
  {_INTERCEPTION}
  parent {{ {_INTERCEPTION} }}
  session {{ sessionId lastPrompt models providers interceptionCount
            interceptions {{ totalCount nodes {{ {_INTERCEPTION} }} }} }}
  thread {{ prompt model interceptionCount tokenUsage {{ inputTokens metadata }}
           agenticActions {{ interception {{ {_INTERCEPTION} }} thinking {{ content }}
                             toolCalls {{ input }} }}
           interceptions {{ totalCount nodes {{ {_INTERCEPTION} }} }} }}
"""
EVERYTHING = f"""
{{
  viewer {{ user {{ username sessions {{ totalCount nodes {{ sessionId }} }} }} }}
  sessions {{ totalCount nodes {{
    sessionId client metadata models providers lastPrompt threadCount interceptionCount
    tokenUsage {{ inputTokens metadata }}
    threads {{ totalCount nodes {{ prompt interceptions {{ nodes {{ {_INTERCEPTION} }} }} }} }}
    interceptions {{ totalCount nodes {{ {_LINKED} }} }}
  }} }}
  interceptions {{ totalCount nodes {{ {_LINKED} }} }}
  toolUsages {{ totalCount nodes {{ tool input interception {{ {_INTERCEPTION} }} }} }}
  userPrompts {{ totalCount nodes {{ prompt interception {{ {_INTERCEPTION} }} }} }}
  models clients providers
}}
"""


@dataclass
class World:
    """Rows of ann and ben that point at each other in every way the tables allow."""

    ann: UUID
    ben: UUID
    of_ann: UUID
    of_ben: UUID


async def _all_of(make: Factory, user: UUID, text: str, **columns: Any) -> UUID:
    texts = {"provider": text, "provider_name": text, "model": text, "client": text}
    row = await make.interception(
        user, "shared", metadata={text: 7}, api_key_id=text, **texts, **columns
    )
    await make.token_usage(row, metadata={text: 7}, input_tokens=1000)
    await make.prompt(row, text)
    await make.tool_usage(row, text, input=text)
    await make.thought(row, text)
    return row


@pytest.fixture
async def world(make: Factory) -> World:
    ann, ben = await make.user("ann"), await make.user("ben")
    root_of_ann = await _all_of(make, ann, "ann")
    root_of_ben = await _all_of(make, ben, SECRET)
    # Each continues the other's thread, under the session id that both use.
    await _all_of(make, ben, SECRET, thread_root_id=root_of_ann, thread_parent_id=root_of_ann)
    await _all_of(make, ann, "ann", thread_root_id=root_of_ben, thread_parent_id=root_of_ben)
    return World(ann, ben, root_of_ann, root_of_ben)


@pytest.fixture
def ann(graph: Graph, world: World) -> Graph:
    return graph.as_user(world.ann, "member", member_access="own")


async def test_nothing_of_anothers_comes_out_of_any_field(ann: Graph) -> None:
    data = await ann(EVERYTHING)
    assert SECRET not in orjson.dumps(data).decode()
    assert data["sessions"]["totalCount"] == 1
    assert data["interceptions"]["totalCount"] == 2
    assert data["toolUsages"]["totalCount"] == 2
    assert data["userPrompts"]["totalCount"] == 2
    [session] = data["sessions"]["nodes"]
    assert session["interceptionCount"] == 2
    assert session["tokenUsage"]["inputTokens"] == 2000
    for interception in data["interceptions"]["nodes"]:
        assert interception["initiator"]["username"] == "ann"


async def test_the_reader_of_everything_sees_them(graph: Graph, world: World) -> None:
    """Without this, the test above would pass on an empty database."""
    auditor = graph.as_user(world.ann, "auditor")
    assert SECRET in orjson.dumps(await auditor(EVERYTHING)).decode()


FILTERS: list[dict[str, Any]] = [
    {"promptContains": SECRET},
    {"tools": [SECRET]},
    {"models": [SECRET]},
    {"providers": [SECRET]},
    {"providerNames": [SECRET]},
    {"clients": [SECRET]},
]


@pytest.mark.parametrize("given", FILTERS, ids=lambda given: next(iter(given)))
async def test_a_filter_tells_nothing_of_anothers_rows(ann: Graph, given: dict[str, Any]) -> None:
    query = """query ($filter: InterceptionFilter, $q: String) {
      sessions(filter: $filter) { totalCount nodes { id } }
      interceptions(filter: $filter) { totalCount nodes { id } }
      toolUsages(filter: {interceptions: $filter}) { totalCount nodes { id } }
      userPrompts(filter: {interceptions: $filter}) { totalCount nodes { id } }
      searched: interceptions(q: $q) { totalCount nodes { id } }
    }"""
    data = await ann(query, filter=given, q=f"model:{SECRET}")
    for found in data.values():
        assert found == {"totalCount": 0, "nodes": []}


async def test_anothers_name_and_a_name_of_nobody_are_one_error(ann: Graph, world: World) -> None:
    query = "query ($who: String!) { sessions(filter: {initiator: $who}) { totalCount } }"
    said, statements = set(), set()
    for who in ("ben", "nobody", "BEN", str(world.ben), str(UUID(int=7))):
        answer = await ann.ask(query, who=who)
        assert answer.data is None
        said.add(answer.errors[0].message.replace(who, "…"))
        statements.add(("-" in who, answer.statements, answer.rows))
    assert len(said) == 1
    # Names take one statement and ids none, whoever they are of; none returns a row, which
    # `X-Explain` would tell.
    assert statements == {(False, 1, 0), (True, 0, 0)}


@pytest.mark.parametrize("who", ["me", "ann", "ANN"])
async def test_a_member_may_name_themself(ann: Graph, who: str) -> None:
    query = "query ($who: String!) { interceptions(filter: {initiator: $who}) { totalCount } }"
    assert (await ann(query, who=who))["interceptions"]["totalCount"] == 2


async def test_another_session_of_the_same_id_is_not_found(ann: Graph) -> None:
    query = 'query ($who: String) { session(sessionId: "shared", initiator: $who) { id } }'
    assert (await ann(query))["session"] is not None
    answer = await ann.ask(query, who="ben")
    unknown = await ann.ask(query, who="nobody")
    assert answer.data == unknown.data
    assert [e.message.replace("ben", "nobody") for e in answer.errors] == [
        e.message for e in unknown.errors
    ]


# What names something, with `$of` for what it names: ben's, or nobody's.
NAMED = {
    "interception": "query ($of: UUID!) { found: interception(interceptionId: $of) { id } }",
    "thread": "query ($of: UUID!) { found: thread(threadId: $of) { id } }",
    "session": "query ($of: String!) { found: session(sessionId: $of) { id } }",
    "initiator": """query ($of: String!) {
      found: session(sessionId: "shared", initiator: $of) { id } }""",
    "node": "query ($of: ID!) { found: node(id: $of) { id } }",
    "sessionIds": """query ($of: String!) {
      found: sessions(filter: {sessionIds: [$of]}) { totalCount nodes { id } } }""",
    "model": """query ($of: String!) {
      found: interceptions(filter: {models: [$of]}) { totalCount nodes { id } } }""",
    "model of a session": """query ($of: String!) {
      found: sessions(filter: {models: [$of]}) { totalCount nodes { id } } }""",
    "client of a session": """query ($of: String!) {
      found: sessions(filter: {clients: [$of]}, orderBy: LAST_ACTIVE_AT_DESC) {
        totalCount nodes { id } } }""",
    "q of a session": """query ($of: String!) {
      found: sessions(q: $of) { totalCount nodes { id } } }""",
    "tool": """query ($of: String!) {
      found: toolUsages(filter: {tools: [$of]}) { totalCount nodes { id } } }""",
    "prompt": """query ($of: String!) {
      found: userPrompts(filter: {promptContains: $of}) { totalCount nodes { id } } }""",
    "tool of a session": """query ($of: String!) {
      found: sessions(filter: {tools: [$of]}) { totalCount nodes { id } } }""",
    "prefix": "query ($of: String!) { found: models(prefix: $of) }",
}
NOBODY = UUID(int=7)


def _of_ben_and_nobody(name: str, world: World) -> list[tuple[str, str]]:
    """Return pairs of what there is of ben, and what there is of nobody."""
    match name:
        case "interception" | "thread":
            return [(str(world.of_ben), str(NOBODY))]
        case "session" | "sessionIds":
            return [("of ben alone", "of nobody")]
        case "initiator":
            return [("ben", "nobody"), (str(world.ben), str(NOBODY))]
        case "node":
            kinds = ("Thread", "Interception", "User")
            ids = [(f"{kind}:{world.of_ben}", f"{kind}:{NOBODY}") for kind in kinds]
            ids.append((f"User:{world.ben}", f"User:{NOBODY}"))
            ids.append((f"Session:{world.ben}:shared", f"Session:{NOBODY}:shared"))
            return [(_global_id(ben), _global_id(nobody)) for ben, nobody in ids]
        case "q of a session":
            return [(f"{key}:{SECRET}", f'{key}:"of nobody"') for key in ("model", "provider")]
        case _:
            return [(SECRET, "of nobody")]


def _global_id(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize("member_access", ["own", "none"])
@pytest.mark.parametrize("name", NAMED)
async def test_what_is_not_yours_takes_the_statements_of_what_is_not_there(
    graph: Graph, make: Factory, world: World, name: str, member_access: Literal["own", "none"]
) -> None:
    """Time tells little, and `X-Explain` nothing, where the database is asked the same."""
    await make.interception(world.ben, "of ben alone")
    ann = graph.as_user(world.ann, "member", member_access=member_access)
    for pair in _of_ben_and_nobody(name, world):
        of_ben, of_nobody = [await ann.ask(NAMED[name], of=each) for each in pair]
        assert of_ben.data == of_nobody.data
        assert of_ben.data is None or not _tells(of_ben.data["found"])
        assert (of_ben.statements, of_ben.rows) == (of_nobody.statements, of_nobody.rows)
        assert [error.message.replace(pair[0], "…") for error in of_ben.errors] == [
            error.message.replace(pair[1], "…") for error in of_nobody.errors
        ]


def _tells(found: Any) -> bool:
    """Say whether an answer holds anything but emptiness."""
    return bool(found["totalCount"] or found["nodes"]) if isinstance(found, dict) else bool(found)


async def test_a_cursor_of_a_reader_of_everything_opens_nothing(graph: Graph, ann: Graph) -> None:
    query = """query ($after: String, $before: String) {
      interceptions(after: $after, before: $before, first: 10) {
        edges { cursor node { initiator { username } } } } }"""
    edges = (await graph(query))["interceptions"]["edges"]
    assert len(edges) == 4
    for edge in edges:
        for name in ("after", "before"):
            found = (await ann(query, **{name: edge["cursor"]}))["interceptions"]["edges"]
            assert {e["node"]["initiator"]["username"] for e in found} <= {"ann"}
