"""Builders of rows: each has valid defaults, so that a test spells out only what matters to it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson

# The moment at which made-up histories begin.
START = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """The moment so many seconds after `START`."""
    return START + timedelta(seconds=seconds)


class Factory:
    """Writes rows to one database; every row is one second younger than the one before."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._seconds = itertools.count(1)

    def tick(self) -> datetime:
        return at(next(self._seconds))

    async def user(self, username: str | None = None, **columns: Any) -> UUID:
        name = username or f"user-{uuid4().hex[:8]}"
        values = {"email": f"{name}@example.com", "username": name, "name": name.title()}
        return await self._insert("users", values | columns)

    async def interception(
        self, initiator_id: UUID, session: str | None = None, **columns: Any
    ) -> UUID:
        started_at = columns.pop("started_at", None) or self.tick()
        values: dict[str, Any] = {
            "initiator_id": initiator_id,
            "provider": "anthropic",
            "provider_name": "anthropic",
            "model": "claude-sonnet-4-0",
            "client": "Claude Code",
            "started_at": started_at,
            "ended_at": started_at + timedelta(milliseconds=1500),
            "client_session_id": session,
            "metadata": {},
        }
        return await self._insert("aibridge_interceptions", values | columns)

    async def token_usage(self, interception_id: UUID, **columns: Any) -> UUID:
        values: dict[str, Any] = {"input_tokens": 10, "output_tokens": 20, "metadata": {}}
        return await self._child("aibridge_token_usages", interception_id, values | columns)

    async def prompt(self, interception_id: UUID, prompt: str = "Hello", **columns: Any) -> UUID:
        values: dict[str, Any] = {"prompt": prompt, "metadata": {}}
        return await self._child("aibridge_user_prompts", interception_id, values | columns)

    async def tool_usage(self, interception_id: UUID, tool: str = "read", **columns: Any) -> UUID:
        values: dict[str, Any] = {"tool": tool, "input": "{}", "metadata": {}}
        return await self._child("aibridge_tool_usages", interception_id, values | columns)

    async def thought(self, interception_id: UUID, content: str = "Hm.", **columns: Any) -> None:
        values = {"interception_id": interception_id, "content": content, "metadata": {}}
        await self._write("aibridge_model_thoughts", {"created_at": self.tick()} | values | columns)

    async def _child(self, table: str, interception_id: UUID, values: dict[str, Any]) -> UUID:
        common = {
            "interception_id": interception_id,
            "provider_response_id": "answer",
            "created_at": self.tick(),
        }
        return await self._insert(table, common | values)

    async def _insert(self, table: str, values: dict[str, Any]) -> UUID:
        values = {"id": uuid4()} | values
        await self._write(table, values)
        return values["id"]  # type: ignore[no-any-return]

    async def _write(self, table: str, values: dict[str, Any]) -> None:
        columns = ", ".join(values)
        numbers = ", ".join(f"${n}" for n in range(1, len(values) + 1))
        await self._connection.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({numbers})",
            *(orjson.dumps(v).decode() if isinstance(v, dict) else v for v in values.values()),
        )
