"""Asks: one look-up that a field wants made, in a form that many of them become one statement.

A *batch* is a function from many keys (and arguments that all of them share) to one result a key,
in the order of the keys. A result may be an exception: then that key fails and the others do not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from aiodataloader import DataLoader

if TYPE_CHECKING:
    from resolvers.context import Context

# (context, keys, arguments) -> one result a key, in their order.
Batch: TypeAlias = Callable[["Context", Sequence[Any], Any], Awaitable[Sequence[Any]]]

# Page sizes multiply over the levels of a query; this bounds the keys of one statement.
_MAX_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Ask:
    """A look-up to be made: asks of one batch with equal arguments are made together.

    Attributes:
        batch: The function that makes it.
        key: What is looked up; hashable.
        args: What all keys share, page arguments for instance; hashable.
        then: The attribute of the result that is wanted; None for the result itself.
    """

    batch: Batch
    key: Hashable
    args: Hashable = None
    then: str | None = None


class Loaders:
    """The data loaders of one operation: one for each batch and arguments, made on first use."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._loaders: dict[tuple[Batch, Hashable], DataLoader[Any, Any]] = {}

    async def load(self, ask: Ask) -> Any:
        """Make the look-up, together with all others of its batch that are asked for by now."""
        name = (ask.batch, ask.args)
        loader = self._loaders.get(name)
        if loader is None:
            loader = self._loaders[name] = DataLoader(
                partial(self._run, ask.batch, ask.args), max_batch_size=_MAX_KEYS
            )
        result = await loader.load(ask.key)
        if ask.then is None or result is None:
            return result
        return getattr(result, ask.then)

    async def _run(self, batch: Batch, args: Any, keys: Sequence[Any]) -> list[Any]:
        return list(await batch(self._context, keys, args))
