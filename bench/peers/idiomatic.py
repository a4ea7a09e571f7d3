"""The yardstick: Strawberry types over ORM objects, with a data loader for each edge.

It is what tutorials show. It knows no caller, no filter, no cursor and no rule of access, and its
lists are plain lists: whatever it lacks makes it faster.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry
import uvicorn
from aiodataloader import DataLoader
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import registry
from starlette.applications import Starlette
from strawberry.asgi import GraphQL

from db import models

mapped = registry(metadata=models.metadata)


class InterceptionModel:
    id: Any


class UserModel:
    id: Any


class TokenModel:
    pass


class PromptModel:
    pass


class ToolModel:
    pass


class ThoughtModel:
    pass


_TABLES: dict[type, str] = {
    InterceptionModel: "aibridge_interceptions",
    UserModel: "users",
    TokenModel: "aibridge_token_usages",
    PromptModel: "aibridge_user_prompts",
    ToolModel: "aibridge_tool_usages",
}
for _model, _name in _TABLES.items():
    mapped.map_imperatively(_model, models.metadata.tables[_name])
_thoughts = models.metadata.tables["aibridge_model_thoughts"]
_key = [_thoughts.c.interception_id, _thoughts.c.created_at, _thoughts.c.content]
mapped.map_imperatively(ThoughtModel, _thoughts, primary_key=_key)


class Loaders:
    """One data loader for each edge, made for each request."""

    def __init__(self, sessions: Callable[[], Any]) -> None:
        self._sessions = sessions
        self.users = DataLoader(self._users)
        self.threads = DataLoader(self._threads)
        self.interceptions = DataLoader(self._interceptions)
        self.tokens = self._children(TokenModel)
        self.prompts = self._children(PromptModel)
        self.tools = self._children(ToolModel)
        self.thoughts = self._children(ThoughtModel)

    async def _grouped(
        self, statement: Any, key: Callable[[Any], Any], keys: Sequence[Any]
    ) -> list[list[Any]]:
        async with self._sessions() as session:
            found = defaultdict(list)
            for row in (await session.scalars(statement)).all():
                found[key(row)].append(row)
        return [found[each] for each in keys]

    async def _users(self, keys: list[Any]) -> list[Any]:
        statement = select(UserModel).where(UserModel.id.in_(keys))
        return [found[0] for found in await self._grouped(statement, lambda row: row.id, keys)]

    async def _threads(self, keys: list[Any]) -> list[Any]:
        model: Any = InterceptionModel
        statement = select(model).where(
            model.session_id.in_([session_id for session_id, _ in keys]),
            model.thread_root_id.is_(None),
            model.ended_at.is_not(None),
        )
        ordered = statement.order_by(model.started_at, model.id)
        return await self._grouped(ordered, lambda row: (row.session_id, row.initiator_id), keys)

    async def _interceptions(self, keys: list[Any]) -> list[Any]:
        model: Any = InterceptionModel
        root = func.coalesce(model.thread_root_id, model.id)
        statement = select(model).where(root.in_(keys), model.ended_at.is_not(None))
        ordered = statement.order_by(model.started_at, model.id)
        return await self._grouped(ordered, lambda row: row.thread_root_id or row.id, keys)

    def _children(self, model: Any) -> DataLoader[Any, Any]:
        async def load(keys: list[Any]) -> list[Any]:
            statement = select(model).where(model.interception_id.in_(keys))
            ordered = statement.order_by(model.created_at)
            return await self._grouped(ordered, lambda row: row.interception_id, keys)

        return DataLoader(load)


Info = strawberry.Info[Any, None]


@strawberry.type
class User:
    username: str


@strawberry.type
class TokenUsage:
    id: UUID
    input_tokens: float
    output_tokens: float
    created_at: datetime


@strawberry.type
class UserPrompt:
    id: UUID
    prompt: str
    created_at: datetime


@strawberry.type
class ToolUsage:
    id: UUID
    tool: str
    input: str
    injected: bool
    created_at: datetime


@strawberry.type
class ModelThought:
    content: str
    created_at: datetime


def _of(kind: Any, row: Any) -> Any:
    names = [field.python_name for field in kind.__strawberry_definition__.fields]
    return kind(**{name: getattr(row, name) for name in names})


@strawberry.type
class Interception:
    id: UUID
    model: str
    started_at: datetime

    @strawberry.field
    async def token_usages(self, info: Info) -> list[TokenUsage]:
        return [_of(TokenUsage, row) for row in await info.context["loaders"].tokens.load(self.id)]

    @strawberry.field
    async def user_prompts(self, info: Info) -> list[UserPrompt]:
        return [_of(UserPrompt, row) for row in await info.context["loaders"].prompts.load(self.id)]

    @strawberry.field
    async def tool_usages(self, info: Info) -> list[ToolUsage]:
        return [_of(ToolUsage, row) for row in await info.context["loaders"].tools.load(self.id)]

    @strawberry.field
    async def model_thoughts(self, info: Info) -> list[ModelThought]:
        rows = await info.context["loaders"].thoughts.load(self.id)
        return [_of(ModelThought, row) for row in rows]


@strawberry.type
class Thread:
    id: UUID

    @strawberry.field
    async def interceptions(self, info: Info) -> list[Interception]:
        rows = await info.context["loaders"].interceptions.load(self.id)
        return [Interception(id=row.id, model=row.model, started_at=row.started_at) for row in rows]


@strawberry.type
class Session:
    id: str
    started_at: datetime
    initiator_id: strawberry.Private[UUID]

    @strawberry.field
    async def initiator(self, info: Info) -> User:
        row = await info.context["loaders"].users.load(self.initiator_id)
        return User(username=row.username)

    @strawberry.field
    async def threads(self, info: Info) -> list[Thread]:
        rows = await info.context["loaders"].threads.load((self.id, self.initiator_id))
        return [Thread(id=row.id) for row in rows[:10]]


@strawberry.type
class Query:
    @strawberry.field
    async def sessions(self, info: Info, first: int = 25) -> list[Session]:
        table = models.metadata.tables["aibridge_sessions"].c
        statement = (
            select(table.session_id, table.initiator_id, table.started_at)
            .order_by(table.started_at, table.session_id, table.initiator_id)
            .limit(first)
        )
        async with info.context["sessions"]() as session:
            rows = (await session.execute(statement)).all()
        return [Session(id=row[0], initiator_id=row[1], started_at=row[2]) for row in rows]


class _App(GraphQL[Any, None]):
    def __init__(self, schema: strawberry.Schema, sessions: Callable[[], Any]) -> None:
        super().__init__(schema)
        self._sessions = sessions

    async def get_context(self, request: Any, response: Any) -> Any:
        return {"loaders": Loaders(self._sessions), "sessions": self._sessions}


def application(url: str) -> Starlette:
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://"),
        pool_size=10,
        connect_args={"server_settings": {"jit": "off"}},
    )
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    app = Starlette()
    app.add_route("/graphql", _App(strawberry.Schema(query=Query), sessions))
    return app


if __name__ == "__main__":
    uvicorn.run(
        application(os.environ["AIBRIDGE_DATABASE_URL"]),
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
    )
