"""What an execution does: how often batches are called, with what, and what comes of failures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from inspect import isawaitable
from typing import Any

import pytest
from graphql import ExecutionResult, build_schema, parse, validate

from engine import EXTENSION, Engine, Limits, Lookup, Request, Trace
from engine.spec import StaticAsk
from tests.engine.library import SCALARS, SCHEMA, Library, type_of

ENGINE = Engine(SCHEMA, type_of=type_of, scalars=SCALARS)


async def run(
    text: str, library: Library, engine: Engine = ENGINE, trace: Trace | None = None
) -> ExecutionResult:
    document = parse(text)
    assert not validate(SCHEMA, document)
    result = engine.execute(Request(document), library, trace)
    return await result if isawaitable(result) else result


def _constantly(value: Any, _given: Any) -> Any:
    return value


def named(library: Library) -> list[str]:
    return [name for name, _ in library.calls]


async def test_a_level_of_many_rows_takes_one_call() -> None:
    library = Library()
    await run("{ authors(first: 5) { books { id author { id } } } }", library)
    assert named(library) == ["authors_of_period", "books_of_author", "authors_by_key"]


async def test_each_key_is_looked_up_once() -> None:
    library = Library()
    await run("{ authors(first: 2) { books { author { id } } } }", library)
    assert library.calls[-1] == ("authors_by_key", [0, 1])


async def test_fields_of_one_level_that_want_the_same_share_a_call() -> None:
    library = Library()
    await run(
        "{ authors(first: 3) { best { id } other: best { title } longest: best { id } } }", library
    )
    assert library.calls[1:] == [("books_by_key", [0, 2, 4])]


async def test_a_key_that_a_level_above_looked_up_is_not_looked_up_again() -> None:
    library = Library()
    await run('{ author(id: "x") { id rival { id rival { id } } } }', library)
    assert library.calls == [
        ("authors_by_key", [1]),
        ("authors_by_key", [0]),
        ("authors_by_key", [-1]),
    ]
    library = Library()
    await run('{ author(id: "x") { best { author { best { id } } } } }', library)
    assert library.calls == [
        ("authors_by_key", [1]),
        ("books_by_key", [2]),
        ("authors_by_key", [2]),
        ("books_by_key", [4]),
    ]


async def test_different_arguments_are_different_calls() -> None:
    library = Library()
    result = await run(
        "{ authors(first: 1) { one: books(first: 1) { id } all: books { id } } }", library
    )
    assert named(library) == ["authors_of_period", "books_of_author", "books_of_author"]
    assert result.data == {
        "authors": [{"one": [{"id": "b0"}], "all": [{"id": "b0"}, {"id": "b5"}, {"id": "b10"}]}]
    }


async def test_nothing_is_called_for_a_level_without_rows() -> None:
    library = Library()
    result = await run("{ authors(first: 0) { books { author { id } } } }", library)
    assert result.data == {"authors": []}
    assert named(library) == ["authors_of_period"]


async def test_many_keys_are_looked_up_in_parts() -> None:
    library = Library()
    engine = Engine(SCHEMA, type_of=type_of, scalars=SCALARS, limits=Limits(keys=2))
    result = await run("{ authors(first: 5) { bookCount } }", library, engine)
    assert result.data == {"authors": [{"bookCount": 7}] * 5}
    assert [keys for name, keys in library.calls if name == "count_books"] == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("concurrent", [True, False])
async def test_a_level_is_the_same_with_and_without_concurrency(concurrent: bool) -> None:
    engine = Engine(SCHEMA, type_of=type_of, scalars=SCALARS, limits=Limits(concurrent=concurrent))
    library = Library()
    result = await run(
        "{ authors(first: 2) { books { id } rivals { id } best { id } } }", library, engine
    )
    assert named(library) == [
        "authors_of_period",
        "books_of_author",
        "rivals_of_author",
        "books_by_key",
    ]
    assert result.errors is None


async def test_a_batch_that_raises_fails_each_field_that_wanted_it() -> None:
    def fault(place: str, value: Any) -> Any:
        if place.startswith("count_books"):
            raise RuntimeError("no count today")
        return value

    result = await run(
        '{ books(genre: NOVEL) { more count } author(id: "") { name } }', Library(fault)
    )
    assert result.data == {"books": None, "author": {"name": 'Näme 0 "q"'}}
    assert result.errors is not None
    (error,) = result.errors
    assert (error.message, error.path) == ("no count today", ["books", "count"])
    assert isinstance(error.original_error, RuntimeError)


async def test_one_failed_key_leaves_the_others_alone() -> None:
    def fault(place: str, value: Any) -> Any:
        return PermissionError("not for you") if place == "rivals_of_author.1" else value

    result = await run("{ authors(first: 2) { rivals { name } } }", Library(fault))
    assert result.data == {"authors": [{"rivals": []}, {"rivals": None}]}
    assert result.errors is not None
    assert [error.path for error in result.errors] == [["authors", 1, "rivals"]]


async def test_a_batch_with_too_few_results_fails_its_keys() -> None:
    async def forgetful(_context: Any, keys: Sequence[Any], _args: Any) -> Sequence[Any]:
        return keys[1:]

    schema = build_schema("type Query { a: Int b: Int }")
    assert schema.query_type is not None
    for key, name in enumerate("ab"):
        ask = StaticAsk(forgetful, key, None, None)
        spec = Lookup(ask=lambda _row, ask: ask, arguments=partial(_constantly, ask))
        schema.query_type.fields[name].extensions = {EXTENSION: spec}
    result = Engine(schema, type_of=type_of).execute(Request(parse("{ a b }")))
    assert isawaitable(result)
    answer = await result
    assert answer.data == {"a": None, "b": None}
    assert answer.errors is not None
    assert "shorter" in answer.errors[0].message


async def test_a_wrong_argument_is_the_error_of_the_field() -> None:
    library = Library()
    result = await run("{ authors(first: 1) { name } books(first: -1) { more } }", library)
    assert result.data == {"authors": [{"name": 'Näme 0 "q"'}], "books": None}
    assert result.errors is not None
    assert [error.message for error in result.errors] == ["first must not be -1"]
    assert named(library) == ["authors_of_period"]


async def test_what_needs_no_look_up_is_answered_at_once() -> None:
    result = ENGINE.execute(Request(parse("{ __typename version motto }")), Library())
    assert isinstance(result, ExecutionResult)
    assert result.data == {"__typename": "Query", "version": "1.0", "motto": None}


async def test_a_trace_tells_each_call_of_each_level() -> None:
    trace = Trace()
    await run(
        "{ authors(first: 2) { books { author { id } } best { id } } }", Library(), trace=trace
    )
    assert [[(call.batch, call.rows, call.keys) for call in level] for level in trace.levels] == [
        [("library.authors_of_period", 1, 1)],
        [("library.books_of_author", 2, 2), ("library.books_by_key", 2, 2)],
        [("library.authors_by_key", 6, 2)],
    ]
    assert trace.fetching > 0
    assert not trace.careful


async def test_objects_that_a_read_makes_may_look_further_and_fail() -> None:
    def fault(place: str, value: Any) -> Any:
        return None if place == "Stats.words.1" else value

    text = "{ authors(first: 2) { name summary { words longest { id } author { id } } } }"
    assert (await run(text, Library())).errors is None
    result = await run(text, Library(fault))
    assert result.errors is not None
    assert [error.path for error in result.errors] == [["authors", 1, "summary", "words"]]


@pytest.mark.parametrize("concurrent", [True, False])
async def test_an_execution_that_is_cancelled_cancels_what_it_waits_for(concurrent: bool) -> None:
    running: list[str] = []

    async def endless(_context: Any, _keys: Sequence[Any], args: Any) -> Sequence[Any]:
        running.append(args)
        try:
            await asyncio.sleep(3600)
        finally:
            running.remove(args)
        raise AssertionError

    schema = build_schema("type Query { a: Int b: Int }")
    assert schema.query_type is not None
    for name in "ab":
        ask = StaticAsk(endless, 1, name, None)
        spec = Lookup(ask=lambda _row, ask: ask, arguments=partial(_constantly, ask))
        schema.query_type.fields[name].extensions = {EXTENSION: spec}
    engine = Engine(schema, type_of=type_of, limits=Limits(concurrent=concurrent))
    result = engine.execute(Request(parse("{ a b }")))
    assert isawaitable(result)
    task = asyncio.ensure_future(result)
    await asyncio.sleep(0.01)
    assert running == (["a", "b"] if concurrent else ["a"])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert running == []
