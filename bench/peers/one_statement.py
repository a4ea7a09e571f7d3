"""The limit: each workload as one hand-written statement whose JSON goes out as it comes.

It knows no caller, no filter, no cursor and no error; nothing that answers GraphQL can do less.
"""

from __future__ import annotations

import asyncio
import os
import sys

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_SESSIONS = """
SELECT s.* FROM aibridge_sessions s
ORDER BY s.started_at DESC, s.session_id DESC, s.initiator_id DESC LIMIT 25
"""


def _leaves(table: str, columns: str) -> str:
    pairs = ", ".join(f"'{name}', c.{name}" for name in columns.split())
    return (
        f"(SELECT coalesce(json_agg(json_build_object({pairs}) ORDER BY c.created_at), '[]') "
        f"FROM {table} c WHERE c.interception_id = i.id)"
    )


_TOKENS = _leaves("aibridge_token_usages", "id input_tokens output_tokens created_at")
_PROMPTS = _leaves("aibridge_user_prompts", "id prompt created_at")
_TOOLS = _leaves("aibridge_tool_usages", "id tool input injected created_at")
_THOUGHTS = _leaves("aibridge_model_thoughts", "content created_at")
_USAGES = (
    f"'tokenUsages', {_TOKENS}, 'userPrompts', {_PROMPTS}, 'toolUsages', {_TOOLS}, "
    f"'modelThoughts', {_THOUGHTS}"
)

STATEMENTS = {
    "nested": f"""
SELECT json_build_object('data', json_agg(json_build_object(
    'id', s.session_id, 'initiator', u.username, 'startedAt', s.started_at, 'threads', (
      SELECT coalesce(json_agg(json_build_object('id', t.id, 'interceptions', (
        SELECT coalesce(json_agg(json_build_object('id', i.id, 'model', i.model, {_USAGES})
          ORDER BY i.started_at, i.id), '[]')
        FROM (SELECT * FROM aibridge_interceptions i
          WHERE (i.id = t.id OR i.thread_root_id = t.id) AND i.ended_at IS NOT NULL
          ORDER BY i.started_at, i.id LIMIT 50) i
      ))), '[]')
      FROM (SELECT r.id FROM aibridge_interceptions r
        WHERE r.session_id = s.session_id AND r.initiator_id = s.initiator_id
          AND r.thread_root_id IS NULL AND r.ended_at IS NOT NULL
        ORDER BY r.started_at, r.id LIMIT 10) t)
  )))::text FROM ({_SESSIONS}) s JOIN users u ON u.id = s.initiator_id""",
    "sessions": f"""
SELECT json_build_object('data', json_agg(json_build_object(
    'id', s.session_id, 'initiator', s.initiator_id, 'startedAt', s.started_at)))::text
FROM ({_SESSIONS}) s""",
    "interceptions": f"""
SELECT json_build_object('data', json_agg(json_build_object('id', i.id, 'model', i.model,
    'startedAt', i.started_at, {_USAGES}) ORDER BY i.started_at DESC, i.id DESC))::text
FROM (SELECT * FROM aibridge_interceptions WHERE ended_at IS NOT NULL
  ORDER BY started_at DESC, id DESC LIMIT 50) i""",
}


def application(url: str) -> Starlette:
    pool: asyncpg.Pool | None = None

    async def answer(request: Request) -> Response:
        nonlocal pool
        if pool is None:
            pool = await asyncpg.create_pool(url, max_size=10, server_settings={"jit": "off"})
        text = await pool.fetchval(STATEMENTS[request.path_params["name"]])
        return Response(text, media_type="application/json")

    async def bare(_request: Request) -> Response:
        return JSONResponse({"data": {"__typename": "Query"}})

    routes = [
        Route("/typename", bare, methods=["GET", "POST"]),
        Route("/{name}", answer, methods=["GET", "POST"]),
    ]
    return Starlette(routes=routes)


async def main() -> None:
    app = application(os.environ["AIBRIDGE_DATABASE_URL"])
    config = uvicorn.Config(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(main())
