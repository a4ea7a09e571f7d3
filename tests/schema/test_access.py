"""Who may read what, through every door: each kind of caller, each root field and node type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from tests.factories import Factory, at
from tests.graph import Graph


@dataclass
class World:
    """The rows of two users, ann and ben, one of everything for each."""

    ann: UUID
    ben: UUID
    ids: dict[str, dict[str, str]]


_IDS = """{ sessions { nodes { id sessionId initiator { id username }
  threads { nodes { id threadId } } interceptions { nodes { id interceptionId
  tokenUsages { id } userPrompts { id } toolUsages { id } } } } } }"""


@pytest.fixture
async def world(graph: Graph, make: Factory) -> World:
    ann, ben = await make.user("ann"), await make.user("ben")
    for user, name in ((ann, "ann"), (ben, "ben")):
        # One session id for both, so that only the initiator tells them apart.
        root = await make.interception(user, "shared", model=name, client=name, provider=name)
        await make.token_usage(root)
        await make.prompt(root, name)
        await make.tool_usage(root, name)
    ids = {}
    for session in (await graph(_IDS))["sessions"]["nodes"]:
        [interception] = session["interceptions"]["nodes"]
        ids[session["initiator"]["username"]] = {
            "Session": session["id"],
            "User": session["initiator"]["id"],
            "Thread": session["threads"]["nodes"][0]["id"],
            "Interception": interception["id"],
            "TokenUsage": interception["tokenUsages"][0]["id"],
            "UserPrompt": interception["userPrompts"][0]["id"],
            "ToolUsage": interception["toolUsages"][0]["id"],
            "raw": interception["interceptionId"],
        }
    return World(ann, ben, ids)


def _callers(graph: Graph, world: World) -> dict[str, tuple[Graph, set[str]]]:
    """Each kind of caller, and whose rows they see."""
    return {
        "owner": (graph.as_user(world.ann, "owner"), {"ann", "ben"}),
        "auditor": (graph.as_user(world.ann, "auditor"), {"ann", "ben"}),
        "auditor among others": (graph.as_user(world.ann, "x", "auditor"), {"ann", "ben"}),
        "member": (graph.as_user(world.ann, "member"), set()),
        "nobody": (graph.as_user(world.ann), set()),
        "member of own": (graph.as_user(world.ann, "member", member_access="own"), {"ann"}),
        "auditor of own": (
            graph.as_user(world.ann, "auditor", member_access="own"),
            {"ann", "ben"},
        ),
        # A role is a word, not a part of one.
        "look-alike": (graph.as_user(world.ann, "owner-of-nothing", "Owner"), set()),
    }


CALLERS = [
    "owner",
    "auditor",
    "auditor among others",
    "member",
    "nobody",
    "member of own",
    "auditor of own",
    "look-alike",
]

_LISTS = """{
  sessions { totalCount nodes { initiator { username } } }
  byActivity: sessions(orderBy: LAST_ACTIVE_AT_DESC) { totalCount nodes { models } }
  interceptions { totalCount nodes { model } }
  toolUsages { totalCount nodes { tool } }
  userPrompts { totalCount nodes { prompt } }
  models clients providers
  viewer { user { username sessions { totalCount nodes { models } } } canReadAll }
}"""


@pytest.mark.parametrize("caller", CALLERS)
async def test_lists_show_only_what_the_caller_may_read(
    graph: Graph, world: World, caller: str
) -> None:
    ask, seen = _callers(graph, world)[caller]
    found = await ask(_LISTS)
    newest_first = [name for name in ("ben", "ann") if name in seen]
    count = len(seen)
    assert found["sessions"] == {
        "totalCount": count,
        "nodes": [{"initiator": {"username": name}} for name in newest_first],
    }
    assert found["byActivity"] == {
        "totalCount": count,
        "nodes": [{"models": [name]} for name in newest_first],
    }
    for field, column in (
        ("interceptions", "model"),
        ("toolUsages", "tool"),
        ("userPrompts", "prompt"),
    ):
        assert found[field] == {
            "totalCount": count,
            "nodes": [{column: name} for name in newest_first],
        }
    for field in ("models", "clients", "providers"):
        assert found[field] == sorted(seen)
    assert found["viewer"]["canReadAll"] is (seen == {"ann", "ben"})
    own = [{"models": ["ann"]}] if "ann" in seen else []
    assert found["viewer"]["user"] == {
        "username": "ann",
        "sessions": {"totalCount": len(own), "nodes": own},
    }


@pytest.mark.parametrize("caller", CALLERS)
async def test_look_ups_find_only_what_the_caller_may_read(
    graph: Graph, world: World, caller: str
) -> None:
    ask, seen = _callers(graph, world)[caller]
    for name in ("ann", "ben"):
        ids = world.ids[name]
        expected = name in seen
        found = await ask(
            f"""{{ interception(interceptionId: "{ids["raw"]}") {{ model session {{ id }} }}
            thread(threadId: "{ids["raw"]}") {{ model }} }}"""
        )
        assert (found["interception"] is not None) is expected
        assert (found["thread"] is not None) is expected
        for kind, node_id in ids.items():
            if kind == "raw":
                continue
            node = (await ask("query ($i: ID!) { node(id: $i) { id __typename } }", i=node_id))[
                "node"
            ]
            # A caller may always know of themself.
            if expected or (kind == "User" and name == "ann"):
                assert node == {"id": node_id, "__typename": kind}
            else:
                assert node is None


@pytest.mark.parametrize("caller", CALLERS)
async def test_a_shared_session_id_gives_only_a_session_that_the_caller_may_read(
    graph: Graph, world: World, caller: str
) -> None:
    ask, seen = _callers(graph, world)[caller]
    found = await ask('{ session(sessionId: "shared") { initiator { username } } }')
    newest = next((name for name in ("ben", "ann") if name in seen), None)
    assert found["session"] == (newest and {"initiator": {"username": newest}})


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("name", ["ben", "nobody"])
async def test_naming_another_user_tells_a_member_nothing(
    graph: Graph, world: World, caller: str, name: str
) -> None:
    ask, seen = _callers(graph, world)[caller]
    fields: list[tuple[str, dict[str, Any]]] = [
        ("sessions(filter: {initiator: $n}) { totalCount }", {}),
        ("interceptions(filter: {initiator: $n}) { totalCount }", {}),
        ("toolUsages(filter: {initiator: $n}) { totalCount }", {}),
        ("userPrompts(filter: {interceptions: {initiator: $n}}) { totalCount }", {}),
    ]
    for field, variables in fields:
        answer = await ask.ask(f"query ($n: String) {{ {field} }}", n=name, **variables)
        if "ben" in seen and name == "ben":
            assert not answer.errors
        else:
            [error] = answer.errors
            assert f'user "{name}" either does not exist' in error.message


async def test_a_parent_of_another_user_is_not_shown(graph: Graph, make: Factory) -> None:
    ann, ben = await make.user("ann"), await make.user("ben")
    parent = await make.interception(ben, "b", started_at=at(0))
    await make.interception(ann, "a", thread_parent_id=parent, thread_root_id=parent)
    query = (
        '{ interceptions(filter: {sessionIds: ["a"]}) { nodes { parent { id } thread { id } } } }'
    )
    own = await graph.as_user(ann, member_access="own")(query)
    assert own["interceptions"]["nodes"] == [{"parent": None, "thread": None}]
    every = await graph(query)
    assert every["interceptions"]["nodes"][0]["parent"] is not None
