"""The limit: each workload as one hand-written statement whose JSON goes out as it comes.

It knows no caller, no filter and no error, and its ids are the database's own; nothing that answers
GraphQL can do less. The fields are those that are asked of ours, under the same names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def _leaves(table: str, columns: str, order: str = "c.created_at, c.id") -> str:
    # Rows as JSON come out faster, and shorter, than what json_build_object makes.
    return (
        f"(SELECT coalesce(json_agg(c), '[]') FROM (SELECT {columns} FROM {table} c "
        f"WHERE c.interception_id = i.id ORDER BY {order}) c)"
    )


_CREATED = 'c.created_at AS "createdAt"'
_TOKENS = _leaves(
    "aibridge_token_usages",
    f'c.id, c.input_tokens AS "inputTokens", c.output_tokens AS "outputTokens", {_CREATED}',
)
_PROMPTS = _leaves("aibridge_user_prompts", f"c.id, c.prompt, {_CREATED}")
_TOOLS = _leaves("aibridge_tool_usages", f"c.id, c.tool, c.input, c.injected, {_CREATED}")
_THOUGHTS = _leaves("aibridge_model_thoughts", f"c.content, {_CREATED}", "c.created_at")
_USAGES = (
    f'{_TOKENS} AS "tokenUsages", {_PROMPTS} AS "userPrompts", {_TOOLS} AS "toolUsages", '
    f'{_THOUGHTS} AS "modelThoughts"'
)

_KEY = "s.started_at || ' ' || s.session_id || ' ' || s.initiator_id"
_OLDEST = "s.started_at, s.session_id, s.initiator_id"
_NEWEST = "s.started_at DESC, s.session_id DESC, s.initiator_id DESC"

# One row more than a page has tells whether there is another page.
_PAGE_INFO = """
json_build_object('hasNextPage', (SELECT count(*) > {size} FROM page), 'endCursor',
    (SELECT cursor FROM page WHERE place = {size}))"""

STATEMENTS = {
    "nested": f"""
WITH page AS (
    SELECT s.*, {_KEY} AS cursor, row_number() OVER (ORDER BY {_OLDEST}) AS place
    FROM aibridge_sessions s ORDER BY {_OLDEST} LIMIT 26
), nodes AS (
    SELECT s.place, s.cursor, s.initiator_id || ':' || s.session_id AS id,
        json_build_object('username', u.username) AS initiator, s.started_at AS "startedAt",
        json_build_object('edges', (
            SELECT coalesce(json_agg(json_build_object('node', t)), '[]') FROM (
                SELECT t.id, json_build_object('nodes', (
                    SELECT json_agg(i) FROM (
                        SELECT i.id, i.model, {_USAGES} FROM aibridge_interceptions i
                        WHERE (i.id = t.id OR i.thread_root_id = t.id) AND i.ended_at IS NOT NULL
                        ORDER BY i.started_at, i.id
                    ) i)) AS interceptions
                FROM (
                    SELECT r.id, r.started_at FROM aibridge_interceptions r
                    WHERE r.session_id = s.session_id AND r.initiator_id = s.initiator_id
                        AND r.thread_root_id IS NULL AND r.ended_at IS NOT NULL
                    ORDER BY r.started_at, r.id LIMIT 10
                ) t ORDER BY t.started_at, t.id
            ) t)) AS threads
    FROM page s JOIN users u ON u.id = s.initiator_id WHERE s.place <= 25
)
SELECT json_build_object('data', json_build_object('sessions', json_build_object(
    'edges', (SELECT json_agg(json_build_object('cursor', cursor, 'node', json_build_object(
        'id', id, 'initiator', initiator, 'startedAt', "startedAt", 'threads', threads))
        ORDER BY place) FROM nodes),
    'pageInfo', {_PAGE_INFO.format(size=25)})))::text""",
    "sessions": f"""
WITH page AS (
    SELECT s.*, {_KEY} AS cursor, row_number() OVER (ORDER BY {_NEWEST}) AS place
    FROM aibridge_sessions s ORDER BY {_NEWEST} LIMIT 26
), nodes AS (
    SELECT s.initiator_id || ':' || s.session_id AS id, s.session_id AS "sessionId",
        json_build_object('username', u.username) AS initiator, s.providers, s.models, s.client,
        coalesce(s.metadata, '{{}}') AS metadata, s.started_at AS "startedAt",
        s.ended_at AS "endedAt", s.last_active_at AS "lastActiveAt", p.prompt AS "lastPrompt",
        s.threads AS "threadCount", s.interceptions AS "interceptionCount", json_build_object(
            'inputTokens', s.input_tokens, 'outputTokens', s.output_tokens,
            'cacheReadInputTokens', s.cache_read_input_tokens,
            'cacheWriteInputTokens', s.cache_write_input_tokens, 'metadata', s.token_metadata
        ) AS "tokenUsage"
    FROM page s JOIN users u ON u.id = s.initiator_id
    LEFT JOIN aibridge_user_prompts p ON p.id = s.last_prompt_id
    WHERE s.place <= 25 ORDER BY s.place
)
SELECT json_build_object('data', json_build_object('sessions', json_build_object(
    'nodes', (SELECT json_agg(nodes) FROM nodes), 'pageInfo', {_PAGE_INFO.format(size=25)})))::text
""",
    "interceptions": f"""
WITH page AS (
    SELECT i.id, i.model, i.started_at, i.started_at || ' ' || i.id AS cursor,
        row_number() OVER (ORDER BY i.started_at DESC, i.id DESC) AS place
    FROM aibridge_interceptions i
    WHERE i.ended_at IS NOT NULL ORDER BY i.started_at DESC, i.id DESC LIMIT 51
), nodes AS (
    SELECT i.id, i.model, i.started_at AS "startedAt", {_USAGES}
    FROM page i WHERE i.place <= 50 ORDER BY i.place
)
SELECT json_build_object('data', json_build_object('interceptions', json_build_object(
    'nodes', (SELECT json_agg(nodes) FROM nodes), 'pageInfo', {_PAGE_INFO.format(size=50)})))::text
""",
    "node": """
SELECT json_build_object('data', json_build_object('node', json_build_object(
    'id', id, 'model', model, 'startedAt', started_at)))::text
FROM aibridge_interceptions WHERE id = $1 AND ended_at IS NOT NULL""",
}


async def _reset(_: asyncpg.Connection) -> None:
    """Save a round trip, as ours does: nobody changes a connection's state."""


def application(url: str) -> Starlette:
    @asynccontextmanager
    async def connected(app: Starlette) -> AsyncIterator[None]:
        settings = {"jit": "off", "timezone": "UTC"}
        async with asyncpg.create_pool(
            url, max_size=10, reset=_reset, server_settings=settings
        ) as app.state.pool:
            yield

    async def answer(request: Request) -> Response:
        parameters = request.path_params
        arguments = [parameters["id"]] if "id" in parameters else []
        statement = STATEMENTS[parameters["name"]]
        text = await request.app.state.pool.fetchval(statement, *arguments)
        return Response(text, media_type="application/json")

    async def bare(_request: Request) -> Response:
        return JSONResponse({"data": {"__typename": "Query"}})

    routes = [
        Route("/typename", bare, methods=["POST"]),
        Route("/{name}", answer, methods=["POST"]),
        Route("/{name}/{id}", answer, methods=["POST"]),
    ]
    return Starlette(routes=routes, lifespan=connected)


if __name__ == "__main__":
    uvicorn.run(
        application(os.environ["AIBRIDGE_DATABASE_URL"]),
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
    )
