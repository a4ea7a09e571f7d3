"""Which operations the engine covers, and how it keeps their plans."""

from __future__ import annotations

from collections.abc import Awaitable
from inspect import isawaitable
from typing import Any

import pytest
from graphql import DocumentNode, ExecutionResult, build_schema, execute, parse, validate

from engine import (
    EXTENSION,
    Engine,
    Inline,
    InvalidVariablesError,
    Limits,
    Read,
    Request,
    UncoveredError,
)
from tests.engine.library import SCALARS, SCHEMA, Library, type_of


def engine(**given: Any) -> Engine:
    return Engine(SCHEMA, type_of=type_of, scalars=SCALARS, **given)


def request(text: str, **given: Any) -> Request:
    document = parse(text)
    assert not validate(SCHEMA, document)
    return Request(document, **given)


async def answer(result: ExecutionResult | Awaitable[ExecutionResult]) -> ExecutionResult:
    return await result if isawaitable(result) else result


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{ __schema { queryType { name } } version }", "Query.__schema has no spec"),
        ('{ __type(name: "Book") { name } }', "Query.__type has no spec"),
        ("query A { version } query B { version }", "no such operation, or several"),
        ("{ version @include(if: true) ...F } fragment F on Query { motto }", None),
    ],
)
async def test_what_is_not_covered_goes_to_graphql_core(text: str, reason: str | None) -> None:
    asked = request(text)
    if reason is not None:
        with pytest.raises(UncoveredError, match=reason):
            engine().plan(asked)
    result = await answer(engine().execute(asked, Library()))
    expected = execute(SCHEMA, asked.document, context_value=Library())
    assert isinstance(expected, ExecutionResult)
    assert result == expected


@pytest.mark.parametrize(
    ("sdl", "text", "reason"),
    [
        ("type Query { a: Int } type Mutation { b: Int }", "mutation { b }", "mutation"),
        (
            "type Query { a: Int } type Subscription { b: Int }",
            "subscription { b }",
            "subscription",
        ),
        ("directive @odd on FIELD type Query { a: Int }", "{ a @odd }", "directive @odd"),
        ("type Query { a: Int b: Int }", "{ a b }", "Query.b has no spec"),
        ("type Query { a(x: Int): Int }", "{ a }", "a read with arguments"),
    ],
)
def test_it_says_why_an_operation_is_not_covered(sdl: str, text: str, reason: str) -> None:
    schema = build_schema(sdl)
    assert schema.query_type is not None
    schema.query_type.fields["a"].extensions = {EXTENSION: Read(get=lambda _: 1)}
    document = parse(text)
    assert not validate(schema, document)
    with pytest.raises(UncoveredError, match=reason):
        Engine(schema, type_of=type_of).plan(Request(document))


def test_the_fallback_is_given_what_is_not_covered() -> None:
    given: list[Any] = []

    def fallback(request: Request, context: Any) -> ExecutionResult:
        given.extend((request, context))
        return ExecutionResult({"fell": "back"})

    asked = request("{ __schema { queryType { name } } }")
    result = engine(fallback=fallback).execute(asked, "context")
    assert result == ExecutionResult({"fell": "back"})
    assert given == [asked, "context"]


def test_lists_nested_deeper_than_python_loops_are_left_to_graphql_core() -> None:
    schema = build_schema(f"type Query {{ a: {'[' * 20}Int{']' * 20} }}")
    assert schema.query_type is not None
    schema.query_type.fields["a"].extensions = {EXTENSION: Read(get=lambda _: None)}
    with pytest.raises(UncoveredError, match="nested deeper"):
        Engine(schema, type_of=type_of).plan(Request(parse("{ a }")))


def test_a_plan_that_would_grow_without_measure_is_left_to_graphql_core() -> None:
    schema = build_schema(
        "interface I { i: I } type A implements I { i: I } type B implements I { i: I } "
        "type C implements I { i: I } type Query { i: I }"
    )
    for name in "ABC":
        type_: Any = schema.type_map[name]
        type_.fields["i"].extensions = {EXTENSION: Read(attribute="i")}
    assert schema.query_type is not None
    schema.query_type.fields["i"].extensions = {EXTENSION: Read(get=lambda _: None)}
    document = parse("{" + "i {" * 12 + "__typename" + "}" * 12 + "}")
    with pytest.raises(UncoveredError, match="more than 5000 fields"):
        Engine(schema, type_of=type_of).plan(Request(document))


