"""No document holds the event loop: others are answered while one is judged."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from schema.build import graphql_core, schema
from schema.limits import Limits
from server.graphql.documents import Asking, Documents
from server.graphql.errors import RequestError
from tests.schema.test_limits import COSTLY, HOSTILE

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
}
DOCUMENTS = COSTLY | HOSTILE | LARGE


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
    documents = Documents(graphql_core(schema), Limits())
    turns = _Turns()
    await asyncio.sleep(0)
    with suppress(RequestError):
        await documents.get(DOCUMENTS[name], Asking(may_introspect=True, by_get=False))
    turns.stop()
    assert turns.longest < _SHORT_SECONDS
