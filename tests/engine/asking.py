"""What the tests of rows that bring JSON along share: asks, and a way to put an operation."""

from __future__ import annotations

from inspect import isawaitable
from typing import Any, NamedTuple

import orjson
from graphql import parse, validate

from engine import Engine, Request, Trace


class Ask(NamedTuple):
    """A look-up of one key."""

    batch: Any
    key: int = 1
    args: None = None
    then: None = None


def broken(_row: None) -> str:
    raise ValueError("broken")


async def answered(
    engine: Engine, query: str, context: Any, trace: Trace | None = None
) -> tuple[Any, list[str]]:
    """Return the data of the answer, as JSON has it, and the messages of its errors."""
    document = parse(query)
    assert not validate(engine.schema, document)
    result = engine.execute(Request(document), context, trace)
    result = await result if isawaitable(result) else result
    return orjson.loads(orjson.dumps(result.data)), [e.message for e in result.errors or ()]
