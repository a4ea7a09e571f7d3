"""The limits on documents: counted right, in linear time, and refused by name."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from functools import cache

import pytest
from graphql import GraphQLError, parse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema.build import graphql_core, schema
from schema.limits import (
    COUNT_MAX,
    Extent,
    LimitError,
    check_extent,
    check_text,
    check_variables,
    extents,
)
from schema.validation import InvalidDocumentError, check_valid
from tests.schema.limits import default_limits

# A busy machine is no reason to fail.
patient = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])


@dataclass
class Selection:
    """A field, an inline fragment (no name) or a spread (a number), with what is below it."""

    name: str | int | None
    alias: bool = False
    directive: bool = False
    below: list[Selection] = field(default_factory=list)

    def text(self) -> str:
        directive = " @include(if: true)" if self.directive else ""
        inner = " ".join(selection.text() for selection in self.below)
        if isinstance(self.name, int):
            return f"...f{self.name}{directive}"
        if self.name is None:
            return f"...{directive} {{ {inner} }}"
        alias = "x: " if self.alias else ""
        return f"{alias}{self.name}{directive}" + (f" {{ {inner} }}" if inner else "")


@cache
def selections(fragments: int) -> st.SearchStrategy[list[Selection]]:
    """Selections that may spread the fragments numbered below `fragments`."""
    leaf = st.builds(
        Selection, st.sampled_from(["a", "b", "__schema"]), st.booleans(), st.booleans()
    )
    if fragments:
        numbers = st.integers(0, fragments - 1)
        leaf |= st.builds(Selection, numbers, st.just(False), st.booleans())
    tree = st.recursive(
        leaf,
        lambda inner: st.builds(
            Selection,
            st.sampled_from(["a", None]),
            st.just(False),
            st.booleans(),
            st.lists(inner, min_size=1, max_size=3),
        ),
        max_leaves=6,
    )
    return st.lists(tree, min_size=1, max_size=3)


@st.composite
def documents(draw: st.DrawFn) -> tuple[list[Selection], list[list[Selection]]]:
    """An operation, and fragments that spread only ones before them."""
    fragments = [draw(selections(number)) for number in range(draw(st.integers(0, 4)))]
    return draw(selections(len(fragments))), fragments


def naive(
    found: list[Selection], fragments: list[list[Selection]], depth: int = 0
) -> tuple[int, int, int, int, int, bool]:
    """Count by expanding everything: depth, aliases, fields, directives, introspection."""
    deepest, aliases, fields, everywhere, directives, introspects = depth, 0, 0, 0, 0, False
    for selection in found:
        directives += selection.directive
        below, level = selection.below, depth
        if isinstance(selection.name, int):
            below = fragments[selection.name]
        elif selection.name is not None:
            level = depth + 1
            aliases += selection.alias
            fields += depth == 0
            everywhere += 1
            introspects |= selection.name == "__schema"
        inner = naive(below, fragments, level)
        deepest = max(deepest, level, inner[0])
        aliases += inner[1]
        fields += inner[2]
        everywhere += inner[3]
        directives += inner[4]
        introspects |= inner[5]
    return deepest, aliases, fields, everywhere, directives, introspects


@patient
@given(documents())
def test_counts_are_those_of_the_expanded_operation(
    document: tuple[list[Selection], list[list[Selection]]],
) -> None:
    operation, fragments = document
    text = f"{{ {' '.join(s.text() for s in operation)} }}" + "".join(
        f" fragment f{number} on Query {{ {' '.join(s.text() for s in found)} }}"
        for number, found in enumerate(fragments)
    )
    ((_, extent),) = extents(parse(text))
    assert astuple(extent) == naive(operation, fragments)


@patient
@given(documents(), st.integers(0, 6))
def test_a_refusal_comes_exactly_above_the_limit(
    document: tuple[list[Selection], list[list[Selection]]], maximum: int
) -> None:
    depth, aliases, fields, everywhere, directives, introspects = naive(*document)
    extent = Extent(depth, aliases, fields, everywhere, directives, introspects)
    limits = default_limits(
        max_depth=maximum, max_aliases=maximum, max_root_fields=maximum, max_directives=maximum
    )
    if max(depth, aliases, fields, directives) > maximum:
        with pytest.raises(LimitError, match=rf"at most {maximum} .*AIBRIDGE_MAX_"):
            check_extent(extent, limits)
    else:
        check_extent(extent, limits)


def chain(length: int, spread: str = "...f{next}") -> str:
    fragments = (
        f"fragment f{n} on Query {{ {spread.replace('{next}', str(n + 1))} }}"
        for n in range(length)
    )
    return "{ ...f0 }" + "".join(fragments) + f"fragment f{length} on Query {{ __typename }}"


# Documents whose expansion would never end, or only after the sun has.
HOSTILE = {
    "a chain of 10,000 fragments": chain(10_000),
    "fragments that spread the next twice": chain(10_000, "...f{next} ...f{next}"),
    "aliases that double": chain(10_000, "a: viewer { ...f{next} } b: viewer { ...f{next} }"),
    "23 nested fragments": chain(23, "x: __typename ...f{next} ...f{next} ...f{next}"),
    "a cycle": "{ ...a } fragment a on Query { ...b } fragment b on Query { x: __typename ...a }",
    "a fragment in itself": "{ ...a } fragment a on Query { __typename ...a }",
    "a fragment that is not there": "{ ...a }",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_fragments_are_counted_in_linear_time(name: str) -> None:
    document = parse(HOSTILE[name])
    started = time.process_time()
    ((_, extent),) = extents(document)
    # Measured: 0.3 s for the longest, of 90,000 tokens. Expanded, it would never end.
    assert time.process_time() - started < 5
    assert max(astuple(extent)) <= COUNT_MAX


def test_twice_the_document_takes_about_twice_the_time() -> None:
    """Quadratic would be 16 times; the bound leaves room for a busy machine."""

    def seconds(length: int) -> float:
        document = parse(chain(length, "...f{next} ...f{next} a: viewer { ...f{next} }"))
        times = []
        for _ in range(3):
            started = time.process_time()
            extents(document)
            times.append(time.process_time() - started)
        return min(times)

    assert seconds(8_000) < 10 * seconds(2_000)


def test_a_long_document_is_refused_by_its_bytes() -> None:
    limits = default_limits(max_document_bytes=10)
    check_text("é" * 5, limits)
    with pytest.raises(LimitError, match=r"12 bytes; at most 10 .*AIBRIDGE_MAX_DOCUMENT_BYTES"):
        check_text("é" * 6, limits)


def values_in(value: object) -> int:
    """Count everything below a JSON value."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(1 + values_in(each) for each in inside)


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=20,
)


