"""Lists that a batch writes as JSON: when it is asked to, and what comes of its answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import isawaitable
from typing import Any, NamedTuple

import orjson
import pytest
from graphql import build_schema, parse, validate

from engine import EXTENSION, Engine, Limits, Lookup, Read, Request
from engine.spec import Column

SCHEMA = build_schema(
    """
    type Query { shelf: Shelf!, broken: String }
    type Shelf { name: String!, books: [Book!]!, newest: Book }
    type Book { id: ID!, title: String!, pages: [Int!]!, shelf: Shelf! }
    """
)


class Shelf(NamedTuple):
    key: int = 1
    name: str = "A"


class Book(NamedTuple):
    key: int
    title: Any
    shelf_key: int = 1
    pages: tuple[int, ...] = (1, 2)


BOOKS = [Book(1, "One"), Book(2, 'Two "2"')]


class Asked:
    """The context: notes how books were asked for; `tells` says whether JSON can be written."""

    def __init__(self, *, tells: Callable[[Sequence[Any]], bool] = lambda _keys: True) -> None:
        self.calls: list[str] = []
        self.columns: tuple[Column, ...] = ()
        self.tells = tells
        self.books = BOOKS


async def shelves(_context: Asked, keys: Sequence[Any], _args: None) -> list[Shelf]:
    return [Shelf(key) for key in keys]


async def rows(context: Asked, keys: Sequence[Any], _args: None) -> list[list[Book]]:
    context.calls.append("rows")
    return [context.books for _ in keys]


async def as_json(
    context: Asked, keys: Sequence[Any], _args: None, columns: tuple[Column, ...]
) -> list[str] | None:
    context.calls.append("json")
    context.columns = columns
    if not context.tells(keys):
        return None
    values: dict[str, Callable[[Book], Any]] = {
        "global": lambda book: str(book.key),
        "title": lambda book: book.title,
    }
    objects = [
        {c.key: c.name if c.is_type else values[c.name](book) for c in columns}
        for book in context.books
    ]
    return [orjson.dumps(objects).decode() for _ in keys]


def _broken(_row: None) -> str:
    raise ValueError("broken")


def _spec(type_name: str, field: str, spec: Read | Lookup) -> None:
    type_: Any = SCHEMA.type_map[type_name]
    type_.fields[field].extensions = {EXTENSION: spec}


_spec("Query", "shelf", Lookup(ask=lambda _row, _arguments: Ask()))
_spec("Query", "broken", Read(get=_broken))
_spec("Shelf", "name", Read(attribute="name"))
_spec("Shelf", "books", Lookup(batch=rows, key="key", json=as_json))
_spec("Shelf", "newest", Lookup(batch=rows, key="key", then="newest"))
_spec("Book", "id", Read(get=lambda book: str(book.key), of=("key",), name="global"))
_spec("Book", "title", Read(attribute="title"))
_spec("Book", "pages", Read(get=lambda book: list(book.pages), of=("pages",)))
_spec("Book", "shelf", Lookup(batch=shelves, key="shelf_key"))


class Ask(NamedTuple):
    batch: Any = shelves
    key: int = 1
    args: None = None
    then: None = None


ENGINE = Engine(SCHEMA, type_of=lambda row: type(row).__name__)


async def ask(query: str, context: Asked, engine: Engine = ENGINE) -> tuple[Any, list[str]]:
    document = parse(query)
    assert not validate(SCHEMA, document)
    result = engine.execute(Request(document), context)
    result = await result if isawaitable(result) else result
    return orjson.loads(orjson.dumps(result.data)), [e.message for e in result.errors or ()]


async def test_what_is_columns_only_is_asked_for_as_json_with_the_names_of_the_response() -> None:
    context = Asked()
    data, errors = await ask("{ shelf { books { t: __typename id name: title } } }", context)
    assert not errors
    assert context.calls == ["json"]
    assert context.columns == (
        Column("t", "Book", is_type=True),
        Column("id", "global"),
        Column("name", "title"),
    )
    assert data["shelf"]["books"] == [
        {"t": "Book", "id": "1", "name": "One"},
        {"t": "Book", "id": "2", "name": 'Two "2"'},
    ]


@pytest.mark.parametrize(
    "selection", ["id pages", "id shelf { name }", "pages", "shelf { books { id } }"]
)
async def test_what_is_more_than_columns_is_asked_for_as_rows(selection: str) -> None:
    context = Asked()
    _, errors = await ask(f"{{ shelf {{ books {{ {selection} }} }} }}", context)
    assert not errors
    assert context.calls[0] == "rows"


async def test_several_fields_that_want_the_same_share_its_rows() -> None:
    context = Asked()
    data, _ = await ask("{ shelf { a: books { id } b: books { title } } }", context)
    assert context.calls == ["rows"]
    assert data["shelf"] == {
        "a": [{"id": "1"}, {"id": "2"}],
        "b": [{"title": "One"}, {"title": 'Two "2"'}],
    }


async def test_where_json_can_not_be_told_rows_are_fetched_and_have_their_errors() -> None:
    context = Asked(tells=lambda _keys: False)
    context.books = [Book(1, None)]
    data, errors = await ask("{ shelf { books { title } } }", context)
    assert context.calls == ["json", "rows"]
    assert data is None
    assert errors == ["Cannot return null for non-nullable field Book.title."]


async def test_json_stands_beside_an_error_elsewhere() -> None:
    data, errors = await ask("{ broken shelf { name books { id } } }", Asked())
    assert errors == ["broken"]
    assert data == {"broken": None, "shelf": {"name": "A", "books": [{"id": "1"}, {"id": "2"}]}}


def test_a_look_up_by_json_must_be_static() -> None:
    with pytest.raises(ValueError, match="A look-up by JSON"):
        Lookup(batch=rows, key="key", then="newest", json=as_json)
    with pytest.raises(ValueError, match="A look-up by JSON"):
        Lookup(ask=lambda _row, _arguments: None, json=as_json)


async def test_lists_of_which_some_could_not_be_told_are_complete_all_the_same() -> None:
    """The keys of one look-up may take several calls, and only one of them may need rows."""
    several = build_schema("""type Query { shelves: [Shelf!]! } type Shelf { books: [Book!]! }
    type Book { title: String! }""")
    specs: dict[tuple[str, str], Read | Lookup] = {
        ("Query", "shelves"): Read(get=lambda _row: [Shelf(1), Shelf(2), Shelf(3)]),
        ("Shelf", "books"): Lookup(batch=rows, key="key", json=as_json),
        ("Book", "title"): Read(attribute="title"),
    }
    for (name, field), spec in specs.items():
        type_: Any = several.type_map[name]
        type_.fields[field].extensions = {EXTENSION: spec}
    engine = Engine(several, type_of=lambda row: type(row).__name__, limits=Limits(keys=1))
    context = Asked(tells=lambda keys: 2 not in keys)
    result = engine.execute(Request(parse("{ shelves { books { title } } }")), context)
    result = await result if isawaitable(result) else result
    assert result.errors is None
    assert context.calls == ["json", "json", "rows", "json"]
    titles = [{"title": "One"}, {"title": 'Two "2"'}]
    assert orjson.loads(orjson.dumps(result.data)) == {"shelves": [{"books": titles}] * 3}
