"""No request holds the event loop: others are answered while one is judged, planned and read."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import httpx
import orjson
import pytest

from schema.build import graphql_core, schema
from server.graphql.documents import Asking, Documents
from server.graphql.errors import RequestError
from tests.schema.limits import default_limits
from tests.schema.test_limits import COSTLY, HOSTILE
from tests.server.graphql.serving import serving

_NAME = "a" * 262_000

# Documents of 256 KiB that are mostly one thing.
LARGE = {
    "commas": "," * 262_000 + "{__typename}",
    "comments": "#\n" * 131_000 + "{__typename}",
    "a string": '{models(prefix:"' + "a" * 262_000 + '")}',
    "a block string": '{models(prefix:"""' + "a\n " * 87_000 + '""")}',
    "escapes": '{models(prefix:"' + "\\u0041" * 43_000 + '")}',
    "braces": "{" * 262_000,
    "fields": "{" + " a" * 131_000 + "}",
    "numbers": "{models(limit:" + "1" * 262_000 + ")}",
    "a name of a field": f"{{{_NAME}}}",
    "a name like a field's": "{" + "sessions" * 32_750 + "}",
    "a name of a type": f"{{... on {_NAME} {{a}}}}",
    "a name of an argument": f"{{models({_NAME}: 1)}}",
    "a name in a filter": f"{{sessions(filter: {{{_NAME}: 1}}) {{totalCount}}}}",
    "a name of an enum's value": f"{{sessions(orderBy: {_NAME}) {{totalCount}}}}",
    "a name of a variable": f"query(${_NAME}: Int) {{models(limit: $b)}}",
    "a name of a fragment": f"{{...{_NAME}}}",
    "a name of a directive": f"{{__typename @{_NAME}}}",
    "long names": "{" + " ".join([_NAME[:13_000]] * 20) + "}",
    "surrogates": '{models(prefix:"' + "\\ud83d\\ude00" * 21_000 + '")}',
    "quotes in a block string": '{models(prefix:"""' + '\\"""' * 65_000 + '""")}',
    "byte order marks": "\ufeff" * 87_000 + "{__typename}",
    "an error behind all lines": "\r\n" * 130_000 + "{a(",
    "long strings": "{nodes(ids:[" + ",".join(['"' + "x" * 50 + '"'] * 4_700) + "]){id}}",
    "large numbers": "{nodes(ids:[" + " ".join(["9" * 4_000] * 60) + "]){id}}",
}
# Documents of up to 5,000 tokens.
SMALL = {
    "levels": "{a" * 2_400 + "}" * 2_400,
    "levels of lists": "{models(prefix:" + "[" * 2_400 + "]" * 2_400 + ")}",
    "levels of objects": "{sessions(filter:" + "{a:" * 1_200 + "1" + "}" * 1_200 + "){totalCount}}",
    "levels of a type": "query($a:" + "[" * 2_400 + "Int" + "]" * 2_400 + "){models}",
    "operations": "".join(f"query q{n}{{models}}" for n in range(990)),
    "operations that share": "".join(f"query q{n}{{...f}}" for n in range(800))
    + "fragment f on Query{models}",
    "variables": "query(" + " ".join(f"$v{n}:Int=1" for n in range(800)) + "){models}",
    "a variable twice": "query(" + "$v:Int " * 1_240 + "){models}",
    "unknown arguments": "{models(" + " ".join(f"a{n}:1" for n in range(1_650)) + ")}",
    "directives": "{models " + " ".join(f"@d{n}" for n in range(2_400)) + "}",
    "definitions of types": "".join(f"type T{n}{{a:Int}}" for n in range(600)) + "{models}",
    "values of an enum": "{sessions(orderBy:["
    + " ".join(f"STARTED_{n}" for n in range(4_800))
    + "]){totalCount}}",
    "introspection": "{__schema{types{" + "name " * 2_000 + "}}}",
}
DOCUMENTS = COSTLY | HOSTILE | LARGE | SMALL


# What holds nobody up. Most of these take under 20 ms; a full judgement takes up to 300.
_SHORT_SECONDS = 0.1


