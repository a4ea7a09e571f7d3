"""Connections: both directions, ties, filters, concurrent inserts, foreign cursors, sizes."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.factories import Factory, at
from tests.graph import Graph

_LIST = """
query ($first: Int, $after: String, $last: Int, $before: String, $order: SessionOrder!,
       $filter: InterceptionFilter) {
  list: sessions(first: $first, after: $after, last: $last, before: $before, orderBy: $order,
                 filter: $filter) {
    edges { cursor node { sessionId initiator { username } } }
    nodes { sessionId }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
  }
}
"""
_INTERCEPTIONS = """
query ($first: Int, $after: String, $last: Int, $before: String) {
  list: interceptions(first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { interceptionId } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
  }
}
"""


async def _walk(
    graph: Graph, query: str, *, size: int, backward: bool = False, **variables: Any
) -> list[Any]:
    """Page through a whole list; the nodes come back in list order."""
    nodes: list[Any] = []
    cursor = None
    while True:
        page = {"last": size, "before": cursor} if backward else {"first": size, "after": cursor}
        found = (await graph(query, **page, **variables))["list"]
        new = [edge["node"] for edge in found["edges"]]
        nodes = new + nodes if backward else nodes + new
        info = found["pageInfo"]
        if not info["hasPreviousPage" if backward else "hasNextPage"]:
            return nodes
        assert len(new) == size
        cursor = info["startCursor" if backward else "endCursor"]


async def _twelve_sessions(make: Factory) -> None:
    """Sessions of two users with shared ids and equal times, in random order of writing."""
    users = [await make.user("ann"), await make.user("ben")]
    rows = [(users[n % 2], f"session-{n // 4}", at(n // 3)) for n in range(12)]
    random.Random(7).shuffle(rows)
    for initiator, session, started_at in rows:
        first = await make.interception(initiator, session, started_at=started_at)
        await make.prompt(first, created_at=started_at)
        await make.interception(initiator, session, started_at=started_at)


@pytest.mark.parametrize("order", ["STARTED_AT_DESC", "STARTED_AT_ASC", "LAST_ACTIVE_AT_DESC"])
@pytest.mark.parametrize("filter_", [None, {"models": ["claude-sonnet-4-0"]}])
async def test_pages_of_any_size_make_the_whole_list_in_both_directions(
    graph: Graph, make: Factory, order: str, filter_: dict[str, Any] | None
) -> None:
    await _twelve_sessions(make)
    variables: dict[str, Any] = {"order": order, "filter": filter_}
    whole = (await graph(_LIST, first=100, **variables))["list"]
    nodes = [edge["node"] for edge in whole["edges"]]
    assert len(nodes) == whole["totalCount"] == 6
    assert [node["sessionId"] for node in whole["nodes"]] == [n["sessionId"] for n in nodes]
    for size in (1, 2, 3, 5, 6, 7):
        assert await _walk(graph, _LIST, size=size, **variables) == nodes
        assert await _walk(graph, _LIST, size=size, backward=True, **variables) == nodes


async def test_ascending_is_the_exact_reverse_of_descending(graph: Graph, make: Factory) -> None:
    await _twelve_sessions(make)
    ascending = await _walk(graph, _LIST, size=4, order="STARTED_AT_ASC")
    assert ascending == (await _walk(graph, _LIST, size=4, order="STARTED_AT_DESC"))[::-1]


async def test_equal_times_are_paged_without_loss(graph: Graph, make: Factory) -> None:
    user = await make.user()
    ids = {str(await make.interception(user, started_at=at(0))) for _ in range(9)}
    nodes = await _walk(graph, _INTERCEPTIONS, size=2)
    assert [node["interceptionId"] for node in nodes] == sorted(ids, reverse=True)


async def test_rows_that_come_between_pages_shift_nothing(graph: Graph, make: Factory) -> None:
    user = await make.user()
    old = [str(await make.interception(user)) for _ in range(4)][::-1]
    first = (await graph(_INTERCEPTIONS, first=2))["list"]
    await make.interception(user)
    rest = (await graph(_INTERCEPTIONS, first=9, after=first["pageInfo"]["endCursor"]))["list"]
    seen = [edge["node"]["interceptionId"] for edge in first["edges"] + rest["edges"]]
    assert seen == old


async def test_after_and_before_together_give_what_lies_between(
    graph: Graph, make: Factory
) -> None:
    user = await make.user()
    for _ in range(5):
        await make.interception(user)
    edges = (await graph(_INTERCEPTIONS))["list"]["edges"]
    between = await graph(_INTERCEPTIONS, after=edges[0]["cursor"], before=edges[4]["cursor"])
    assert between["list"]["edges"] == edges[1:4]
    assert between["list"]["totalCount"] == 5


async def test_an_empty_page_says_whether_there_is_more(graph: Graph, make: Factory) -> None:
    await make.interception(await make.user())
    for size, name in (("first", "hasNextPage"), ("last", "hasPreviousPage")):
        page = (await graph(_INTERCEPTIONS, **{size: 0}))["list"]
        assert page["edges"] == []
        assert page["pageInfo"][name] is True
        assert page["pageInfo"]["startCursor"] is page["pageInfo"]["endCursor"] is None
        assert page["totalCount"] == 1


async def test_fifty_come_where_no_size_is_given(graph: Graph, make: Factory) -> None:
    user = await make.user()
    for _ in range(51):
        await make.interception(user)
    page = (await graph(_INTERCEPTIONS))["list"]
    assert len(page["edges"]) == 50
    assert page["pageInfo"]["hasNextPage"] is True


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"first": -1}, "`first` must be between 0 and 1000 (AIBRIDGE_MAX_PAGE_SIZE), not -1."),
        ({"last": 1001}, "`last` must be between 0 and 1000 (AIBRIDGE_MAX_PAGE_SIZE), not 1001."),
        ({"first": 1, "last": 1}, "Give `first` or `last`, not both."),
        ({"after": "not a cursor"}, "`after` is not a cursor"),
        ({"before": ""}, "`before` is not a cursor"),
        ({"after": "W10"}, "`after` is not a cursor"),
        ({"after": "é"}, "`after` is not a cursor"),
    ],
)
async def test_wrong_page_arguments_are_told_in_one_sentence(
    graph: Graph, arguments: dict[str, Any], sentence: str
) -> None:
    answer = await graph.ask(_INTERCEPTIONS, **arguments)
    assert answer.data is None
    assert answer.statements == 0
    [error] = answer.errors
    assert sentence in error.message
    assert getattr(error.original_error, "code", None) == "BAD_USER_INPUT"


async def _cursor(graph: Graph, query: str, **variables: Any) -> str:
    cursor: str = (await graph(query, first=1, **variables))["list"]["pageInfo"]["endCursor"]
    return cursor


@pytest.mark.parametrize(
    "give",
    [
        lambda graph: _cursor(graph, _INTERCEPTIONS),
        lambda graph: _cursor(graph, _LIST, order="STARTED_AT_ASC"),
        lambda graph: _cursor(
            graph, _LIST, order="STARTED_AT_DESC", filter={"models": ["claude-sonnet-4-0"]}
        ),
    ],
    ids=["another list", "another order", "another filter"],
)
async def test_a_cursor_of_another_list_is_refused(
    graph: Graph, make: Factory, give: Callable[[Graph], Awaitable[str]]
) -> None:
    await _twelve_sessions(make)
    answer = await graph.ask(_LIST, after=await give(graph), order="STARTED_AT_DESC")
    [error] = answer.errors
    assert "`after` is a cursor of another list" in error.message


async def test_a_cursor_of_one_parent_is_refused_by_the_others(graph: Graph, make: Factory) -> None:
    user = await make.user()
    for session in "ab":
        for _ in range(2):
            await make.interception(user, session)
    query = """query ($after: String) { sessions { nodes {
        sessionId threads(first: 1, after: $after) { nodes { id } pageInfo { endCursor } } } } }"""
    nodes = (await graph(query))["sessions"]["nodes"]
    cursors = {node["sessionId"]: node["threads"]["pageInfo"]["endCursor"] for node in nodes}
    one = (
        "query ($s: String!, $after: String) { session(sessionId: $s) {"
        " threads(after: $after) { nodes { id } } } }"
    )
    assert len((await graph(one, s="a", after=cursors["a"]))["session"]["threads"]["nodes"]) == 1
    [error] = (await graph.ask(one, s="b", after=cursors["a"])).errors
    assert "`after` is a cursor of another list" in error.message