def test_a_plan_is_made_once_for_a_document() -> None:
    ours, asked = engine(), request("{ version }")
    assert ours.plan(asked) is ours.plan(Request(asked.document))


def test_a_plan_is_made_for_each_set_of_conditions_and_no_other_variable() -> None:
    ours = engine()
    document = parse(
        "query ($on: Boolean!, $first: Int) "
        "{ version @include(if: $on) authors(first: $first) { id } }"
    )

    def plan(on: bool, first: int) -> Any:
        return ours.plan(Request(document, {"on": on, "first": first}))

    assert plan(True, 1) is plan(True, 2)
    assert plan(True, 1) is not plan(False, 1)
    assert "version" not in plan(False, 1).source


async def test_a_plan_that_was_prepared_is_the_one_that_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = engine()
    document = parse("query ($on: Boolean!) { version @include(if: $on) motto }")
    for on in (True, False):
        await ours.prepare(Request(document, {"on": on}))
    monkeypatch.setattr(ours, "_plan", None)
    assert "version" in ours.plan(Request(document, {"on": True})).source
    assert "version" not in ours.plan(Request(document, {"on": False})).source
    # What is known is not prepared again, and what can't be planned is left to `execute`.
    await ours.prepare(Request(document, {"on": True}))
    await ours.prepare(Request(document, {"on": "wrong"}))
    await ours.prepare(Request(parse("query A { version } query B { version }")))


def test_plans_are_bounded() -> None:
    ours = engine(limits=Limits(operations=2))
    documents: list[DocumentNode] = [parse("{ version }") for _ in range(3)]
    first = ours.plan(Request(documents[0]))
    ours.plan(Request(documents[1]))
    assert ours.plan(Request(documents[0])) is first
    ours.plan(Request(documents[2]))
    assert ours.plan(Request(documents[0])) is first
    assert len(ours._operations) == 2


def test_plans_of_one_document_are_bounded() -> None:
    ours = engine()
    names = [f"v{i}" for i in range(6)]
    text = ", ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f"{name}: version @skip(if: ${name})" for name in names)
    document = parse(f"query ({text}) {{ motto {fields} }}")
    for number in range(64):
        values = {name: bool(number >> i & 1) for i, name in enumerate(names)}
        ours.plan(Request(document, values))
    (prepared,) = ours._operations.values()
    assert len(prepared._plans) <= 16


def test_wrong_variables_are_told_as_graphql_core_tells_them() -> None:
    document = parse(
        "query ($first: Int!, $id: ID!) { authors(first: $first) { id } node(id: $id) { id } }"
    )
    asked = Request(document, {"first": "three"})
    expected = execute(SCHEMA, document, variable_values={"first": "three"})
    assert isinstance(expected, ExecutionResult)
    assert engine().execute(asked) == expected
    assert len(expected.errors or ()) == 2
    with pytest.raises(InvalidVariablesError):
        engine().plan(asked)


async def test_a_condition_that_is_null_is_told_as_graphql_core_tells_it() -> None:
    document = parse("query ($on: Boolean = true) { version @include(if: $on) }")
    assert not validate(SCHEMA, document)
    expected = execute(SCHEMA, document, variable_values={"on": None})
    assert isinstance(expected, ExecutionResult)
    assert await answer(engine().execute(Request(document, {"on": None}))) == expected
    assert expected.errors


def test_two_scalars_may_not_mean_different_things_by_one_name() -> None:
    scalars = {
        "A": Inline("x({v})", names={"x": str}),
        "B": Inline("x({v})", names={"x": int}),
    }
    with pytest.raises(ValueError, match="different things by x"):
        Engine(SCHEMA, type_of=type_of, scalars=scalars)


def test_an_alias_can_name_whatever_the_generated_code_names() -> None:
    names = [
        "result",
        "values",
        "value",
        "type_of",
        "known",
        "v1_item",
        "class",
        "as_String",
        "next_0",
    ]
    text = "{" + " ".join(f"{name}: version" for name in names) + "}"
    assert engine().execute(request(text)) == ExecutionResult(dict.fromkeys(names, "1.0"))
