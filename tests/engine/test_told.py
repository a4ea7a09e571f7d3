"""Rows that tell all of themselves as JSON: when they are asked to, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import isawaitable
from typing import Any, NamedTuple

import orjson
import pytest
from graphql import build_schema, parse

from engine import EXTENSION, TOLD, Engine, Lookup, Plan, Read, Request, Trace
from engine.explain import explained, tree
from engine.spec import Column
from tests.engine.asking import Ask, answered, broken

SCHEMA = build_schema(
    """
    type Query { pets: [Pet!]!, found: [Thing], one: Pet, broken: String }
    interface Thing { name: String! }
    type Pet implements Thing {
      name: String!, secret: String, owner: Owner!, nick: String, size: Size!, friends: [Pet!]!
    }
    type Owner implements Thing { name: String! }
    type Size { kilos: Int!, note: String }
    """
)


class Pet(NamedTuple):
    key: int
    name: Any = None
    owner: str | None = None
    nick: str | None = None
    told: str | None = None


class Size(NamedTuple):
    kilos: int
    key: int
    carried_note: str | None = None


class Owner(NamedTuple):
    name: str = "Ada"


class Shop:
    """The context: notes which look-ups are made; `untold` are the pets that tell nothing."""

    def __init__(self, *untold: int, name: Any = "Rex") -> None:
        self.calls: list[str] = []
        self.tells: Mapping[str, tuple[Column, ...]] = {}
        self.untold = untold
        self.name = name

    def pet(self, key: int) -> Pet:
        columns = self.tells.get("Pet")
        if columns is None or key in self.untold:
            return Pet(key, self.name)
        return Pet(key, told=orjson.dumps(self._object(columns)).decode())

    def _object(self, columns: tuple[Column, ...]) -> dict[str, Any]:
        return {column.key: self._value(column) for column in columns}

    def _value(self, column: Column) -> Any:
        if column.is_type:
            return column.name
        if column.below:
            return self._object(column.below)
        return {"name": self.name, "nick": None, "kilos": 3, "carried_note": "told"}[column.name]


async def all_pets(shop: Shop, keys: Sequence[Any], _args: None) -> list[list[Pet]]:
    return [[shop.pet(key) for key in (1, 2, 3)] for _ in keys]


async def found(shop: Shop, keys: Sequence[Any], _args: None) -> list[list[Any]]:
    return [[shop.pet(1), None, Owner("Eve"), shop.pet(2)] for _ in keys]


async def one(shop: Shop, keys: Sequence[Any], _args: None) -> list[Pet]:
    return [shop.pet(1) for _ in keys]


async def owners(shop: Shop, keys: Sequence[Any], _args: None) -> list[Owner]:
    shop.calls.append("owners")
    return [Owner() for _ in keys]


async def nicks(shop: Shop, keys: Sequence[Any], _args: None) -> list[str]:
    shop.calls.append("nicks")
    return [f"nick {key}" for key in keys]


async def notes(shop: Shop, keys: Sequence[Any], _args: None) -> list[str]:
    shop.calls.append("notes")
    return ["looked up" for _ in keys]


SPECS: dict[tuple[str, str], Read | Lookup] = {
    ("Query", "pets"): Lookup(ask=lambda _row, _arguments: Ask(all_pets)),
    ("Query", "found"): Lookup(ask=lambda _row, _arguments: Ask(found)),
    ("Query", "one"): Lookup(ask=lambda _row, _arguments: Ask(one)),
    ("Query", "broken"): Read(get=broken),
    ("Pet", "name"): Read(attribute="name"),
    ("Pet", "secret"): Read(get=lambda pet: f"secret {pet.key}", of=("key",)),
    ("Pet", "owner"): Lookup(batch=owners, key="key", carried="owner"),
    ("Pet", "nick"): Lookup(batch=nicks, key="key", carried="nick"),
    ("Pet", "size"): Read(get=lambda pet: Size(3, pet.key), of=("key",), name="size"),
    ("Pet", "friends"): Lookup(batch=all_pets, key="key"),
    ("Owner", "name"): Read(attribute="name"),
    ("Size", "kilos"): Read(attribute="kilos"),
    ("Size", "note"): Lookup(batch=notes, key="key", carried="carried_note"),
}
for (name, field), spec in SPECS.items():
    type_: Any = SCHEMA.type_map[name]
    type_.fields[field].extensions = {EXTENSION: spec}
SCHEMA.type_map["Pet"].extensions = {EXTENSION: TOLD}


def _tell(shop: Shop, plan: Plan) -> None:
    shop.tells = plan.tells


ENGINE = Engine(SCHEMA, type_of=lambda row: type(row).__name__, on_plan=_tell)


async def ask(query: str, shop: Shop, trace: Trace | None = None) -> tuple[Any, list[str]]:
    return await answered(ENGINE, query, shop, trace)


WHOLE = "{ pets { t: __typename name owner { n: name } nick size { kilos note } } }"


async def test_a_row_that_tells_all_of_itself_is_the_answer() -> None:
    shop = Shop()
    data, errors = await ask(WHOLE, shop)
    assert (errors, shop.calls) == ([], [])
    assert shop.tells == {
        "Pet": (
            Column("t", "Pet", is_type=True, is_alias=True),
            Column("name", "name"),
            Column("owner", "owner", below=(Column("n", "name", is_alias=True),)),
            Column("nick", "nick", below=()),
            Column(
                "size",
                "size",
                below=(Column("kilos", "kilos"), Column("note", "carried_note", below=())),
            ),
        )
    }
    told = {"t": "Pet", "name": "Rex", "owner": {"n": "Rex"}, "nick": None}
    assert data == {"pets": [told | {"size": {"kilos": 3, "note": "told"}}] * 3}


async def test_those_that_do_not_are_read_and_looked_up_each_in_its_place() -> None:
    shop = Shop(2)
    data, errors = await ask(WHOLE, shop)
    assert not errors
    assert sorted(shop.calls) == ["nicks", "notes", "owners"]
    told = {"t": "Pet", "name": "Rex", "owner": {"n": "Rex"}, "nick": None}
    read = {"t": "Pet", "name": "Rex", "owner": {"n": "Ada"}, "nick": "nick 2"}
    sizes = [{"size": {"kilos": 3, "note": note}} for note in ("told", "looked up", "told")]
    assert data == {"pets": [told | sizes[0], read | sizes[1], told | sizes[2]]}


async def test_beside_errors_what_is_told_stays_as_it_is() -> None:
    shop = Shop(2)
    data, errors = await ask("{ broken pets { name owner { name } } }", shop)
    assert errors == ["broken"]
    names = [pet["owner"]["name"] for pet in data["pets"]]
    assert names == ["Rex", "Ada", "Rex"]


async def test_a_row_that_is_read_has_its_errors() -> None:
    shop = Shop(1, name=None)
    data, errors = await ask("{ found { name } one { nick } }", shop)
    assert data["one"] == {"nick": "nick 1"}
    assert errors == ["Cannot return null for non-nullable field Pet.name."] * 2
    assert data["found"] == [None, None, {"name": "Eve"}, None]


async def test_where_a_field_returns_several_types_each_is_told_apart() -> None:
    shop = Shop(2)
    data, errors = await ask("{ found { __typename ... on Pet { nick } name } }", shop)
    assert not errors
    assert data["found"] == [
        {"__typename": "Pet", "nick": None, "name": "Rex"},
        None,
        {"__typename": "Owner", "name": "Eve"},
        {"__typename": "Pet", "nick": "nick 2", "name": "Rex"},
    ]


@pytest.mark.parametrize(
    "query",
    [
        "{ pets { name secret } }",
        "{ pets { name friends { name } } }",
        "{ pets { a: owner { name } b: owner { name } } }",
        "{ pets { name } one { nick } }",
        "{ pets { name @skip(if: true) } }",
    ],
)
async def test_what_can_not_be_told_whole_is_not(query: str) -> None:
    shop = Shop()
    _, errors = await ask(query, shop)
    assert not errors
    assert shop.tells == {}


async def test_explain_says_what_is_told() -> None:
    request, trace = Request(parse(WHOLE)), Trace()
    plan, variables = ENGINE.planned(request)
    steps = explained(plan)
    assert steps[0].is_told
    assert "each row as JSON" in tree(steps)
    result = ENGINE.execute(request, Shop(2), trace)
    assert isawaitable(result)
    await result
    steps = explained(plan, variables, trace)
    assert {step.path: step.carried for step in steps[0].below} == {
        "owner": 2,
        "nick": 2,
        "size.note": 2,
    }
    assert "2, with the row" in tree(steps, trace)
