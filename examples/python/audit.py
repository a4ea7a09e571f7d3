"""The audit trail as a pandas frame, a row for each thread, and what people ask of it."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pandas as pd
from gql import Client, GraphQLRequest
from gql.transport.httpx import HTTPXTransport

THREADS = """
fragment Threads on ThreadConnection {
  nodes {
    threadId
    startedAt
    model
    prompt
    tokenUsage { inputTokens outputTokens cacheReadInputTokens cacheWriteInputTokens }
    agenticActions { toolCalls { tool } }
  }
  pageInfo { hasNextPage endCursor }
}
"""
SESSIONS = (
    """
    query Sessions($sessions: Int!, $threads: Int!, $after: String, $filter: InterceptionFilter) {
      page: sessions(first: $sessions, after: $after, filter: $filter) {
        nodes { id sessionId initiator { username } threads(first: $threads) { ...Threads } }
        pageInfo { hasNextPage endCursor }
      }
    }
    """
    + THREADS
)
MORE_THREADS = (
    """
    query MoreThreads($session: ID!, $threads: Int!, $after: String) {
      node(id: $session) {
        ... on Session { page: threads(first: $threads, after: $after) { ...Threads } }
      }
    }
    """
    + THREADS
)

# Dollars for a million tokens, by the beginning of the model's name: put in what you pay.
PRICES = {
    "claude": {"input": 3.0, "output": 15.0, "cache_read": 0.3, "cache_write": 3.75},
    "": {"input": 2.0, "output": 8.0, "cache_read": 0.5, "cache_write": 2.0},
}


def connect(url: str, token: str) -> Client:
    """Return a client that asks as the token's user."""
    transport = HTTPXTransport(url=f"{url}/graphql", headers={"Coder-Session-Token": token})
    return Client(transport=transport)


def threads(
    client: Client, *, sessions_each: int = 25, threads_each: int = 20, **criteria: Any
) -> Iterator[dict[str, Any]]:
    """Yield the threads of all sessions that pass, so many of each to a page.

    Criteria are those of `InterceptionFilter`: `initiator="ada"`, `startedAfter="…"`.
    """
    wanted = {"sessions": sessions_each, "threads": threads_each, "filter": criteria}
    with client as connection:
        ask = partial(_page, connection, wanted)
        for session in _nodes(partial(ask, SESSIONS)):
            more = partial(ask, MORE_THREADS, session=session["id"])
            for thread in _nodes(more, first=session["threads"]):
                yield _row(session, thread)


def _page(connection: Any, wanted: dict[str, Any], document: str, **variables: Any) -> Any:
    request = GraphQLRequest(document, variable_values=wanted | variables)
    data = connection.execute(request)
    return data.get("node", data)["page"]


def _nodes(read: Callable[..., Any], first: Any = None) -> Iterator[dict[str, Any]]:
    """Yield the nodes of all pages; `read` is told what a page comes `after`."""
    page = first or read(after=None)
    yield from page["nodes"]
    while page["pageInfo"]["hasNextPage"]:
        page = read(after=page["pageInfo"]["endCursor"])
        yield from page["nodes"]


def _row(session: dict[str, Any], thread: dict[str, Any]) -> dict[str, Any]:
    tokens = thread["tokenUsage"]
    return {
        "session": session["sessionId"],
        "initiator": session["initiator"]["username"],
        "thread": thread["threadId"],
        "started_at": thread["startedAt"],
        "model": thread["model"],
        "prompt": thread["prompt"],
        "input": tokens["inputTokens"],
        "output": tokens["outputTokens"],
        "cache_read": tokens["cacheReadInputTokens"],
        "cache_write": tokens["cacheWriteInputTokens"],
        "tools": [call["tool"] for act in thread["agenticActions"] for call in act["toolCalls"]],
    }


def frame(rows: Iterator[dict[str, Any]]) -> pd.DataFrame:
    """Return the rows as a frame, with the day and the cost of each.

    A thread is taken to be of its root's model all the way.
    """
    table = pd.DataFrame(rows)
    table["started_at"] = pd.to_datetime(table["started_at"], format="ISO8601")
    table["day"] = table["started_at"].dt.date
    table["dollars"] = table.apply(_dollars, axis="columns")
    return table


def _dollars(thread: "pd.Series[Any]") -> float:
    prices = next(each for model, each in PRICES.items() if thread["model"].startswith(model))
    return sum(thread[kind] * price for kind, price in prices.items()) / 1e6


def cost_by_day(table: pd.DataFrame) -> pd.DataFrame:
    """Return what each day cost: a row for each, a column for each model."""
    return table.pivot_table(
        index="day", columns="model", values="dollars", aggfunc="sum", fill_value=0.0
    )


def tools_by_initiator(table: pd.DataFrame) -> pd.DataFrame:
    """Return how often each tool was called on whose behalf."""
    calls = table.explode("tools").dropna(subset="tools")
    return pd.crosstab(calls["initiator"], calls["tools"])


if __name__ == "__main__":
    trail = connect(
        os.environ.get("AIBRIDGE_URL", "http://127.0.0.1:8000"), os.environ["AIBRIDGE_TOKEN"]
    )
    found = frame(threads(trail))
    for answer in (cost_by_day(found).round(2), tools_by_initiator(found)):
        print(answer.to_string(), end="\n\n")
