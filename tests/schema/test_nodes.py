"""Global ids: opaque, stable, and never an error."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers import nodes
from tests.factories import Factory
from tests.graph import Graph

_NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "=",
        "é",
        "nonsense",
        _encoded("Session"),
        _encoded("Session:no-uuid:x"),
        _encoded("Session:00000000-0000-0000-0000-000000000001:\0"),
        _encoded("Thread:1"),
        _encoded("Nobody:00000000-0000-0000-0000-000000000001"),
        _encoded("Thread:00000000-0000-0000-0000-000000000001"),
        _encoded("Query:1"),
        "a" * 100_000,
    ],
)
async def test_an_id_that_is_none_gives_null(graph: Graph, bad: str) -> None:
    assert await graph(_NODE, id=bad) == {"node": None}
    assert await graph("query ($i: [ID!]!) { nodes(ids: $i) { id } }", i=[bad, bad]) == {
        "nodes": [None, None]
    }


@given(st.text())
def test_no_text_breaks_the_reading_of_ids(text: str) -> None:
    nodes.look_up_of(text)
    with suppress(UnicodeEncodeError):
        nodes.look_up_of(_encoded(text))


@pytest.mark.parametrize("session_id", ["a:b", "ü 100%/x", ":", '"'])
async def test_a_sessions_id_carries_any_session_id(
    graph: Graph, make: Factory, session_id: str
) -> None:
    await make.interception(await make.user(), session_id)
    [node] = (await graph("{ sessions { nodes { id sessionId } } }"))["sessions"]["nodes"]
    found = await graph(
        "query ($id: ID!) { node(id: $id) { ... on Session { sessionId } } }", id=node["id"]
    )
    assert found["node"] == {"sessionId": session_id}


async def test_ids_are_the_same_in_every_release(graph: Graph, make: Factory) -> None:
    """Clients keep ids: what they decode to may never change."""
    user = await make.user(id="00000000-0000-0000-0000-00000000000a")
    root = await make.interception(user, "s", id="00000000-0000-0000-0000-00000000000b")
    await make.tool_usage(root, id="00000000-0000-0000-0000-00000000000c")
    found = await graph(
        """{ sessions { nodes { id initiator { id } threads { nodes { id } }
        interceptions { nodes { id toolUsages { id } } } } } }"""
    )
    [session] = found["sessions"]["nodes"]
    assert session == {
        "id": _encoded("Session:00000000-0000-0000-0000-00000000000a:s"),
        "initiator": {"id": _encoded("User:00000000-0000-0000-0000-00000000000a")},
        "threads": {"nodes": [{"id": _encoded("Thread:00000000-0000-0000-0000-00000000000b")}]},
        "interceptions": {
            "nodes": [
                {
                    "id": _encoded("Interception:00000000-0000-0000-0000-00000000000b"),
                    "toolUsages": [
                        {"id": _encoded("ToolUsage:00000000-0000-0000-0000-00000000000c")}
                    ],
                }
            ]
        },
    }
