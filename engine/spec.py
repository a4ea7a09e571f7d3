"""Specs: how the value of a field comes about, stated once beside its type.

A spec stands in the field's `extensions` under the name "engine". There are two kinds (and `TOLD`,
which object types have there):

- a *read* is a pure function of the parent row, most often one of its attributes;
- a *look-up* names a *batch*, a function from many keys to one result a key, and the key of a row.
  All rows of a level are looked up by one call of the batch.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

from graphql import GraphQLField

# The name under which a spec stands in the `extensions` of a field.
EXTENSION = "engine"

# (context, keys, arguments) -> one result a key, in their order. A result that is an exception
# fails the fields that wanted it, and no other.
Batch: TypeAlias = Callable[[Any, Sequence[Any], Any], Awaitable[Sequence[Any]]]


# The spec of object types whose rows may tell all of themselves, and the attribute of those rows
# that holds it then: all that is selected of the row, as JSON (`Plan.tells`).
TOLD = "told"


class Column(NamedTuple):
    """A field of an object that is to be written as JSON.

    Attributes:
        key: The response name.
        name: What is read, by the name of its spec, or what its row carries, by that attribute; the
            name of the object type where that is what is asked for (`__typename`).
        is_type: Whether it is.
        is_alias: Whether the client chose the response name.
        below: What is read of the object, or of each object of the list, that it holds; none where
            it holds what a row carries that is no object; None for a leaf.
    """

    key: str
    name: str
    is_type: bool = False
    is_alias: bool = False
    below: tuple[Column, ...] | None = None


class Ask(Protocol):
    """One look-up to be made: asks of one batch with equal `args` are made by one call of it."""

    @property
    def batch(self) -> Batch:
        """The function that makes it."""
        ...

    @property
    def key(self) -> Hashable:
        """What is looked up."""
        ...

    @property
    def args(self) -> Hashable:
        """What all keys of a call share; None where there is nothing."""
        ...

    @property
    def then(self) -> str | None:
        """The attribute of the result that is wanted; None for the result itself."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """The value is a pure function of the parent row. Give one of the two.

    Attributes:
        attribute: The attribute of the row that holds it.
        get: Derives it from the row. What it raises is the error of the field.
        of: The attributes that `get` looks at; None where it may look at any.
        name: By which those who write JSON know it: the attribute, or what is given with `get`;
            None where they don't.
    """

    attribute: str | None = None
    get: Callable[[Any], Any] | None = None
    of: tuple[str, ...] | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if (self.attribute is None) == (self.get is None):
            raise ValueError("A read is of an attribute, or by a function: give one of them.")
        if self.name is None:
            object.__setattr__(self, "name", self.attribute)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """The value comes from a batch that all rows of a level share: `ask`, or `batch` and `key`.

    Attributes:
        ask: Makes the ask of one row from the row and the field's arguments. None, or an ask with
            the key None, makes the field null; what it raises is the error of the field of this
            row. A root field has the row None.
        batch: The function that makes the look-up, where it is the same for all rows.
        key: The attribute of the row that holds its key; where that is None, the field is null.
        then: The attribute of the result that is wanted; None for the result itself.
        arguments: Makes of the field's coerced arguments what `ask` takes, or the `args` of the
            batch: once for a selection and not once for a row. Without it `ask` takes them as they
            are, and the `args` of a static look-up are None.
        carried: The attribute of the row that holds the same as JSON, if who fetched the row was
            asked for it and could tell (`Plan.carries`); else it is None, or missing.
    """

    ask: Callable[[Any, Any], Ask | None] | None = None
    batch: Batch | None = None
    key: str | None = None
    then: str | None = None
    arguments: Callable[[Mapping[str, Any]], Any] | None = None
    carried: str | None = None

    def __post_init__(self) -> None:
        static = self.batch is not None and self.key is not None
        if self.carried is not None and self.arguments is not None:
            raise ValueError("A look-up that rows carry the outcome of has no arguments.")
        if (self.ask is None) != static or (self.ask is not None and self.then is not None):
            raise ValueError("A look-up is by `ask`, or by `batch` and `key`: give one of them.")


Spec: TypeAlias = Read | Lookup


@dataclass(frozen=True, slots=True)
class StaticAsk:
    """The ask of a row whose look-up is the same for all rows."""

    batch: Batch
    key: Hashable
    args: Hashable
    then: str | None


def ask_of(spec: Lookup, row: Any, arguments: Any) -> Ask | None:
    """Return what the row asks for; None where the field is null.

    Args:
        spec: The look-up.
        row: The parent row.
        arguments: What `spec.arguments` made of the field's arguments.

    Raises:
        Exception: The error of the field.
    """
    if spec.ask is not None:
        ask: Ask | None = spec.ask(row, arguments)
    else:
        assert spec.batch is not None
        assert spec.key is not None
        ask = StaticAsk(spec.batch, getattr(row, spec.key), arguments, spec.then)
    return None if ask is None or ask.key is None else ask


def attributes_of(spec: Spec) -> tuple[str, ...] | None:
    """Return which attributes of the row the spec looks at; None where it may look at any."""
    if isinstance(spec, Lookup):
        return None if spec.key is None else (spec.key,)
    return spec.of if spec.attribute is None else (spec.attribute,)


def spec_of(field: GraphQLField) -> Spec | None:
    """Return how the value of the field comes about; None where it does not say."""
    spec = (field.extensions or {}).get(EXTENSION)
    return spec if isinstance(spec, Read | Lookup) else None


def read(spec: Read, row: Any) -> Any:
    """Return what the read says of the row."""
    if spec.get is not None:
        return spec.get(row)
    assert spec.attribute is not None
    return getattr(row, spec.attribute)


def attempt(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what the function returns, or the exception that it raises."""
    try:
        return function(*arguments)
    except Exception as error:  # noqa: BLE001
        return error
