"""Scalars: nothing is lost in silence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from schema import scalars
from tests.factories import Factory
from tests.graph import Graph


@pytest.mark.parametrize("value", [0, 1, -1, 2**53 - 1, -(2**53 - 1)])
def test_integers_that_javascript_can_tell_apart_pass(value: int) -> None:
    assert scalars.serialize_big_int(value) == scalars.parse_big_int(float(value)) == value


@pytest.mark.parametrize("value", [2**53, -(2**53), 1.5, "1", True, None])
def test_other_values_are_no_big_int(value: object) -> None:
    for convert in (scalars.serialize_big_int, scalars.parse_big_int):
        with pytest.raises(GraphQLError, match="BigInt can't represent"):
            convert(value)


async def test_a_sum_beyond_the_bound_is_an_error_of_its_field(graph: Graph, make: Factory) -> None:
    interception = await make.interception(await make.user())
    for _ in range(2):
        await make.token_usage(interception, input_tokens=2**53 - 1)
    answer = await graph.ask("{ interceptions { nodes { model tokenUsages { inputTokens } } } }")
    assert not answer.errors
    [error] = (await graph.ask("{ sessions { nodes { tokenUsage { inputTokens } } } }")).errors
    assert error.path == ["sessions", "nodes", 0, "tokenUsage", "inputTokens"]
    assert "BigInt can't represent" in error.message


async def test_a_sum_beyond_the_databases_own_integers_is_no_fault(
    graph: Graph, make: Factory
) -> None:
    interception = await make.interception(await make.user())
    for _ in range(2):
        await make.token_usage(interception, input_tokens=2**63 - 1)
    [error] = (await graph.ask("{ sessions { nodes { tokenUsage { inputTokens } } } }")).errors
    assert "BigInt can't represent" in error.message


@given(st.datetimes(timezones=st.just(UTC)))
def test_moments_keep_their_microseconds(moment: datetime) -> None:
    assert scalars.parse_datetime(scalars.serialize_datetime(moment)) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-10-12T08:41:17Z", datetime(2026, 10, 12, 8, 41, 17, tzinfo=UTC)),
        ("2026-10-12t08:41:17.5z", datetime(2026, 10, 12, 8, 41, 17, 500_000, tzinfo=UTC)),
        ("2026-10-12T10:41:17+02:00", datetime(2026, 10, 12, 8, 41, 17, tzinfo=UTC)),
        ("2026-10-12T08:41:17.123456789Z", datetime(2026, 10, 12, 8, 41, 17, 123_456, tzinfo=UTC)),
        (
            "2026-10-12T08:41:17-07:30",
            datetime(2026, 10, 12, 8, 41, 17, tzinfo=timezone(-timedelta(hours=7, minutes=30))),
        ),
    ],
)
def test_any_offset_is_read(text: str, moment: datetime) -> None:
    assert scalars.parse_datetime(text) == moment


@pytest.mark.parametrize(
    "text",
    ["2026-10-12T08:41:17", "2026-10-12", "now", "", "2026-13-01T00:00:00Z", 1, None,
     "0001-01-01T00:00:00+23:00", "2026-10-12T08:41:17Z\n"],
)  # fmt: skip
def test_a_time_without_offset_is_refused(text: object) -> None:
    with pytest.raises(GraphQLError, match="write RFC 3339 with an offset"):
        scalars.parse_datetime(text)


@pytest.mark.parametrize(
    "text",
    [
        "6e64c828-eed0-5dd2-9759-02887fb0cbee",
        "6E64C828EED05DD2975902887FB0CBEE",
        "{6e64c828-eed0-5dd2-9759-02887fb0cbee}",
        "urn:uuid:6e64c828-eed0-5dd2-9759-02887fb0cbee",
    ],
)
def test_uuids_are_read_in_any_usual_form(text: str) -> None:
    assert scalars.parse_uuid(text) == UUID("6e64c828-eed0-5dd2-9759-02887fb0cbee")


@pytest.mark.parametrize("value", ["", "6e64c828", 7, None])
def test_other_values_are_no_uuid(value: object) -> None:
    with pytest.raises(GraphQLError, match="UUID can't represent"):
        scalars.parse_uuid(value)


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800"])
async def test_text_that_no_row_can_hold_is_told(graph: Graph, text: str) -> None:
    for query in (
        "query ($t: String!) { session(sessionId: $t) { id } }",
        "query ($t: String!) { sessions(filter: {models: [$t]}) { totalCount } }",
        "query ($t: String!) { userPrompts(filter: {promptContains: $t}) { totalCount } }",
        "query ($t: String!) { models(prefix: $t) }",
    ):
        answer = await graph.ask(query, t=text)
        assert [type(e.original_error).__name__ for e in answer.errors] == ["InvalidTextError"]
        assert answer.statements == 0


@pytest.mark.parametrize("read", [scalars.parse_datetime, scalars.parse_uuid])
@pytest.mark.parametrize("digit", ["1", "x"])
def test_what_is_far_too_long_is_neither_read_nor_quoted_in_full(read: Any, digit: str) -> None:
    with pytest.raises(GraphQLError, match="can't represent") as refused:
        read("2026-01-01T00:00:00." + digit * 900_000 + "Z")
    assert len(refused.value.message) < 300
    assert "…" in refused.value.message
