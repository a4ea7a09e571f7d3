"""The lists of all tool usages and user prompts: order, filters, counts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import Factory, at
from tests.graph import Graph

_TOOLS = """query ($f: ToolUsageFilter, $first: Int, $after: String, $last: Int, $before: String) {
  toolUsages(filter: $f, first: $first, after: $after, last: $last, before: $before) {
    nodes { tool interception { model } } totalCount
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
_PROMPTS = """query ($f: UserPromptFilter) {
  userPrompts(filter: $f) { nodes { prompt } totalCount } }"""


async def _usages(make: Factory) -> None:
    ann, ben = await make.user("ann"), await make.user("ben")
    a = await make.interception(ann, model="a")
    b = await make.interception(ben, model="b")
    await make.tool_usage(a, "read", input='{"path": "/etc/100%"}', created_at=at(10))
    await make.tool_usage(a, "read", created_at=at(20), invocation_error="no such file")
    await make.tool_usage(
        b, "search", created_at=at(30), injected=True, server_url="https://mcp.example.com"
    )
    await make.prompt(a, "Straße 日本語", created_at=at(10))
    await make.prompt(b, "Nothing to see", created_at=at(20))


@pytest.mark.parametrize(
    ("filter_", "tools"),
    [
        ({}, ["search", "read", "read"]),
        ({"initiator": "ann"}, ["read", "read"]),
        ({"tools": ["search", "none"]}, ["search"]),
        ({"serverUrls": ["https://mcp.example.com"]}, ["search"]),
        ({"injected": False}, ["read", "read"]),
        ({"injected": True}, ["search"]),
        ({"failed": True}, ["read"]),
        ({"failed": False}, ["search", "read"]),
        ({"inputContains": "ETC/100%"}, ["read"]),
        ({"createdAfter": "2026-10-01T08:00:20Z"}, ["search", "read"]),
        ({"createdBefore": "2026-10-01T08:00:20Z"}, ["read", "read"]),
        ({"interceptions": {"models": ["b"]}}, ["search"]),
        ({"interceptions": {"promptContains": "japan"}}, []),
        ({"initiator": "ann", "interceptions": {"initiator": "ben"}}, []),
    ],
)
async def test_each_filter_picks_tool_usages(
    graph: Graph, make: Factory, filter_: dict[str, Any], tools: list[str]
) -> None:
    await _usages(make)
    found = (await graph(_TOOLS, f=filter_))["toolUsages"]
    assert [node["tool"] for node in found["nodes"]] == tools
    assert found["totalCount"] == len(tools)


@pytest.mark.parametrize(
    ("filter_", "count"),
    [
        ({"promptContains": "STRASSE"}, 0),
        ({"promptContains": "straße"}, 1),
        ({"promptContains": "本"}, 1),
        ({"initiator": "ben"}, 1),
        ({"createdAfter": "2026-10-01T08:00:15Z"}, 1),
        ({"createdBefore": "2026-10-01T08:00:05Z"}, 0),
        ({"interceptions": {"tools": ["read"]}}, 1),
    ],
)
async def test_each_filter_picks_user_prompts(
    graph: Graph, make: Factory, filter_: dict[str, Any], count: int
) -> None:
    await _usages(make)
    found = (await graph(_PROMPTS, f=filter_))["userPrompts"]
    assert found["totalCount"] == len(found["nodes"]) == count


async def test_tool_usages_are_paged_newest_first_in_both_directions(
    graph: Graph, make: Factory
) -> None:
    interception = await make.interception(await make.user())
    for number in range(5):
        await make.tool_usage(interception, f"t{number}", created_at=at(number // 2))
    whole = [node["tool"] for node in (await graph(_TOOLS))["toolUsages"]["nodes"]]
    assert len(whole) == 5
    first = (await graph(_TOOLS, first=2))["toolUsages"]
    rest = (await graph(_TOOLS, first=9, after=first["pageInfo"]["endCursor"]))["toolUsages"]
    assert [n["tool"] for n in first["nodes"] + rest["nodes"]] == whole
    last = (await graph(_TOOLS, last=2))["toolUsages"]
    before = (await graph(_TOOLS, last=9, before=last["pageInfo"]["startCursor"]))["toolUsages"]
    assert [n["tool"] for n in before["nodes"] + last["nodes"]] == whole
    assert first["pageInfo"]["hasNextPage"] is last["pageInfo"]["hasPreviousPage"] is True


async def test_values_begin_with_the_prefix_and_wildcards_are_ordinary(
    graph: Graph, make: Factory
) -> None:
    user = await make.user()
    for client, model in ((None, "a_b"), ("Unknown", "axb"), ("Zed", "a%"), ("zed", "A")):
        await make.interception(user, client=client, model=model)
    found = await graph(
        """{ clients z: clients(prefix: "Z") models under: models(prefix: "a_")
        percent: models(prefix: "a%") slash: models(prefix: "\\\\")
        page: models(limit: 2, offset: 1)
        none: models(limit: 0) providers }"""
    )
    assert found == {
        "clients": ["Unknown", "Zed", "zed"],
        "z": ["Zed"],
        "models": ["A", "a%", "a_b", "axb"],
        "under": ["a_b"],
        "percent": ["a%"],
        "slash": [],
        "page": ["a%", "a_b"],
        "none": [],
        "providers": ["anthropic"],
    }


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("limit: -1", "`limit` must be between 0 and 1000 (AIBRIDGE_MAX_PAGE_SIZE), not -1."),
        ("limit: 1001", "`limit` must be between 0 and 1000 (AIBRIDGE_MAX_PAGE_SIZE), not 1001."),
        ("offset: -2", "`offset` must not be negative, but is -2."),
    ],
)
async def test_a_wrong_limit_or_offset_is_told(graph: Graph, arguments: str, sentence: str) -> None:
    [error] = (await graph.ask(f"{{ models({arguments}) }}")).errors
    assert error.message == sentence


@pytest.mark.parametrize(
    "field",
    [
        'sessions(filter: {promptContains: "%s"})',
        'interceptions(filter: {promptContains: "%s"})',
        'userPrompts(filter: {promptContains: "%s"})',
        'toolUsages(filter: {inputContains: "%s"})',
        'toolUsages(filter: {interceptions: {promptContains: "%s"}})',
    ],
)
async def test_a_text_to_be_found_has_a_length_that_somebody_may_mean(
    graph: Graph, field: str
) -> None:
    fine = await graph.ask(f"{{ {field % ('x' * 10_000)} {{ totalCount }} }}")
    assert not fine.errors
    answer = await graph.ask(f"{{ {field % ('x' * 10_001)} {{ totalCount }} }}")
    (error,) = answer.errors
    assert "must be at most 10000 characters long, not 10001" in error.message
    assert answer.statements == 0