class _Turns:
    """Finds how long the loop did not come round: in the process's own time, of all its threads,
    so that a busy machine counts for nothing."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._before = time.process_time()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            self.note()
            await asyncio.sleep(0)

    def note(self) -> None:
        now = time.process_time()
        self.longest = max(self.longest, now - self._before)
        self._before = now

    def stop(self) -> None:
        self.note()
        self._task.cancel()


@pytest.fixture(autouse=True)
def _frozen() -> Iterator[None]:
    """As in the serving process: what is there by now is not walked by the collector."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_the_loop_goes_on_while_a_document_is_judged(name: str) -> None:
    documents = Documents(graphql_core(schema), default_limits())
    turns = _Turns()
    await asyncio.sleep(0)
    with suppress(RequestError):
        await documents.get(DOCUMENTS[name], Asking(may_introspect=True, by_get=False))
    turns.stop()
    assert turns.longest < _SHORT_SECONDS


# Each fragment spreads the next three times: 1,500 fields, within the limits on depth and cost.
_FIELDS = """
  id model provider client metadata startedAt endedAt initiator { id username name }
  tokenUsages { id inputTokens outputTokens metadata createdAt } userPrompts { id prompt createdAt }
  toolUsages { id tool input createdAt } thread { id prompt model }
  session { id sessionId models providers startedAt }
"""


def _large_plan(last: str) -> str:
    fragments = "".join(
        f"fragment f{n} on Interception {{ {_FIELDS} parent {{ ...f{n + 1} }}"
        f" session {{ {_page(n + 1)} }} thread {{ {_page(n + 1)} }} }}"
        for n in range(3)
    )
    return f"{{ {_page(0)} }} {fragments} fragment f3 on Interception {{ {last} {_FIELDS} }}"


def _page(fragment: int) -> str:
    return f"interceptions(first: 1) {{ nodes {{ ...f{fragment} }} }}"


IDS = "query ($i: [ID!]!) { nodes(ids: $i) { id } }"
FILTER = "query ($f: InterceptionFilter) { sessions(filter: $f) { totalCount } }"
SEARCH = "query ($q: String) { interceptions(q: $q) { totalCount } }"
_SEARCHED = " ".join(f"s{n}: interceptions(q: $q) {{ totalCount }}" for n in range(30))
SEARCHES = f"query ($q: String) {{ {_SEARCHED} }}"
REQUESTS: dict[str, dict[str, Any]] = {
    "a large plan": {"query": _large_plan("a: id")},
    "a large plan with a condition": {
        "query": "query ($b: Boolean!) " + _large_plan("b: id @skip(if: $b)"),
        "variables": {"b": True},
    },
    "ids": {"query": IDS, "variables": {"i": ["x"] * 4_999}},
    "more ids": {"query": IDS, "variables": {"i": [1] * 240_000}},
    "wrong ids": {"query": IDS, "variables": {"i": [{}] * 4_999}},
    "values of a filter": {
        "query": FILTER, "variables": {"f": {"models": [f"m{n}" for n in range(4_990)]}},
    },
    "unknown keys of a filter": {
        "query": FILTER, "variables": {"f": {f"models{n}": 1 for n in range(4_990)}},
    },
    "unknown variables": {
        "query": FILTER, "variables": {f"v{n}": 1 for n in range(50_000)},
    },
    "words of a search": {"query": SEARCHES, "variables": {"q": "ab " * 3_333}},
    "keys of a search": {
        "query": SEARCHES, "variables": {"q": " ".join(f"a{n}:b" for n in range(1_100))},
    },
    "a long search": {"query": SEARCH, "variables": {"q": "a:b " * 200_000}},
    "a long time": {
        "query": FILTER,
        "variables": {"f": {"startedAfter": "2026-01-01T00:00:00." + "1" * 900_000}},
    },
    "a long id": {"query": IDS, "variables": {"i": ["A" * 900_000]}},
}  # fmt: skip


@pytest.fixture(scope="module")
async def client(shared_database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(shared_database_url, graphql_core(schema)) as client:
        await client.post("/graphql", json={"query": "{ models }"})
        yield client


@pytest.mark.parametrize("name", REQUESTS)
async def test_the_loop_goes_on_while_a_request_is_answered(
    client: httpx.AsyncClient, name: str
) -> None:
    body = orjson.dumps(REQUESTS[name])
    turns = _Turns()
    await asyncio.sleep(0)
    response = await client.post(
        "/graphql", content=body, headers={"Content-Type": "application/json"}
    )
    turns.stop()
    assert response.status_code == 200
    assert turns.longest < _SHORT_SECONDS
