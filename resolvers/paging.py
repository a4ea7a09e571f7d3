"""Pages of lists: the arguments of a connection, the page that comes back, and its cursors.

A cursor is opaque to clients: a version, a digest of the list that it belongs to (its order, filter
and parent), and the sort key of its row. It names a position, not a row: it stays good when the row
is gone, and rows that came since do not shift it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import orjson

from db.keyset import Keyset
from resolvers.asking import Ask
from resolvers.errors import ApiError, BadUserInputError

T = TypeVar("T")
P = TypeVar("P", bound=Hashable)

# The page size where neither `first` nor `last` is given.
DEFAULT_PAGE_SIZE = 50

_VERSION = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SortKey = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class PageArgs:
    """The four arguments of a connection, as the client gave them."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Checked page arguments: how many rows, from which end, between which sort keys."""

    size: int
    backward: bool
    after: SortKey | None
    before: SortKey | None


@dataclass(frozen=True, slots=True)
class Ordering(Generic[T]):
    """The total order of one list: its name, the types of its sort key, and a row's own.

    Attributes:
        name: Distinguishes this list's cursors from those of other lists.
        types: The types of the values in the sort key: datetime, str or UUID.
        key: Reads the sort key of a row.
    """

    name: str
    types: tuple[type, ...]
    key: Callable[[T], SortKey]


class Place(Generic[T]):
    """Where rows stand in one list; tells the cursor of each, when it is asked for."""

    __slots__ = ("_digest", "_of", "_ordering")

    def __init__(self, ordering: Ordering[T], of: object) -> None:
        self._ordering = ordering
        self._of = of
        self._digest: str | None = None

    def cursor(self, row: T) -> str:
        """Return the cursor of a row of the list."""
        if self._digest is None:
            self._digest = digest_of(self._ordering, self._of)
        return _encode(self._ordering.key(row), self._digest)


class PageEdge(NamedTuple, Generic[T]):
    """A row and its position in the list."""

    node: T
    place: Place[T]

    @property
    def cursor(self) -> str:
        """The position, for `after` and `before`."""
        return self.place.cursor(self.node)


class Page(NamedTuple, Generic[T]):
    """A slice of a list in list order, whatever the direction in which it was read.

    Most pages of a nested query are asked for their nodes alone, so the rest is made on demand.

    Attributes:
        nodes: The rows.
        has_next_page: Whether more follow; told when reading forward.
        has_previous_page: Whether more come before; told when reading backward.
        place: Tells the rows' cursors.
        parent: What the list belongs to: a parent's key, or a filter.
        count_of: How to learn the length of the list of a parent.
    """

    nodes: Sequence[T]
    has_next_page: bool
    has_previous_page: bool
    place: Place[T]
    parent: Any
    count_of: Callable[[Any], Ask]

    @property
    def counting(self) -> Ask:
        """How to learn the length of the whole list."""
        return self.count_of(self.parent)

    @property
    def edges(self) -> list[PageEdge[T]]:
        """The rows with their cursors."""
        return [PageEdge(row, self.place) for row in self.nodes]

    @property
    def page_info(self) -> Page[T]:
        """What Relay asks of a page, which the page itself tells."""
        return self

    @property
    def start_cursor(self) -> str | None:
        """The cursor of the first row."""
        return self.place.cursor(self.nodes[0]) if self.nodes else None

    @property
    def end_cursor(self) -> str | None:
        """The cursor of the last row."""
        return self.place.cursor(self.nodes[-1]) if self.nodes else None


def window(args: PageArgs, ordering: Ordering[Any], of: object, max_size: int) -> Window:
    """Check the arguments of a connection.

    Args:
        args: As the client gave them.
        ordering: The order of the list.
        of: What the list is of (filter, parent): a cursor of another is refused. Its `repr` counts.
        max_size: The largest page allowed.

    Raises:
        BadUserInputError: A size is out of range, both are given, or a cursor is not of this list.
    """
    for name, value in (("first", args.first), ("last", args.last)):
        if value is not None and not 0 <= value <= max_size:
            raise BadUserInputError(
                f"`{name}` must be between 0 and {max_size} (AIBRIDGE_MAX_PAGE_SIZE), not {value}."
            )
    if args.first is not None and args.last is not None:
        raise BadUserInputError("Give `first` or `last`, not both.")
    backward = args.last is not None
    size = args.last if backward else args.first
    return Window(
        size=min(DEFAULT_PAGE_SIZE, max_size) if size is None else size,
        backward=backward,
        after=_decode(args.after, "after", ordering, of),
        before=_decode(args.before, "before", ordering, of),
    )


