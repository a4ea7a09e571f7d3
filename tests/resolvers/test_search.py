"""The `q` language: every sentence of the contract, and what must hold for any input."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.filters import InterceptionCriteria
from resolvers import search
from resolvers.search import CLIENTS, INTERCEPTIONS, MODELS, SESSIONS, Language, SearchError, Terms

ADA = UUID("11111111-1111-4111-8111-111111111111")

LAYOUT = "2006-01-02T15:04:05.999999999Z07:00"
ONCE = "Only provide 1 instance of this query param."
INVALID = 'Query param "initiator" has invalid value:'
EMPTY_RANGE = (
    'Query param "started_before" has invalid value: '
    '"started_before" must be after "started_after" if set'
)

# Text that is rich in what the grammar cares about.
QUERIES = st.text(alphabet=st.sampled_from('ab :"\\\0é\ud800K'), max_size=30) | st.text()


async def find_user(name: str) -> UUID | None:
    return ADA if name.lower() in {"ada", "me", str(ADA)} else None


async def validations(text: str, language: Language = SESSIONS) -> list[tuple[str, str]]:
    with pytest.raises(SearchError) as raised:
        await search.criteria(text, language, find_user)
    return [(v.field, v.detail) for v in raised.value.validations]


@given(QUERIES)
def test_parsing_what_is_printed_gives_the_same(text: str) -> None:
    try:
        terms = search.parse(text)
    except SearchError:
        return
    assert search.parse(str(terms)) == terms


@given(QUERIES, st.sampled_from([INTERCEPTIONS, SESSIONS]))
async def test_no_input_crashes_a_filter(text: str, language: Language) -> None:
    try:
        found = await search.criteria(text, language, find_user)
    except SearchError:
        return
    assert isinstance(found, InterceptionCriteria)


@given(QUERIES, st.sampled_from([MODELS, CLIENTS]))
def test_no_input_crashes_a_prefix(text: str, language: Language) -> None:
    try:
        found = search.prefix(text, language)
    except SearchError:
        return
    assert "\0" not in found


@given(st.lists(st.tuples(st.sampled_from(["model", "client"]), st.text("a :b", max_size=8))))
def test_any_value_without_quotes_can_be_said(fields: list[tuple[str, str]]) -> None:
    terms = Terms(tuple(fields))
    assert search.parse(str(terms)) == terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", Terms()),
        ("   ", Terms()),
        ('""', Terms()),
        ("model:gpt-5", Terms((("model", "gpt-5"),))),
        ("MODEL:GPT-5", Terms((("model", "GPT-5"),))),
        ('"Model":"a b"', Terms((("model", "a b"),))),
        ('client:"Claude Code" x', Terms((("client", "Claude Code"),), ("x",))),
        ("a  b model:m c", Terms((("model", "m"),), ("a", "b", "c"))),
        ('"llama3:8b"', Terms((), ("llama3:8b",))),
        ('model:"', Terms((("model", ""),))),
        ('model:"a b', Terms((("model", "a b"),))),
        ('model:a"b:c d"e', Terms((("model", 'a"b:c d"e'),))),
    ],
)
def test_a_query_is_taken_apart(text: str, terms: Terms) -> None:
    assert search.parse(text) == terms


@pytest.mark.parametrize("text", ["model:", ":gpt", "a model: b", ":", "::"])
async def test_a_colon_at_an_end_answers_alone(text: str) -> None:
    (element,) = [token for token in text.split() if ":" in token]
    detail = f"Query element \"{element}\" cannot start or end with ':'"
    assert await validations(f"{text} nonsense:1") == [("q", detail)]


@pytest.mark.parametrize("element", ["a:b:c", "a::b", "model:a:b"])
async def test_a_second_colon_answers_alone(element: str) -> None:
    detail = f"Query element \"{element}\" can only contain 1 ':'"
    assert await validations(f"nonsense:1 {element}") == [("q", detail)]


async def test_quotes_of_a_refused_element_are_escaped() -> None:
    assert await validations('"a b":c:d') == [
        ("q", 'Query element "\\"a b\\":c:d" can only contain 1 \':\'')
    ]


async def test_a_filter_holds_what_was_asked() -> None:
    found = await search.criteria(
        'initiator:ada provider:openai provider_name:main model:gpt-5 client:"Claude Code" '
        'session_id:s1 started_after:"2026-01-02T03:04:05.678901+01:00" '
        'started_before:"2026-01-03t00:00:00z"',
        SESSIONS,
        find_user,
    )
    assert found == InterceptionCriteria(
        initiator_id=ADA,
        providers=("openai",),
        provider_names=("main",),
        models=("gpt-5",),
        clients=("Claude Code",),
        session_ids=("s1",),
        started_after=datetime(2026, 1, 2, 2, 4, 5, 678901, UTC),
        started_before=datetime(2026, 1, 3, tzinfo=UTC),
    )


@pytest.mark.parametrize("text", ["", 'model:"" client:""', 'initiator:"" started_after:""'])
async def test_an_empty_value_is_no_filter(text: str) -> None:
    assert await search.criteria(text, INTERCEPTIONS, find_user) == InterceptionCriteria()


async def test_free_text_of_interceptions_is_the_initiator() -> None:
    found = await search.criteria("ADA", INTERCEPTIONS, find_user)
    assert found.initiator_id == ADA


async def test_free_text_of_sessions_is_refused() -> None:
    assert await validations("ada nonsense:1") == [("q", "no search key specified")]


@pytest.mark.parametrize("language", [MODELS, CLIENTS])
def test_free_text_of_values_is_the_prefix(language: Language) -> None:
    assert search.prefix("Claude  Code", language) == "Claude Code"
    assert search.prefix(f'{language.keys[0]}:"Claude C"', language) == "Claude C"
    assert search.prefix("", language) == ""


def test_values_know_no_other_key() -> None:
    with pytest.raises(SearchError) as raised:
        search.prefix("model:a b client:c", MODELS)
    assert [(v.field, v.detail) for v in raised.value.validations] == [
        ("model", f'Query param "model" provided more than once, found 2 times. {ONCE}'),
        ("client", '"client" is not a valid query param'),
    ]


async def test_all_faults_come_back_in_the_contracts_order() -> None:
    text = (
        "zzz:1 started_before:xx started_after:so session_id:a session_id:b "
        "model:a model:b model:c initiator:nobody"
    )
    time = f"must be a valid date format ({LAYOUT}): parsing time"
    assert await validations(text) == [
        (
            "initiator",
            f'{INVALID} user "nobody" either does not exist, or you are unauthorized to view them',
        ),
        ("model", f'Query param "model" provided more than once, found 3 times. {ONCE}'),
        ("session_id", f'Query param "session_id" provided more than once, found 2 times. {ONCE}'),
        (
            "started_after",
            f'Query param "started_after" {time} "SO" as "{LAYOUT}": cannot parse "SO" as "2006"',
        ),
        (
            "started_before",
            f'Query param "started_before" {time} "XX" as "{LAYOUT}": cannot parse "XX" as "2006"',
        ),
        ("zzz", '"zzz" is not a valid query param'),
    ]


@pytest.mark.parametrize("before", ["2026-01-02T00:00:00Z", "2026-01-01T23:59:59.999999Z"])
async def test_a_range_must_not_be_empty(before: str) -> None:
    assert await validations(
        f'started_after:"2026-01-02T00:00:00Z" started_before:"{before}" zzz:1'
    ) == [
        ("started_before", EMPTY_RANGE),
        ("zzz", '"zzz" is not a valid query param'),
    ]


async def test_interceptions_do_not_know_session_id() -> None:
    assert await validations("session_id:a session_id:b", INTERCEPTIONS) == [
        ("session_id", '"session_id" is not a valid query param'),
    ]


async def test_text_that_no_row_can_hold_is_refused() -> None:
    detail = 'Query param "model" has invalid value: text must be valid Unicode without NUL'
    assert await validations("model:a\0") == [("model", detail)]
    assert [field for field, _ in await validations("initiator:\ud800")] == ["initiator"]


async def test_the_message_for_graphql_is_one_sentence_with_all_faults() -> None:
    with pytest.raises(SearchError) as raised:
        await search.criteria("a:1 b:2", SESSIONS, find_user)
    assert raised.value.message == (
        '`q` is not understood: "a" is not a valid query param; "b" is not a valid query param.'
    )
    assert raised.value.code == "BAD_USER_INPUT"


async def test_a_text_that_is_too_long_is_refused_before_it_is_read() -> None:
    longest = "model:" + "a" * 9_994
    assert (await search.criteria(longest, SESSIONS, find_user)).models == ("a" * 9_994,)
    said = [("q", "Query must not be longer than 10000 characters")]
    assert await validations(longest + "a") == said
    assert await validations(":" * 1_000_000) == said
