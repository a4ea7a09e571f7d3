"""The endpoint over a schema of a test's own, with somebody signed in."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import strawberry
from strawberry.types import Info

from resolvers.errors import ApiError
from server.app import Application
from server.graphql.endpoint import GraphQLEndpoint
from tests.server.running import client_of, running_app

TOKEN = "aaaaaaaaaa-bbbbbbbbbbbbbbbbbbbbbb"


class NotFoundError(ApiError):
    """An error of a field, with a code and a status of its own."""

    code = "NOT_FOUND"
    status = 404


@strawberry.type
class Thing:
    name: str

    @strawberry.field
    def thing(self, first: int | None = strawberry.UNSET) -> Thing:
        return self


@strawberry.type
class Query:
    @strawberry.field
    def thing(self) -> Thing:
        return Thing(name="a thing")

    @strawberry.field
    def echo(self, text: str, count: int = 1) -> str:
        return text * count

    @strawberry.field
    def missing(self) -> Thing | None:
        raise NotFoundError("There is no such thing.")

    @strawberry.field
    def broken(self) -> Thing | None:
        raise RuntimeError("SELECT secret FROM /etc/passwd")

    @strawberry.field
    async def slow(self, info: Info[Any, None], seconds: float) -> bool:
        await asyncio.sleep(seconds)
        return True


@strawberry.type
class Mutation:
    @strawberry.field
    def change(self) -> bool:
        return True


def small_schema() -> Any:
    return strawberry.Schema(query=Query, mutation=Mutation)._schema


async def add_user(
    database_url: str, token: str = TOKEN, roles: tuple[str, ...] = ("owner",)
) -> None:
    """Add a user with a token."""
    id_, secret = token.split("-")
    user = uuid.uuid5(uuid.NAMESPACE_DNS, id_)
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "INSERT INTO users (id, email, username, rbac_roles, status, created_at, updated_at)"
            " VALUES ($1, $2, $3, $4, 'active', now(), now()) ON CONFLICT DO NOTHING",
            user,
            f"{id_}@example.org",
            id_,
            list(roles),
        )
        await connection.execute(
            "INSERT INTO api_keys (id, hashed_secret, user_id, last_used, expires_at, created_at,"
            " updated_at, login_type) VALUES ($1, $2, $3, now(), now() + interval '1 day', now(),"
            " now(), 'token') ON CONFLICT DO NOTHING",
            id_,
            hashlib.sha256(secret.encode()).digest(),
            user,
        )
    finally:
        await connection.close()


@asynccontextmanager
async def serving_app(
    database_url: str, schema: Any = None, **settings: Any
) -> AsyncIterator[Application]:
    """Run an application with a schema at `/graphql`, and an owner with the token."""
    await add_user(database_url)
    async with running_app(database_url, **settings) as app:
        app.graphql = GraphQLEndpoint(schema or small_schema(), app.state.settings)
        yield app


@asynccontextmanager
async def serving(
    database_url: str, schema: Any = None, **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve a schema at `/graphql` and lend a client that is signed in as an owner."""
    async with (
        serving_app(database_url, schema, **settings) as app,
        client_of(app, headers={"Coder-Session-Token": TOKEN}) as client,
    ):
        yield client