@patient
@given(st.dictionaries(st.text(max_size=3), json_values), st.integers(0, 12))
def test_variables_are_refused_exactly_above_the_limit(
    variables: dict[str, object], maximum: int
) -> None:
    limits = default_limits(max_variable_values=maximum)
    if values_in(variables) > maximum:
        with pytest.raises(LimitError, match=r"over \d+; .*AIBRIDGE_MAX_VARIABLE_VALUES"):
            check_variables(variables, limits)
    else:
        check_variables(variables, limits)


# Documents that keep within the token limit and make validation work as hard as it can.
N = 4_900
COSTLY = {
    "one field many times": "{" + " __typename" * N + "}",
    "one field with fields": "{" + " viewer{user{id}}" * (N // 7) + "}",
    "conflicts": "{" + " a:viewer{roles} a:__typename" * 450 + "}",
    "arguments that differ": "{" + "".join(f" models(limit:{n})" for n in range(N // 6)) + "}",
    "fragments side by side": "{" + "".join(f"...f{n} " for n in range(500)) + "}"
    + "".join(f"fragment f{n} on Query{{__typename}}" for n in range(500)),
    "fragments across": "{...f0}" + "".join(
        f"fragment f{n} on Query{{__typename {' '.join(f'...f{m}' for m in range(n + 1, 60))}}}"
        for n in range(60)
    ),
    "inline fragments": "{" + "...{__typename}" * (N // 4) + "}",
    "unknown fields": "{" + "".join(f" sesion{n}" for n in range(N)) + "}",
    "a wrong literal": "{sessions(filter:{"
    + "".join(f"provders{n}:1 " for n in range(1500))
    + "}){totalCount}}",
}  # fmt: skip


@pytest.mark.parametrize("name", COSTLY)
def test_validation_has_a_bounded_price(name: str) -> None:
    document = parse(COSTLY[name], max_lexical_tokens=5_000)
    started = time.process_time()
    with suppress(LimitError, InvalidDocumentError):
        check_valid(graphql_core(schema), document, 10_000, hide_suggestions=False)
    # Without the budget several of these take seconds; measured: 20 to 250 ms, in a thread.
    assert time.process_time() - started < 2


def test_the_token_limit_counts_while_parsing() -> None:
    with pytest.raises(GraphQLError, match="more than 5000"):
        parse("{" + " a" * 5_001 + "}", max_lexical_tokens=5_000)
