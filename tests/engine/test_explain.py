"""A plan is told as a tree, and a run of it with what each look-up took."""

from __future__ import annotations

from inspect import isawaitable

from graphql import parse

from engine import Engine, Request, Trace
from engine.explain import explained, tree
from tests.engine.library import SCALARS, SCHEMA, Library, type_of

ENGINE = Engine(SCHEMA, type_of=type_of, scalars=SCALARS)

TEXT = """query ($n: Int = 2) {
  authors(first: $n) { id summary { words longest { id } } rival { name } }
  node(id: "x") { id ... on Book { sequel { id } } }
  library { shelves { author { name } } }
}"""


TREE = """\
LOOK-UP            BRINGS      BY
authors            [Author!]!  library.authors_of_period
│  reads id
├─ summary         Summary!    library.summary_of_author (by key)
│  │  reads words
│  └─ longest      Book        library.books_by_key (by longest_key)
│        reads id
└─ rival           Author      what each row asks
      reads name
node               Node        library.nodes_by_id
│  reads id
└─ sequel on Book  Book        library.books_by_key (by sequel_key)
      reads id
library            Library!    library.places
└─ shelves.author  Author!     library.authors_by_key (by author_key)
      reads name

8 look-ups on 3 levels"""


def test_a_plan_is_a_tree_of_look_ups() -> None:
    plan, variables = ENGINE.planned(Request(parse(TEXT)))
    assert tree(explained(plan, variables)) == TREE


async def test_a_run_is_told_beside_the_plan() -> None:
    request, trace = Request(parse(TEXT), {"n": 3}), Trace()
    result = ENGINE.execute(request, Library(), trace)
    assert isawaitable(result)
    await result
    steps = explained(*ENGINE.planned(request), trace)
    told = tree(steps, trace)
    head, authors = told.splitlines()[:2]
    assert head.split() == ["LOOK-UP", "BRINGS", "BY", "ROWS", "→", "KEYS", "TIME"]
    assert authors.split()[:6] == [
        "authors",
        "[Author!]!",
        "library.authors_of_period",
        "1",
        "→",
        "1",
    ]
    assert "8 look-ups on 3 levels\n7 calls of batches for 15 keys in " in told
    rival = steps[0].below[1].as_dict()
    assert rival["batch"] == "library.authors_by_key"
    assert (rival["run"]["rows"], rival["run"]["keys"]) == (6, 5)


async def test_a_look_up_that_no_row_wanted_says_so() -> None:
    request, trace = Request(parse("{ authors(first: 0) { best { id } } }")), Trace()
    result = ENGINE.execute(request, Library(), trace)
    assert isawaitable(result)
    await result
    assert "wanted by none" in tree(explained(*ENGINE.planned(request), trace), trace)
