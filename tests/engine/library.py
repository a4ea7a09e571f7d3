"""A small graph to execute over: authors and books, some of them with faults.

Every kind of field is here: reads and look-ups, static and by ask, lists of lists, an interface, a
union, pages, scalars of our own. `Library(fault)` asks `fault` for each value that it gives out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest
from graphql import GraphQLError, GraphQLScalarType, GraphQLSchema, build_schema

from engine import EXTENSION, Inline, Lookup, Read
from engine.reference import set_resolvers
from engine.spec import Ask, StaticAsk

SDL = """
scalar DateTime
scalar JSON
enum Genre { NOVEL ESSAY }
interface Node { id: ID! }
union Thing = Author | Book
input Period { after: Int! = 1900, before: Int }

type Query {
  node(id: ID!): Node
  nodes(ids: [ID!]!): [Node]!
  authors(first: Int = 3, period: Period): [Author!]!
  author(id: ID!): Author!
  books(genre: Genre, first: Int): BookPage
  things(text: String): [Thing]
  version: String!
  motto: String
  library: Library!
}
type Library { name: String!, newest: Book, shelves: [[Book!]!], address: Address! }
type Address { street: String, newest: Book! }
type Author implements Node {
  id: ID!
  name: String!
  born: DateTime
  height: Float
  age: Int!
  alive: Boolean!
  notes: JSON
  nicknames: [String!]
  books(first: Int): [Book!]!
  best: Book
  rival: Author
  rivals: [Author]
  bookCount: Int!
  summary: Summary!
}
type Summary { words: Int!, genre: Genre, longest: Book, author: Author! }
type Book implements Node {
  id: ID!
  title: String!
  genre: Genre!
  genres: [Genre]
  grid: [[Int]!]
  author: Author!
  sequel: Book
  published: DateTime!
  readers(from: Int): [Author]
}
type BookPage { nodes: [Book!]!, edges: [BookEdge!]!, count: Int!, more: Boolean! }
type BookEdge { cursor: String!, node: Book! }
"""


class Genre(Enum):
    NOVEL = "novel"
    ESSAY = "essay"


@dataclass(frozen=True, slots=True)
class Author:
    key: Any
    id: Any
    name: Any
    born: Any
    height: Any
    age: Any
    alive: Any
    notes: Any
    nicknames: Any
    best_key: Any


@dataclass(frozen=True, slots=True)
class Book:
    key: Any
    id: Any
    title: Any
    genre: Any
    genres: Any
    grid: Any
    author_key: Any
    sequel_key: Any
    published: Any


@dataclass(frozen=True, slots=True)
class Summary:
    words: Any
    genre: Any
    longest_key: Any
    author_key: Any


@dataclass(frozen=True, slots=True)
class Edge:
    cursor: Any
    node: Any


@dataclass(frozen=True, slots=True)
class Page:
    nodes: Any
    edges: Any
    more: Any
    count: Any


@dataclass(frozen=True, slots=True)
class Address:
    street: Any
    newest_key: Any


@dataclass(frozen=True, slots=True)
class Place:
    name: Any
    shelves: Any
    newest_key: Any
    address: Any


AUTHORS, BOOKS = 5, 12


def _sound(_place: str, value: Any) -> Any:
    return value


@dataclass
class Library:
    """The batches, and what they were called with.

    Attributes:
        fault: (place, value) -> the value, or what shall stand in its place.
        calls: The name of each batch that was called, with its keys.
    """

    fault: Callable[[str, Any], Any] = _sound
    calls: list[tuple[str, list[Any]]] = field(default_factory=list)

    def author(self, key: int) -> Any:
        def f(name: str, value: Any) -> Any:
            # A fault may have made the key a truth value, which is the same key.
            return self.fault(f"Author.{name}.{int(key)}", value)

        born = None if key == 1 else datetime(1900 + key, 1, 2, 3, 4, 5, 1000 * key, UTC)
        row = Author(
            key=key,
            id=f("id", f"a{key}"),
            name=f("name", f'Näme {key} "q"'),
            born=f("born", born),
            height=f("height", 1.5 + key),
            age=f("age", 10 * key),
            alive=f("alive", key % 2 == 0),
            notes=f("notes", {"n": [key, None], "s": "x"}),
            nicknames=f("nicknames", None if key == 2 else [f("nick", "A"), "B"][: key % 3]),
            best_key=f("best_key", key * 2 if key * 2 < BOOKS else None),
        )
        return f("row", row)

    def book(self, key: int) -> Any:
        def f(name: str, value: Any) -> Any:
            return self.fault(f"Book.{name}.{int(key)}", value)

        row = Book(
            key=key,
            id=f("id", f"b{key}"),
            title=f("title", f"Title {key}"),
            genre=f("genre", Genre.NOVEL if key % 2 else Genre.ESSAY),
            genres=f("genres", [Genre.NOVEL, f("genre_item", None), Genre.ESSAY]),
            grid=f("grid", [[1, f("cell", key)], [], [None]]),
            author_key=f("author_key", key % AUTHORS),
            sequel_key=f("sequel_key", key + 1 if key + 1 < BOOKS else None),
            published=f("published", datetime(2000, 1, 1 + key, tzinfo=UTC)),
        )
        return f("row", row)

    def note(self, name: str, keys: Sequence[Any]) -> None:
        self.calls.append((name, list(keys)))


# Batches. Their context is the library.


async def authors_by_key(library: Library, keys: Sequence[int], _args: Any) -> Sequence[Any]:
    library.note("authors_by_key", keys)
    return [library.author(key) if key in range(AUTHORS) else None for key in keys]


async def books_by_key(library: Library, keys: Sequence[int], _args: Any) -> Sequence[Any]:
    library.note("books_by_key", keys)
    return [library.book(key) if key in range(BOOKS) else None for key in keys]


async def books_of_author(library: Library, keys: Sequence[int], first: Any) -> Sequence[Any]:
    library.note("books_of_author", keys)
    return [
        library.fault(
            f"books_of_author.{key}",
            [library.book(k) for k in range(BOOKS) if k % AUTHORS == key][:first],
        )
        for key in keys
    ]


async def rivals_of_author(library: Library, keys: Sequence[int], _args: Any) -> Sequence[Any]:
    library.note("rivals_of_author", keys)
    return [
        library.fault(
            f"rivals_of_author.{key}",
            tuple(library.fault(f"rival.{k}", library.author(k)) for k in (key, key - 1) if k > 0),
        )
        for key in keys
    ]


async def summary_of_author(library: Library, keys: Sequence[int], _args: Any) -> Sequence[Any]:
    library.note("summary_of_author", keys)
    return [Stats(library.fault(f"Stats.words.{key}", key * 1000), key) for key in keys]


@dataclass(frozen=True, slots=True)
class Stats:
    words: Any
    key: int

    @property
    def summary(self) -> Summary:
        if self.words is Ellipsis:
            raise RuntimeError("no summary")
        return Summary(self.words, Genre.ESSAY if self.key else None, self.key + 3, self.key)


async def page_of_books(library: Library, keys: Sequence[Any], _args: Any) -> Sequence[Any]:
    library.note("page_of_books", keys)
    pages = []
    for genre, first in keys:
        books = [library.book(k) for k in range(BOOKS)]
        books = [b for b in books if genre is None or getattr(b, "genre", genre) == genre][:first]
        edges = [library.fault(f"Edge.{i}", Edge(f"c{i}", book)) for i, book in enumerate(books)]
        count = StaticAsk(count_books, genre, None, None)
        pages.append(library.fault("Page", Page(books, edges, len(books) > 1, count)))
    return pages


async def count_books(library: Library, keys: Sequence[Any], _args: Any) -> Sequence[Any]:
    library.note("count_books", keys)
    return [library.fault(f"count_books.{key}", 7) for key in keys]


async def nodes_by_id(library: Library, keys: Sequence[str], _args: Any) -> Sequence[Any]:
    library.note("nodes_by_id", keys)
    return [library.fault(f"node.{key}", _node(library, key)) for key in keys]


def _node(library: Library, key: str) -> Any:
    number = sum(map(ord, key)) % 19
    if number < AUTHORS:
        return library.author(number)
    return library.book(number - AUTHORS) if number - AUTHORS < BOOKS else None


async def lists_of_nodes(library: Library, keys: Sequence[Any], _args: Any) -> Sequence[Any]:
    library.note("lists_of_nodes", keys)
    return [[library.fault(f"listed.{k}", _node(library, k)) for k in key] for key in keys]


async def authors_of_period(library: Library, keys: Sequence[Any], _args: Any) -> Sequence[Any]:
    library.note("authors_of_period", keys)
    return [
        library.fault("authors_of_period", [library.author(k) for k in range(AUTHORS)][:first])
        for first, _after in keys
    ]


async def places(library: Library, keys: Sequence[Any], _args: Any) -> Sequence[Any]:
    library.note("places", keys)
    shelves = [[library.book(1), library.book(2)], library.fault("shelf", []), [library.book(3)]]
    address = library.fault("address", Address(library.fault("street", "Main"), 4))
    return [Place(library.fault("place", "Here"), library.fault("shelves", shelves), 11, address)]


def type_of(row: Any) -> str | None:
    return {Author: "Author", Book: "Book", Place: "Library", Page: "Nothing"}.get(type(row))


# Specs


def _ask_authors(_row: Any, arguments: Any) -> Ask:
    period = arguments.get("period") or {}
    if period.get("before") == 0:
        raise GraphQLError("before what?")
    return StaticAsk(authors_of_period, (arguments.get("first"), period.get("after")), None, None)


def _ask_things(_row: Any, arguments: Any) -> Ask | None:
    text = arguments.get("text")
    return None if text is None else StaticAsk(lists_of_nodes, tuple(text), None, None)


def _ask_books(_row: Any, arguments: Any) -> Ask:
    first = arguments.get("first")
    if first is not None and first < 0:
        raise ValueError(f"first must not be {first}")
    return StaticAsk(page_of_books, (arguments.get("genre"), first), None, None)


def _ask_readers(row: Book, start: int | None) -> Ask | None:
    if start is not None and row.key == start:
        return None
    if start is not None and row.key < start:
        raise LookupError(f"{row.key} has no readers")
    return StaticAsk(rivals_of_author, row.key % AUTHORS, None, None)


def _first(arguments: Any) -> Any:
    first = arguments.get("first")
    if first is not None and first < 0:
        raise ValueError(f"first must not be {first}")
    return first


def _raising(row: Author) -> Any:
    if row.age == "raise":
        raise ZeroDivisionError("age")
    return row.age


SPECS: dict[str, Read | Lookup] = {
    "Query.node": Lookup(ask=lambda _, a: StaticAsk(nodes_by_id, a["id"], None, None)),
    "Query.nodes": Lookup(ask=lambda _, a: StaticAsk(lists_of_nodes, tuple(a["ids"]), None, None)),
    "Query.authors": Lookup(ask=_ask_authors),
    "Query.author": Lookup(
        ask=lambda _, a: StaticAsk(authors_by_key, len(a["id"]) % (AUTHORS + 1), None, None)
    ),
    "Query.books": Lookup(ask=_ask_books),
    "Query.things": Lookup(ask=_ask_things),
    "Query.version": Read(get=lambda _: "1.0"),
    "Query.motto": Read(get=lambda _: None),
    "Query.library": Lookup(ask=lambda _row, _: StaticAsk(places, 0, None, None)),
    "Library.newest": Lookup(batch=books_by_key, key="newest_key"),
    "Library.address": Read(attribute="address"),
    "Address.newest": Lookup(batch=books_by_key, key="newest_key"),
    "Author.age": Read(get=_raising),
    "Author.books": Lookup(batch=books_of_author, key="key", arguments=_first),
    "Author.best": Lookup(batch=books_by_key, key="best_key"),
    "Author.rival": Lookup(ask=lambda row, _: StaticAsk(authors_by_key, row.key - 1, None, None)),
    "Author.rivals": Lookup(batch=rivals_of_author, key="key"),
    "Author.bookCount": Lookup(batch=count_books, key="key"),
    "Author.summary": Lookup(batch=summary_of_author, key="key", then="summary"),
    "Summary.longest": Lookup(batch=books_by_key, key="longest_key"),
    "Summary.author": Lookup(batch=authors_by_key, key="author_key"),
    "Book.author": Lookup(batch=authors_by_key, key="author_key"),
    "Book.sequel": Lookup(batch=books_by_key, key="sequel_key"),
    "Book.readers": Lookup(ask=_ask_readers, arguments=lambda a: a.get("from")),
    "BookPage.count": Lookup(ask=lambda page, _: page.count),
}


def _iso(value: Any) -> str:
    if not isinstance(value, datetime):
        raise GraphQLError(f"not a time: {value!r}")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


SCALARS = {
    "DateTime": Inline(
        "type({v}) is datetime and {v}.tzinfo is UTC", names={"datetime": datetime, "UTC": UTC}
    ),
}


def make_schema() -> GraphQLSchema:
    """Return the schema with specs, and with the resolvers that follow from them."""
    schema = build_schema(SDL)
    date_time = schema.type_map["DateTime"]
    assert isinstance(date_time, GraphQLScalarType)
    date_time.serialize = date_time.coerce_output_value = _iso  # type: ignore[method-assign]
    genre: Any = schema.type_map["Genre"]
    for value in genre.values:
        genre.values[value].value = Genre[value]
    genre.__dict__.pop("_value_lookup", None)
    for name in (
        "Library",
        "Address",
        "Author",
        "Summary",
        "Book",
        "BookPage",
        "BookEdge",
        "Query",
    ):
        type_: Any = schema.type_map[name]
        for field_name, definition in type_.fields.items():
            spec = SPECS.get(f"{name}.{field_name}") or Read(attribute=field_name)
            definition.extensions = {EXTENSION: spec}
    return set_resolvers(schema, load, type_of)


def load(library: Library, ask: Ask) -> Any:
    """Make a look-up at once: our batches wait for nothing. Keys are hashable, as for a loader."""
    hash(ask.key)
    coroutine: Any = ask.batch(library, [ask.key], ask.args)
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)
    (result,) = stop.value.value
    if isinstance(result, Exception) or result is None or ask.then is None:
        return result
    return getattr(result, ask.then)


SCHEMA = make_schema()
