"""How fields are declared: where a value is found, stated once, for both executors.

A *read* takes an attribute of the row; a *look-up* asks a batch of `resolvers`; a *connection* is a
look-up of a page; a *root* is a function from arguments to the look-up that they mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Annotated, Any, TypeVar

import strawberry
from strawberry import UNSET

from engine.spec import EXTENSION, Lookup, Read, Spec
from resolvers.asking import Ask, Batch
from resolvers.paging import PageArgs
from schema.cost import CONNECTION, Cost, list_of, sizes_by

T = TypeVar("T")

First = Annotated[
    int | None,
    strawberry.argument(
        description=(
            "How many from the start, or behind `after`; 50 where neither `first` nor `last` is "
            "given. Not together with `last`."
        )
    ),
]
After = Annotated[
    str | None, strawberry.argument(description="Only what comes behind this edge's `cursor`.")
]
Last = Annotated[
    int | None,
    strawberry.argument(
        description="How many from the end, or in front of `before`. Not together with `first`."
    ),
]
Before = Annotated[
    str | None, strawberry.argument(description="Only what comes in front of this edge's `cursor`.")
]


def given(value: T | None) -> T | None:
    """Return an argument's value, None where it was left out."""
    return None if value is UNSET else value


def page_args(
    first: First = UNSET, after: After = UNSET, last: Last = UNSET, before: Before = UNSET
) -> PageArgs:
    """Return the arguments of a connection; they are checked where the list is known."""
    return PageArgs(given(first), given(after), given(last), given(before))


def read(attribute: str, description: str) -> Any:
    """Declare a field that is an attribute of the row."""
    return _field(Read(attribute=attribute), description)


def derived(
    get: Callable[[Any], Any], of: Sequence[str], description: str, name: str | None = None
) -> Any:
    """Declare a field that is a pure function of some attributes of the row, `of`.

    Who writes rows as JSON knows it by its name, where it has one.
    """
    return _field(Read(get=get, of=tuple(of), name=name), description)


def look_up(
    batch: Batch,
    key: str,
    description: str,
    then: str | None = None,
    *,
    size: int | None = None,
    carried: str | None = None,
) -> Any:
    """Declare a field that is looked up by an attribute of the row, `key`.

    Args:
        batch: The function of `resolvers` that makes the look-up.
        key: The attribute of the row that is looked up; where it is None, the field is null.
        description: For the person in GraphiQL.
        then: The attribute of the result that is wanted; without it the result itself.
        size: How many a list of objects usually holds; operations are judged by it beforehand.
        carried: The attribute of the row that may hold the same as JSON.
    """
    sizes = [] if size is None else [list_of(size)]
    spec = Lookup(batch=batch, key=key, then=then, carried=carried)
    return _field(spec, description, directives=sizes)


def asked(
    ask: Callable[[Any], Ask],
    description: str,
    *,
    weight: int | None = None,
    carried: str | None = None,
) -> Any:
    """Declare a field whose row brings its look-up along; `weight` is its cost where it has one.

    `carried` is as in `look_up`.
    """
    costs = [] if weight is None else [Cost(weight=str(weight))]
    spec = Lookup(ask=lambda row, _arguments: ask(row), carried=carried)
    return _field(spec, description, directives=costs)


def connection(batch: Batch, key: str, description: str) -> Any:
    """Declare a connection: a page of the list that belongs to an attribute of the row, `key`."""
    return _field(Lookup(batch=batch, key=key), description, page_args, [CONNECTION])


def root(ask: Callable[..., Ask], description: str) -> Any:
    """Declare a root field; the parameters of `ask` are its arguments."""
    sizes = sizes_by(signature(ask).parameters)
    return _field(Lookup(ask=lambda _root, made: made), description, ask, sizes)


def _field(
    spec: Spec,
    description: str,
    arguments: Callable[..., Any] | None = None,
    directives: Sequence[object] = (),
) -> Any:
    """Make Strawberry's field.

    Args:
        spec: Where the value is found.
        description: For the person in GraphiQL.
        arguments: Its parameters are the field's arguments; it makes of them what the spec takes.
        directives: What the SDL says of its cost.
    """
    options: dict[str, Any] = {
        "description": description,
        "metadata": {EXTENSION: spec},
        "directives": list(directives),
    }
    if arguments is None:
        return strawberry.field(**options)
    return strawberry.field(resolver=arguments, **options)
