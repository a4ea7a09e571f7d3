"""The engine and graphql-core answer the same, whatever is asked and whatever fails."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from random import Random
from typing import Any

import orjson
from graphql import DocumentNode, ExecutionResult, StringValueNode, execute, parse, validate
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import queries

from engine import Engine, Limits, Request
from tests.engine.documents import harder
from tests.engine.library import SCALARS, SCHEMA, Library, type_of

ENGINE = Engine(SCHEMA, type_of=type_of, scalars=SCALARS, limits=Limits(operations=4))

DOCUMENTS = queries(
    SCHEMA,
    custom_scalars={"DateTime": st.just(StringValueNode(value="x"))},
)


class Odd:
    def __repr__(self) -> str:
        return "odd"


# What may stand in the place of a value: nulls, errors, and values of a wrong type.
FAULTS: list[Callable[[], Any]] = [
    lambda: None,
    lambda: None,
    lambda: RuntimeError("a fault"),
    lambda: 3.5,
    lambda: float("nan"),
    lambda: 2**40,
    lambda: "raise",
    lambda: True,
    list,
    lambda: [None],
    lambda: ...,
    Odd,
]


# The documents are big and the machine may be busy; neither is a fault.
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)


def faulty(seed: int, share: float) -> Callable[[str, Any], Any]:
    """Return a `fault` that replaces a share of all values, always the same ones for a seed."""

    def fault(place: str, value: Any) -> Any:
        random = Random(f"{seed} {place}")
        return random.choice(FAULTS)() if random.random() < share else value

    return fault


def encoded(result: ExecutionResult) -> bytes:
    """Return the answer as its caller would see it."""
    errors = [error.formatted for error in result.errors or ()]
    answer = {"data": result.data, "errors": errors}
    return orjson.dumps(answer, default=lambda value: type(value).__name__, option=orjson.OPT_UTC_Z)


async def answers(
    document: DocumentNode, variables: dict[str, Any], fault: Callable[[str, Any], Any]
) -> tuple[bytes, bytes]:
    request = Request(document, variables)
    ours = ENGINE.execute(request, Library(fault))
    theirs = execute(
        SCHEMA, document, context_value=Library(fault), variable_values=dict(variables)
    )
    assert isinstance(theirs, ExecutionResult)
    return encoded(await ours if isawaitable(ours) else ours), encoded(theirs)


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(
    text=DOCUMENTS,
    seed=st.integers(0, 2**32),
    share=st.sampled_from([0.0, 0.0, 0.005, 0.03, 0.2]),
    variables=st.fixed_dictionaries({"a": st.booleans()}, optional={"b": st.booleans()}),
)
async def test_any_operation_is_answered_as_graphql_core_answers_it(
    text: str, seed: int, share: float, variables: dict[str, bool]
) -> None:
    document = harder(SCHEMA, parse(text), Random(seed))
    assume(not validate(SCHEMA, document))
    ENGINE.plan(Request(document, variables))
    ours, theirs = await answers(document, variables, faulty(seed, share))
    assert ours == theirs
