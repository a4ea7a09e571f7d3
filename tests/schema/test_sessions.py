"""What a session tells: domain rules, filters, shared ids, snapshots."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from tests.factories import Factory, at
from tests.graph import Graph


async def test_a_session_tells_of_all_its_interceptions_whatever_the_filter(
    graph: Graph, make: Factory
) -> None:
    user = await make.user("maya", name="Maya")
    first = await make.interception(
        user, "s", model="b", metadata={"agent": "x"}, started_at=at(0), client="Zed"
    )
    second = await make.interception(user, "s", model="a", provider="openai", started_at=at(60))
    await make.interception(user, "s", thread_root_id=second, started_at=at(90))
    await make.prompt(first, "one", created_at=at(1))
    await make.prompt(second, "two", created_at=at(61))
    await make.token_usage(first, input_tokens=1, cache_read_input_tokens=5)
    await make.token_usage(second, input_tokens=2, metadata={"a": 1, "b": {"c": "2"}, "d": 0.5})
    found = await graph(
        """{ sessions(filter: {models: ["a"]}) { nodes { sessionId initiator { username name }
        providers models client metadata startedAt endedAt lastActiveAt lastPrompt threadCount
        interceptionCount tokenUsage { inputTokens outputTokens cacheReadInputTokens
        cacheWriteInputTokens metadata } } totalCount } }"""
    )
    assert found["sessions"] == {
        "totalCount": 1,
        "nodes": [
            {
                "sessionId": "s",
                "initiator": {"username": "maya", "name": "Maya"},
                "providers": ["anthropic", "openai"],
                "models": ["a", "b", "claude-sonnet-4-0"],
                "client": "Zed",
                "metadata": {"agent": "x"},
                "startedAt": "2026-10-01T08:00:00Z",
                "endedAt": "2026-10-01T08:01:31.500000Z",
                "lastActiveAt": "2026-10-01T08:01:01Z",
                "lastPrompt": "two",
                "threadCount": 2,
                "interceptionCount": 3,
                "tokenUsage": {
                    "inputTokens": 3,
                    "outputTokens": 40,
                    "cacheReadInputTokens": 5,
                    "cacheWriteInputTokens": 0,
                    "metadata": {"a": 1, "b.c": 2},
                },
            }
        ],
    }


async def test_a_session_without_prompt_was_last_active_at_its_start(
    graph: Graph, make: Factory
) -> None:
    await make.interception(await make.user(), "s", started_at=at(5))
    [session] = (await graph("{ sessions { nodes { lastActiveAt lastPrompt } } }"))["sessions"][
        "nodes"
    ]
    assert session == {"lastActiveAt": "2026-10-01T08:00:05Z", "lastPrompt": None}


async def test_work_in_flight_is_invisible_everywhere(graph: Graph, make: Factory) -> None:
    user = await make.user()
    done = await make.interception(user, "s", started_at=at(10))
    running = await make.interception(user, "s", started_at=at(0), ended_at=None, model="secret")
    await make.prompt(running, "hidden")
    await make.tool_usage(running, "hidden")
    await make.token_usage(running, input_tokens=99)
    found = await graph(
        f"""{{ sessions {{ totalCount nodes {{ startedAt interceptionCount threadCount lastPrompt
        models tokenUsage {{ inputTokens }} interceptions {{ totalCount }} }} }}
        interceptions {{ totalCount nodes {{ interceptionId }} }}
        toolUsages {{ totalCount }} userPrompts {{ totalCount }} models
        interception(interceptionId: "{running}") {{ id }}
        thread(threadId: "{running}") {{ id }} }}"""
    )
    [session] = found["sessions"]["nodes"]
    assert session == {
        "startedAt": "2026-10-01T08:00:10Z",
        "interceptionCount": 1,
        "threadCount": 1,
        "lastPrompt": None,
        "models": ["claude-sonnet-4-0"],
        "tokenUsage": {"inputTokens": 0},
        "interceptions": {"totalCount": 1},
    }
    assert found["interceptions"] == {
        "totalCount": 1,
        "nodes": [{"interceptionId": str(done)}],
    }
    assert found["toolUsages"] == found["userPrompts"] == {"totalCount": 0}
    assert found["models"] == ["claude-sonnet-4-0"]
    assert found["interception"] is found["thread"] is None


async def test_two_users_with_one_session_id_have_two_sessions(graph: Graph, make: Factory) -> None:
    ann, ben = await make.user("ann"), await make.user("ben")
    await make.interception(ann, "shared", started_at=at(0))
    await make.interception(ben, "shared", started_at=at(9))
    await make.interception(ann, "shared", started_at=at(20))
    found = await graph(
        """{ sessions { nodes { initiator { username } interceptionCount } }
        newest: session(sessionId: "shared") { initiator { username } }
        anns: session(sessionId: "shared", initiator: "ANN") { interceptionCount }
        none: session(sessionId: "missing") { id } }"""
    )
    assert found["sessions"]["nodes"] == [
        {"initiator": {"username": "ben"}, "interceptionCount": 1},
        {"initiator": {"username": "ann"}, "interceptionCount": 2},
    ]
    assert found["newest"] == {"initiator": {"username": "ben"}}
    assert found["anns"] == {"interceptionCount": 2}
    assert found["none"] is None


async def test_a_child_under_another_session_id_is_in_no_thread(
    graph: Graph, make: Factory
) -> None:
    user = await make.user()
    root = await make.interception(user, "one", started_at=at(0))
    await make.interception(user, "two", thread_root_id=root, started_at=at(10))
    found = await graph(
        """{ sessions { nodes { sessionId threadCount interceptionCount
        threads { nodes { interceptionCount endedAt } }
        interceptions { nodes { thread { threadId } } } } } }"""
    )
    assert found["sessions"]["nodes"] == [
        {
            "sessionId": "two",
            "threadCount": 0,
            "interceptionCount": 1,
            "threads": {"nodes": []},
            "interceptions": {"nodes": [{"thread": None}]},
        },
        {
            "sessionId": "one",
            "threadCount": 1,
            "interceptionCount": 1,
            "threads": {
                "nodes": [{"interceptionCount": 1, "endedAt": "2026-10-01T08:00:01.500000Z"}]
            },
            "interceptions": {"nodes": [{"thread": {"threadId": str(root)}}]},
        },
    ]


async def test_a_thread_tells_of_its_loop(graph: Graph, make: Factory) -> None:
    user = await make.user()
    root = await make.interception(
        user, "s", started_at=at(0), credential_kind="byok", credential_hint="sk-secret"
    )
    step = await make.interception(
        user, "s", started_at=at(10), model="other", thread_root_id=root, thread_parent_id=root
    )
    await make.prompt(root, "second", created_at=at(2))
    await make.prompt(root, "first", created_at=at(1))
    await make.tool_usage(step, "write", created_at=at(12))
    await make.tool_usage(step, "read", created_at=at(11))
    await make.thought(step, "Let me see.")
    await make.token_usage(root, input_tokens=1)
    await make.token_usage(step, input_tokens=2)
    found = await graph(
        f"""{{ thread(threadId: "{root}") {{ threadId prompt model provider credentialKind
        credentialHint startedAt endedAt interceptionCount tokenUsage {{ inputTokens }}
        session {{ sessionId }} interceptions {{ nodes {{ interceptionId durationMs
          parent {{ interceptionId }} }} }}
        agenticActions {{ interception {{ interceptionId }} model tokenUsage {{ inputTokens }}
          thinking {{ content }} toolCalls {{ tool }} }} }} }}"""
    )
    assert found["thread"] == {
        "threadId": str(root),
        "prompt": "first",
        "model": "claude-sonnet-4-0",
        "provider": "anthropic",
        "credentialKind": "BYOK",
        "credentialHint": "...",
        "startedAt": "2026-10-01T08:00:00Z",
        "endedAt": "2026-10-01T08:00:11.500000Z",
        "interceptionCount": 2,
        "tokenUsage": {"inputTokens": 3},
        "session": {"sessionId": "s"},
        "interceptions": {
            "nodes": [
                {"interceptionId": str(root), "durationMs": 1500, "parent": None},
                {
                    "interceptionId": str(step),
                    "durationMs": 1500,
                    "parent": {"interceptionId": str(root)},
                },
            ]
        },
        "agenticActions": [
            {
                "interception": {"interceptionId": str(step)},
                "model": "other",
                "tokenUsage": {"inputTokens": 2},
                "thinking": [{"content": "Let me see."}],
                "toolCalls": [{"tool": "read"}, {"tool": "write"}],
            }
        ],
    }
    step_is_no_thread = await graph(f'{{ thread(threadId: "{step}") {{ id }} }}')
    assert step_is_no_thread == {"thread": None}


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        ({}, ["c", "b", "a"]),
        ({"providers": []}, ["c", "b", "a"]),
        ({"promptContains": ""}, ["c", "b", "a"]),
        ({"initiator": "BEN"}, ["b"]),
        ({"providers": ["openai"]}, ["b"]),
        ({"providerNames": ["azure", "nobody"]}, ["c"]),
        ({"models": ["gpt-5", "o3"]}, ["c", "b"]),
        ({"clients": ["Unknown"]}, ["c", "b"]),
        ({"clients": ["Zed"]}, ["a"]),
        ({"sessionIds": ["a", "c"]}, ["c", "a"]),
        ({"credentialKind": "BYOK"}, ["c"]),
        ({"tools": ["grep"]}, ["a"]),
        ({"promptContains": "100%_ÉTÉ"}, ["b"]),
        ({"promptContains": "100x"}, []),
        ({"startedAfter": "2026-10-01T10:00:20+02:00"}, ["c", "b"]),
        ({"startedBefore": "2026-10-01T08:00:20Z"}, ["b", "a"]),
        # Both must hold for one and the same interception: b's only one is of openai.
        ({"providers": ["openai"], "models": ["o3"]}, []),
    ],
)
async def test_each_filter_picks_the_sessions_with_a_matching_interception(
    graph: Graph, make: Factory, filter_: dict[str, Any], expected: list[str]
) -> None:
    ann, ben = await make.user("ann"), await make.user("ben")
    a = await make.interception(ann, "a", started_at=at(0), client="Zed")
    b = await make.interception(
        ben, "b", started_at=at(20), client=None, provider="openai", model="gpt-5"
    )
    await make.interception(
        ann,
        "c",
        started_at=at(40),
        client="Unknown",
        provider_name="azure",
        model="o3",
        credential_kind="byok",
    )
    await make.tool_usage(a, "grep")
    await make.prompt(b, "Give me 100%_été now")
    found = await graph(
        """query ($f: InterceptionFilter) {
        sessions(filter: $f) { nodes { sessionId } totalCount } }""",
        f=filter_,
    )
    assert [node["sessionId"] for node in found["sessions"]["nodes"]] == expected
    assert found["sessions"]["totalCount"] == len(expected)


async def test_filter_and_search_both_apply(graph: Graph, make: Factory) -> None:
    user = await make.user("ann")
    await make.interception(user, "a", model="one")
    await make.interception(user, "b", model="two")
    query = (
        "query ($f: InterceptionFilter, $q: String) { sessions(filter: $f, q: $q) { totalCount } }"
    )
    for models, q, count in [
        (["one", "two"], "model:two", 1),
        (["one"], "model:two", 0),
        (["one"], 'initiator:ann client:"Claude Code"', 1),
        (["one"], "", 1),
    ]:
        found = await graph(query, f={"models": models}, q=q)
        assert found["sessions"]["totalCount"] == count
    [error] = (await graph.ask(query, q="colour:red")).errors
    assert '"colour" is not a valid query param' in error.message


async def test_an_unknown_user_in_a_filter_is_an_error(graph: Graph, make: Factory) -> None:
    await make.user("gone", deleted=True)
    for name in ("nobody", "gone", "00000000-0000-0000-0000-000000000001"):
        [error] = (
            await graph.ask(
                "query ($n: String) { sessions(filter: {initiator: $n}) { totalCount } }", n=name
            )
        ).errors
        assert error.message == (
            f'Query param "initiator" has invalid value: user "{name}" either does not exist, '
            "or you are unauthorized to view them"
        )


async def test_a_deleted_users_sessions_still_show_that_user(graph: Graph, make: Factory) -> None:
    user = await make.user("gone", deleted=True)
    await make.interception(user)
    found = await graph("{ sessions { nodes { initiator { username } } } }")
    assert found["sessions"]["nodes"] == [{"initiator": {"username": "gone"}}]


async def test_all_levels_of_an_answer_tell_of_the_same_moment(
    graph: Graph, make: Factory, database_url: str
) -> None:
    user = await make.user()
    root = await make.interception(user, "s")
    writer = await asyncpg.connect(database_url)

    # Another program writes right behind the first statement.
    async with graph.database.snapshot() as snapshot:
        fetch, written = snapshot.fetch, False

        async def fetch_then_write(*arguments: Any, **options: Any) -> Any:
            nonlocal written
            rows = await fetch(*arguments, **options)
            if not written:
                written = True
                await Factory(writer).interception(user, "s", thread_root_id=root)
            return rows

        snapshot.fetch = fetch_then_write  # type: ignore[method-assign]
        answer = await graph.in_snapshot(
            snapshot,
            """{ sessions { nodes { interceptionCount threads { nodes { interceptionCount } }
            interceptions { totalCount nodes { id } } } } }""",
        )
    await writer.close()
    assert written
    assert answer.data is not None
    [session] = answer.data["sessions"]["nodes"]
    assert session["interceptionCount"] == session["interceptions"]["totalCount"] == 1
    assert len(session["interceptions"]["nodes"]) == 1
    assert session["threads"]["nodes"] == [{"interceptionCount": 1}]
    again = await graph("{ sessions { nodes { interceptionCount } } }")
    assert again["sessions"]["nodes"] == [{"interceptionCount": 2}]


async def test_the_duration_is_in_whole_milliseconds(graph: Graph, make: Factory) -> None:
    user = await make.user()
    await make.interception(user, started_at=at(0), ended_at=at(0) + timedelta(microseconds=2999))
    found = await graph("{ interceptions { nodes { durationMs } } }")
    assert found["interceptions"]["nodes"] == [{"durationMs": 2}]
