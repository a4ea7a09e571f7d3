"""Look-ups of a level: what its rows want, sorted into groups that are fetched by one call each."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from operator import attrgetter
from typing import Any

from orjson import Fragment

from engine.plan import Field
from engine.spec import Batch, Lookup, ask_of, attempt


class Group:
    """The look-ups of one batch with equal arguments; a key is looked up once in an operation.

    Attributes:
        found: What was looked up so far, by key. The key None stands for null.
        missing: The keys that this level wants and that are not found yet, in order.
        failed: Whether one of the results is an exception.
    """

    __slots__ = ("args", "batch", "failed", "found", "missing")

    def __init__(self, batch: Batch, args: Hashable) -> None:
        self.batch = batch
        self.args = args
        self.found: dict[Any, Any] = {None: None}
        self.missing: dict[Any, None] = {}
        self.failed = False

    def want(self, keys: Sequence[Any]) -> None:
        """Note the keys that are not found yet.

        Raises:
            TypeError: A key is not hashable.
        """
        wanted = dict.fromkeys(keys)
        if self.missing or len(self.found) > 1:
            self.missing.update((key, None) for key in wanted if key not in self.found)
        else:
            wanted.pop(None, None)
            self.missing = wanted

    async def fetch(self, context: Any, max_keys: int) -> None:
        """Look up what is missing. An exception of the batch is the result of each of its keys."""
        missing, self.missing = list(self.missing), {}
        for start in range(0, len(missing), max_keys):
            keys = missing[start : start + max_keys]
            try:
                results = await self.batch(context, keys, self.args)
                self.found.update(zip(keys, results, strict=True))
            except Exception as error:  # noqa: BLE001
                results = [error]
                self.found.update(dict.fromkeys(keys, error))
            self.failed = self.failed or has_exception(results)


class Want:
    """What the rows of one field want of one group, and where it goes.

    Attributes:
        field: The field.
        group: The look-ups that it is among.
        keys: What is looked up for those rows.
    """

    __slots__ = ("_places", "_results", "_then", "field", "group", "keys")

    def __init__(self, field: Field, group: Group, then: str | None, results: list[Any]) -> None:
        self.field = field
        self.group = group
        self.keys: list[Any] = []
        self._places: list[int] = []
        self._then = then
        self._results = results

    def add(self, place: int, key: Any) -> None:
        """Want the key for the row at this place."""
        self.keys.append(key)
        self._places.append(place)

    @property
    def is_whole(self) -> bool:
        """Whether all rows of the field want something, and of this group."""
        return not self._places

    def settle(self) -> bool:
        """Hand out what was found; say whether some of it is an exception."""
        found = self.group.found
        values = [found[key] for key in self.keys]
        failed = self.group.failed
        if self._then is not None:
            values = _attributes(values, self._then, failed=failed)
            failed = failed or has_exception(values)
        if self._places:
            for place, value in zip(self._places, values, strict=True):
                self._results[place] = value
        else:
            self._results[:] = values
        return failed


class Lookups:
    """All look-ups of one operation.

    Attributes:
        failed: Whether the outcome of a row is an exception already, before anything is fetched.
    """

    def __init__(self) -> None:
        self._groups: dict[tuple[Batch, Hashable], Group] = {}
        self.failed = False

    def wants(
        self, field: Field, rows: Sequence[Any], arguments: Any
    ) -> tuple[list[Any], list[Want]]:
        """Sort what the rows want of a field into groups.

        Args:
            field: A field whose value is looked up.
            rows: The rows that it is a field of.
            arguments: What its spec made of its arguments, or the exception that this raised.

        Returns:
            The outcomes, one a row, still to be filled, and the wants that will fill them.
        """
        outcomes: list[Any] = [None] * len(rows)
        spec = field.spec
        assert isinstance(spec, Lookup)
        if isinstance(arguments, Exception):
            self.failed = True
            return [arguments] * len(rows), []
        if spec.batch is not None and spec.key is not None:
            try:
                group = self._group(spec.batch, arguments)
                want = Want(field, group, spec.then, outcomes)
                want.keys = list(map(attrgetter(spec.key), rows))
                want.group.want(want.keys)
            except Exception:  # noqa: BLE001
                # One row has no such attribute, or no hashable key: see to each of them.
                return outcomes, self._one_by_one(field, rows, arguments, outcomes)
            return outcomes, [want]
        return outcomes, self._one_by_one(field, rows, arguments, outcomes)

    def _one_by_one(
        self, field: Field, rows: Sequence[Any], arguments: Any, outcomes: list[Any]
    ) -> list[Want]:
        spec = field.spec
        assert isinstance(spec, Lookup)
        wants: dict[tuple[Group, str | None], Want] = {}
        for place, row in enumerate(rows):
            try:
                ask = ask_of(spec, row, arguments)
                if ask is None:
                    continue
                key = ask.key
                hash(key)
                name = self._group(ask.batch, ask.args), ask.then
            except Exception as error:  # noqa: BLE001
                outcomes[place] = error
                self.failed = True
                continue
            want = wants.get(name)
            if want is None:
                want = wants[name] = Want(field, *name, outcomes)
            want.add(place, key)
        for want in wants.values():
            want.group.want(want.keys)
        return list(wants.values())

    def _group(self, batch: Batch, args: Hashable) -> Group:
        name = (batch, args)
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = Group(batch, args)
        return group


def carried(field: Field, rows: Sequence[Any]) -> list[Any] | None:
    """Return the outcomes of a look-up that the rows carry; None where one of them does not."""
    if field.columns is None:
        return None
    assert isinstance(field.spec, Lookup)
    assert field.spec.carried is not None
    try:
        texts: list[Any] = list(map(attrgetter(field.spec.carried), rows))
    except AttributeError:
        return None
    return None if None in texts else list(map(Fragment, texts))


def has_exception(values: Sequence[Any]) -> bool:
    """Say whether one of the values is an exception; looks at each class once."""
    return any(issubclass(kind, Exception) for kind in set(map(type, values)))


def _attributes(values: list[Any], name: str, *, failed: bool) -> list[Any]:
    read = attrgetter(name)
    if not failed:
        try:
            return [None if value is None else read(value) for value in values]
        except Exception:  # noqa: BLE001, S110
            # One of them can't be read: see to each by itself.
            pass
    return [
        value if value is None or isinstance(value, Exception) else attempt(read, value)
        for value in values
    ]
