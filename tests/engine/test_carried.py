"""What rows carry as JSON: when they are asked to, and what comes of what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import isawaitable
from typing import Any, NamedTuple

import orjson
import pytest
from graphql import build_schema, parse

from engine import EXTENSION, Engine, Lookup, Plan, Read, Request, Trace
from engine.explain import explained, tree
from engine.spec import Column
from tests.engine.asking import Ask, answered, broken

SCHEMA = build_schema(
    """
    type Query { shelf: Shelf!, shelves: [Shelf!]!, broken: String }
    type Shelf { name: String!, books: [Book!]!, owner: Owner!, motto: String, newest: Book }
    type Book { id: ID!, title: String!, pages: [Int!]!, shelf: Shelf! }
    type Owner { name: String! }
    """
)


class Shelf(NamedTuple):
    key: int
    name: str = "A"
    books: str | None = None
    owner: str | None = None
    motto: str | None = None


class Book(NamedTuple):
    key: int
    title: Any
    shelf_key: int = 1
    pages: tuple[int, ...] = (1, 2)


class Owner(NamedTuple):
    name: str = "Ada"


BOOKS = [Book(1, "One"), Book(2, 'Two "2"')]


class Told:
    """The context: notes which look-ups are made; `silent` are the shelves that carry nothing."""

    def __init__(self, *silent: int) -> None:
        self.calls: list[str] = []
        self.silent = silent
        self.books = BOOKS
        self.carries: Mapping[str, Mapping[str, tuple[Column, ...]]] = {}

    def shelf(self, key: int) -> Shelf:
        asked = {} if key in self.silent else self.carries.get("Shelf", {})
        told: dict[str, Any] = {name: self._told(name, asked[name]) for name in asked}
        return Shelf(key, **told)

    def _told(self, name: str, columns: tuple[Column, ...]) -> str:
        if name == "motto":
            return "null"
        rows: list[Any] = self.books if name == "books" else [Owner()]
        objects = [{column.key: _value(row, column) for column in columns} for row in rows]
        return orjson.dumps(objects if name == "books" else objects[0]).decode()


def _value(row: Any, column: Column) -> Any:
    if column.is_type:
        return column.name
    return str(row.key) if column.name == "global" else getattr(row, column.name)


async def shelves(context: Told, keys: Sequence[Any], _args: None) -> list[Shelf]:
    return [context.shelf(key) for key in keys]


async def all_shelves(context: Told, keys: Sequence[Any], _args: None) -> list[list[Shelf]]:
    return [[context.shelf(key) for key in (1, 2, 3)] for _ in keys]


async def books(context: Told, keys: Sequence[Any], _args: None) -> list[list[Book]]:
    context.calls.append("books")
    return [context.books for _ in keys]


async def owners(context: Told, keys: Sequence[Any], _args: None) -> list[Owner]:
    context.calls.append("owners")
    return [Owner() for _ in keys]


async def mottos(context: Told, keys: Sequence[Any], _args: None) -> list[str]:
    context.calls.append("mottos")
    return ["looked up" for _ in keys]


SPECS: dict[tuple[str, str], Read | Lookup] = {
    ("Query", "shelf"): Lookup(ask=lambda _row, _arguments: Ask(shelves)),
    ("Query", "shelves"): Lookup(ask=lambda _row, _arguments: Ask(all_shelves)),
    ("Query", "broken"): Read(get=broken),
    ("Shelf", "name"): Read(attribute="name"),
    ("Shelf", "books"): Lookup(batch=books, key="key", carried="books"),
    ("Shelf", "owner"): Lookup(batch=owners, key="key", carried="owner"),
    ("Shelf", "motto"): Lookup(ask=lambda row, _arguments: Ask(mottos, row.key), carried="motto"),
    ("Shelf", "newest"): Lookup(batch=books, key="key", then="newest"),
    ("Book", "id"): Read(get=lambda book: str(book.key), of=("key",), name="global"),
    ("Book", "title"): Read(attribute="title"),
    ("Book", "pages"): Read(get=lambda book: list(book.pages), of=("pages",)),
    ("Book", "shelf"): Lookup(batch=shelves, key="shelf_key"),
    ("Owner", "name"): Read(attribute="name"),
}
for (name, field), spec in SPECS.items():
    type_: Any = SCHEMA.type_map[name]
    type_.fields[field].extensions = {EXTENSION: spec}


def _tell(context: Told, plan: Plan) -> None:
    context.carries = plan.carries


ENGINE = Engine(SCHEMA, type_of=lambda row: type(row).__name__, on_plan=_tell)


async def ask(query: str, context: Told, trace: Trace | None = None) -> tuple[Any, list[str]]:
    return await answered(ENGINE, query, context, trace)


async def test_a_list_of_which_columns_are_read_is_carried_with_the_names_of_the_response() -> None:
    context = Told()
    data, errors = await ask("{ shelf { books { t: __typename id name: title } } }", context)
    assert not errors
    assert not context.calls
    columns = (
        Column("t", "Book", is_type=True, is_alias=True),
        Column("id", "global"),
        Column("name", "title", is_alias=True),
    )
    assert context.carries == {"Shelf": {"books": columns}}
    assert data["shelf"]["books"] == [
        {"t": "Book", "id": "1", "name": "One"},
        {"t": "Book", "id": "2", "name": 'Two "2"'},
    ]


async def test_objects_and_leaves_are_carried_too_and_a_leaf_may_be_null() -> None:
    context = Told()
    data, errors = await ask("{ shelf { owner { is: name } words: motto } }", context)
    assert (errors, context.calls) == ([], [])
    assert context.carries == {
        "Shelf": {"owner": (Column("is", "name", is_alias=True),), "motto": ()}
    }
    assert data == {"shelf": {"owner": {"is": "Ada"}, "words": None}}


@pytest.mark.parametrize(
    "selection",
    ["id pages", "id shelf { name }", "pages", "shelf { books { id } }", "id @skip(if: true)"],
)
async def test_what_is_more_than_columns_is_looked_up(selection: str) -> None:
    context = Told()
    _, errors = await ask(f"{{ shelf {{ books {{ {selection} }} }} }}", context)
    assert not errors
    assert context.calls[0] == "books"


async def test_several_fields_that_want_the_same_of_a_row_share_its_look_up() -> None:
    context = Told()
    data, _ = await ask("{ shelf { a: books { id } b: books { title } } }", context)
    assert context.calls == ["books"]
    assert data["shelf"] == {
        "a": [{"id": "1"}, {"id": "2"}],
        "b": [{"title": "One"}, {"title": 'Two "2"'}],
    }


async def test_a_type_that_is_selected_at_several_places_carries_nothing() -> None:
    """Whoever fetches its rows would not know for which of them."""
    context = Told()
    query = "{ a: shelf { name owner { name } } b: shelf { name } }"
    data, _ = await ask(query, context)
    assert context.carries == {}
    assert context.calls == ["owners"]
    assert data["a"] == {"name": "A", "owner": {"name": "Ada"}}


async def test_where_one_row_carries_nothing_all_are_looked_up() -> None:
    context = Told(2)
    data, errors = await ask("{ shelves { motto books { title } } }", context)
    assert not errors
    assert sorted(context.calls) == ["books", "mottos"]
    titles = [{"title": "One"}, {"title": 'Two "2"'}]
    assert data == {"shelves": [{"motto": "looked up", "books": titles}] * 3}


async def test_what_can_not_be_told_is_looked_up_and_has_its_errors() -> None:
    context = Told(1)
    context.books = [Book(1, None)]
    data, errors = await ask("{ shelf { books { title } } }", context)
    assert data is None
    assert errors == ["Cannot return null for non-nullable field Book.title."]


async def test_what_is_carried_stands_beside_an_error_elsewhere() -> None:
    data, errors = await ask("{ broken shelf { motto books { id } owner { name } } }", Told())
    assert errors == ["broken"]
    books = [{"id": "1"}, {"id": "2"}]
    assert data == {
        "broken": None,
        "shelf": {"motto": None, "books": books, "owner": {"name": "Ada"}},
    }


async def test_explain_says_what_was_carried() -> None:
    query, trace = "{ shelves { books { id } newest { id } } }", Trace()
    await ask(query, Told(), trace)
    steps = explained(ENGINE.plan(Request(parse(query))))
    told = tree(steps)
    assert told.count("reads id, as JSON with its row") == 1
    assert [step.is_carried for step in steps[0].below] == [True, False]
    request = Request(parse(query))
    plan, variables = ENGINE.planned(request)
    trace = Trace()
    result = ENGINE.execute(request, Told(), trace)
    assert isawaitable(result)
    await result
    steps = explained(plan, variables, trace)
    assert "3, with the row" in tree(steps, trace)
    assert steps[0].below[0].as_dict()["run"] == {"rows": 3, "keys": 0}


def test_what_is_carried_has_no_arguments() -> None:
    with pytest.raises(ValueError, match="has no arguments"):
        Lookup(batch=books, key="key", carried="books", arguments=dict)
