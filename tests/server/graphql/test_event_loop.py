"""No document holds the event loop: others are answered while one is judged."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest

from schema.build import graphql_core, schema
from schema.limits import Limits
from server.graphql.documents import Asking, Documents
from server.graphql.errors import RequestError
from tests.schema.test_limits import COSTLY, HOSTILE

# Documents of 256 KiB that are mostly one thing.
LARGE = {
    "commas": "," * 262_000 + "{__typename}",
    "comments": "#\n" * 131_000 + "{__typename}",
    "a string": '{models(prefix:"' + "a" * 262_000 + '")}',
    "escapes": '{models(prefix:"' + "\\u0041" * 43_000 + '")}',
    "a name": "{" + "a" * 262_000 + "}",
    "braces": "{" * 262_000,
    "fields": "{" + " a" * 131_000 + "}",
    "numbers": "{models(limit:" + "1" * 262_000 + ")}",
}
DOCUMENTS = COSTLY | HOSTILE | LARGE


# A judgement that takes less holds nobody up, wherever it is made.
_SHORT_SECONDS = 0.1


class _Turns:
    """Counts how often the loop comes round."""

    def __init__(self) -> None:
        self.count = 0
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.count += 1

    def stop(self) -> int:
        self._task.cancel()
        return self.count


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_the_loop_goes_on_while_a_document_is_judged(name: str) -> None:
    documents = Documents(graphql_core(schema), Limits())
    turns = _Turns()
    await asyncio.sleep(0)
    started = time.thread_time()
    with suppress(RequestError):
        await documents.get(DOCUMENTS[name], Asking(may_introspect=True, by_get=False))
    # The loop's own thread: what is judged beside it does not count.
    if time.thread_time() - started > _SHORT_SECONDS:
        assert turns.count > 10
    turns.stop()
