"""Every list field takes a fixed number of statements, whatever the number of parents."""

from __future__ import annotations

import pytest

from tests import coder
from tests.factories import Factory
from tests.graph import Graph


async def _history(make: Factory, sessions: int) -> None:
    """Sessions of two threads each, every thread with a child; all interceptions use all kinds."""
    users = [await make.user(), await make.user()]
    for number in range(sessions):
        user = users[number % 2]
        for _ in range(2):
            root = await make.interception(user, f"session-{number}")
            child = await make.interception(
                user, f"session-{number}", thread_root_id=root, thread_parent_id=root
            )
            for interception in (root, child):
                await make.token_usage(interception, metadata={"n": 1})
                await make.prompt(interception)
                await make.tool_usage(interception)
                await make.thought(interception)


# Without a rollup the figures and the newest prompts of sessions are a statement more, each time.
MORE = range(7) if coder.IS_MEANT else (0,)

# Fields that rows carry for the engine, so that it looks up nothing.
_CARRIED = {
    "initiator { username }",
    "lastPrompt",
    "tokenUsage { inputTokens metadata }",
    "interceptions { nodes { tokenUsages { inputTokens } } }",
    "interceptions { nodes { userPrompts { prompt } } }",
    "interceptions { nodes { toolUsages { tool } } }",
    "interceptions { nodes { modelThoughts { content } } }",
    "threads { nodes { prompt } }",
    "threads { nodes { agenticActions { toolCalls { tool } } } }",
    "threads { nodes { agenticActions { thinking { content } } } }",
}

# The field below a session, and the statements: one for the page of sessions and those named.
_OF_SESSIONS = [
    ("sessionId client metadata startedAt", 1),
    ("initiator { username }", 2),  # users
    ("providers models endedAt threadCount interceptionCount lastActiveAt", 1),
    ("lastPrompt", 2),  # the texts of the prompts
    ("tokenUsage { inputTokens }", 1),
    ("tokenUsage { inputTokens metadata }", 2),  # the sums of the metadata
    ("threads { nodes { id } }", 2),  # threads
    ("threads { totalCount }", 3),  # threads, summaries
    ("threads { nodes { prompt } }", 3),  # threads, prompts
    ("threads { nodes { startedAt endedAt interceptionCount } }", 3),  # threads, summaries
    ("threads { nodes { tokenUsage { outputTokens metadata } } }", 4),  # threads, sums, metadata
    ("threads { nodes { session { sessionId } } }", 3),  # threads, sessions
    ("threads { nodes { interceptions { nodes { id } totalCount } } }", 4),  # and summaries
    # threads, actions, sums
    ("threads { nodes { agenticActions { model tokenUsage { inputTokens } } } }", 4),
    # threads, actions, tool usages
    ("threads { nodes { agenticActions { toolCalls { tool } } } }", 4),
    ("threads { nodes { agenticActions { thinking { content } } } }", 4),
    ("interceptions { nodes { id } }", 2),  # interceptions
    ("interceptions { nodes { thread { id } } }", 3),  # interceptions, threads
    ("interceptions { nodes { parent { id } } }", 3),  # interceptions, parents
    ("interceptions { nodes { tokenUsage { inputTokens } } }", 3),  # interceptions, sums
    ("interceptions { nodes { tokenUsages { inputTokens } } }", 3),
    ("interceptions { nodes { userPrompts { prompt } } }", 3),
    ("interceptions { nodes { toolUsages { tool } } }", 3),
    ("interceptions { nodes { modelThoughts { content } } }", 3),
    ("interceptions { nodes { toolUsages { interception { id } } } }", 4),
    ("initiator { sessions(first: 1) { nodes { sessionId } } }", 3),  # users, their sessions
    ("initiator { sessions { totalCount } }", 4),  # users, their sessions, their counts
]


@pytest.mark.parametrize(("selection", "statements"), _OF_SESSIONS)
async def test_one_parent_and_ten_take_the_same_statements(
    graph: Graph, make: Factory, selection: str, statements: int
) -> None:
    await _history(make, 10)
    taken = set()
    for size in (1, 10):
        answer = await graph.ask(f"{{ sessions(first: {size}) {{ nodes {{ {selection} }} }} }}")
        assert not answer.errors
        assert answer.data is not None
        assert len(answer.data["sessions"]["nodes"]) == size
        taken.add(answer.statements)
    assert len(taken) == 1
    if _carries(graph) and selection in _CARRIED:
        statements -= 1
    assert taken.pop() - statements in MORE


def _carries(graph: Graph) -> bool:
    """Say whether rows carry others here: not for graphql-core, nor of another program's tables."""
    return graph.executor == "compiled" and not coder.IS_MEANT


async def test_the_nested_query_takes_a_statement_for_each_level_and_kind(
    graph: Graph, make: Factory
) -> None:
    await _history(make, 10)
    query = """{ sessions(first: 25) { edges { cursor node { id initiator { id } startedAt
      threads(first: 10) { edges { node { id interceptions { nodes { id model
        tokenUsages { inputTokens } userPrompts { prompt } toolUsages { tool }
        modelThoughts { content } } } } } } } } pageInfo { hasNextPage } } }"""
    answer = await graph.ask(query)
    assert not answer.errors
    if _carries(graph):
        # sessions with their users, threads, interceptions with their usages
        assert (answer.statements, answer.rows) == (3, 10 + 20 + 40)
        return
    # sessions, users, threads, interceptions, and the four kinds of usages
    assert answer.statements - 8 in MORE
    # sessions, users, threads, interceptions, usages
    # And a row for each of ten sessions.
    more = range(0, 41, 10) if coder.IS_MEANT else (0,)
    assert answer.rows - (10 + 2 + 20 + 40 + 4 * 40) in more


async def test_nodes_of_many_types_take_a_statement_a_type(graph: Graph, make: Factory) -> None:
    await _history(make, 3)
    found = await graph(
        """{ sessions { nodes { id initiator { id } threads { nodes { id } } interceptions {
        nodes { id tokenUsages { id } userPrompts { id } toolUsages { id } } } } } }"""
    )
    ids = []
    for session in found["sessions"]["nodes"]:
        ids += [session["id"], session["initiator"]["id"]]
        ids += [thread["id"] for thread in session["threads"]["nodes"]]
        for interception in session["interceptions"]["nodes"]:
            ids.append(interception["id"])
            for kind in ("tokenUsages", "userPrompts", "toolUsages"):
                ids += [usage["id"] for usage in interception[kind]]
    answer = await graph.ask(
        "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=[*ids, "nonsense"]
    )
    assert answer.data is not None
    assert [node and node["id"] for node in answer.data["nodes"]] == [*ids, None]
    assert answer.statements - 7 in MORE


async def test_aliases_of_one_look_up_share_its_statement(graph: Graph, make: Factory) -> None:
    user = await make.user()
    ids = [await make.interception(user) for _ in range(3)]
    fields = " ".join(
        f'i{n}: interception(interceptionId: "{i}") {{ id }}' for n, i in enumerate(ids)
    )
    assert (await graph.ask(f"{{ {fields} }}")).statements == 1