def keyset_of(window: Window) -> Keyset:
    """Return the window as queries take it: one row more, which says whether there is more."""
    return Keyset(window.size + 1, window.backward, window.after, window.before)


def page_of(
    rows: Sequence[T],
    window: Window,
    ordering: Ordering[T],
    of: P,
    count_of: Callable[[P], Ask],
) -> Page[T]:
    """Make a page of what a query returned.

    Args:
        rows: At most `window.size + 1` rows, in the direction of reading: the one too many says
            that there is more.
        window: The window that was read.
        ordering: The order of the list.
        of: What the list is of, as for `window`.
        count_of: How to learn the length of the whole list of that.
    """
    more = len(rows) > window.size
    nodes = list(rows[: window.size])
    place = Place(ordering, of)
    if window.backward:
        nodes.reverse()
        return Page(nodes, False, more, place, of, count_of)
    return Page(nodes, more, False, place, of, count_of)


async def pages_of(
    parents: Sequence[P],
    args: PageArgs,
    max_size: int,
    ordering: Ordering[T],
    fetch: Callable[[Sequence[P], Keyset], Awaitable[Mapping[P, Sequence[T]]]],
    count_of: Callable[[P], Ask],
) -> list[Page[T] | ApiError]:
    """Return the same page of each parent's list; an error for each whose arguments are wrong.

    A cursor belongs to the list of one parent: for the others it is an error, theirs alone.

    Args:
        parents: The keys of the parents.
        args: The arguments of the connection, which all parents share.
        max_size: The largest page allowed.
        ordering: The order of each list.
        fetch: Returns that window of the list of each of these parents, by parent.
        count_of: How to learn the length of a parent's whole list.
    """
    windows = _windows(parents, args, max_size, ordering)
    good = [
        parent for parent, view in zip(parents, windows, strict=True) if isinstance(view, Window)
    ]
    # Equal arguments make equal windows, so one statement serves all parents.
    shared = next((view for view in windows if isinstance(view, Window)), None)
    found = {} if shared is None else await fetch(good, keyset_of(shared))
    return [
        page_of(found.get(parent, ()), view, ordering, parent, count_of)
        if isinstance(view, Window)
        else view
        for parent, view in zip(parents, windows, strict=True)
    ]


def _windows(
    parents: Sequence[Hashable], args: PageArgs, max_size: int, ordering: Ordering[Any]
) -> list[Window | BadUserInputError]:
    if args.after is None and args.before is None:
        return [_window(args, ordering, None, max_size)] * len(parents)
    return [_window(args, ordering, parent, max_size) for parent in parents]


def _window(
    args: PageArgs, ordering: Ordering[Any], of: object, max_size: int
) -> Window | BadUserInputError:
    try:
        return window(args, ordering, of, max_size)
    except BadUserInputError as error:
        return error


def digest_of(ordering: Ordering[Any], of: object) -> str:
    """Return a short text that is the same for the same list, over restarts and replicas."""
    text = f"{ordering.name}\n{of!r}"
    return base64.urlsafe_b64encode(hashlib.blake2b(text.encode(), digest_size=6).digest()).decode()


def _encode(key: SortKey, digest: str) -> str:
    values = [_plain(value) for value in key]
    return base64.urlsafe_b64encode(orjson.dumps([_VERSION, digest, *values])).decode().rstrip("=")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        delta = value - _EPOCH
        return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
    return str(value)


def _decode(cursor: str | None, name: str, ordering: Ordering[Any], of: object) -> SortKey | None:
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        version, digest, *values = orjson.loads(raw)
        if version == _VERSION and digest == digest_of(ordering, of):
            return tuple(_typed(v, t) for v, t in zip(values, ordering.types, strict=True))
    except (ValueError, TypeError, OverflowError):
        version = None
    if version == _VERSION:
        raise BadUserInputError(
            f"`{name}` is a cursor of another list: order, filter and parent must be those of the "
            "list that gave it."
        )
    raise BadUserInputError(
        f"`{name}` is not a cursor: use an edge's `cursor`, or `pageInfo`'s, unchanged."
    )


def _typed(value: object, kind: type) -> object:
    if kind is datetime:
        if type(value) is not int:
            raise TypeError(value)
        return datetime.fromtimestamp(value // 1_000_000, UTC).replace(
            microsecond=value % 1_000_000
        )
    if not isinstance(value, str) or "\0" in value:
        raise TypeError(value)
    return UUID(value) if kind is UUID else value
