"""A small random audit trail in Python, with the ties and oddities that lists must survive."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson

START = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)
SESSION_IDS = ["s1", "s2", "s3", "a/b c", "50%", "żółw?&=#", "s6", "s7", "s8", "s9"]
MODELS = ["claude-sonnet-4-0", "gpt-5", "gpt-5_codex", "llama3:8b"]
CLIENTS = [None, "Unknown", "Claude Code", "Codex", "100%"]
HINTS = ["", "sk-a...x9AA", "<failover key>"]
METADATA = [None, {}, {"k": "v"}, {"a": {"b": 1, "c": "2", "d": 0.5}, "e": 3}, {"e": "x", "f": "7"}]


@dataclass(frozen=True)
class User:
    id: UUID
    username: str
    name: str
    avatar_url: str


@dataclass
class Interception:
    id: UUID
    initiator: User
    provider: str
    provider_name: str
    model: str
    started_at: datetime
    ended_at: datetime | None
    metadata: dict[str, Any] | None
    api_key_id: str | None
    client: str | None
    thread_parent_id: UUID | None
    thread_root_id: UUID | None
    client_session_id: str | None
    credential_kind: str
    credential_hint: str
    tokens: list[dict[str, Any]] = field(default_factory=list)
    prompts: list[dict[str, Any]] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)
    thoughts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def session_id(self) -> str:
        return self.client_session_id or str(self.thread_root_id or self.id)

    @property
    def session_key(self) -> tuple[str, UUID]:
        return self.session_id, self.initiator.id


@dataclass
class World:
    users: list[User]
    interceptions: list[Interception]

    @property
    def ended(self) -> list[Interception]:
        return [i for i in self.interceptions if i.ended_at is not None]


def random_world(seed: int, size: int = 120) -> World:
    dice = random.Random(seed)

    def uuid() -> UUID:
        return UUID(int=dice.getrandbits(128), version=4)

    users = [
        User(uuid(), name, name.title(), f"https://avatars.example.com/{name}" * (name != "bob"))
        for name in ("ada", "bob", "Cléo")
    ]
    interceptions: list[Interception] = []
    for _ in range(size):
        # Few moments and few session ids: ties, and session ids that users share.
        started_at = START + timedelta(
            seconds=dice.randrange(40), microseconds=dice.choice([0, 120_000, 7])
        )
        root = dice.choice(interceptions) if interceptions and dice.random() < 0.5 else None
        same = root is not None and dice.random() < 0.8
        one = Interception(
            id=uuid(),
            initiator=root.initiator if root and same else dice.choice(users),
            provider=dice.choice(["anthropic", "openai"]),
            provider_name=dice.choice(["", "main"]),
            model=dice.choice(MODELS),
            started_at=started_at,
            ended_at=started_at + timedelta(milliseconds=dice.randrange(5000))
            if dice.random() < 0.9
            else None,
            metadata=dice.choice(METADATA),
            api_key_id=dice.choice([None, "key4567890"]),
            client=dice.choice(CLIENTS),
            thread_parent_id=root.id if root else None,
            thread_root_id=(root.thread_root_id or root.id)
            if root
            else (uuid() if dice.random() < 0.05 else None),
            client_session_id=root.client_session_id
            if root and same
            else dice.choice([None, *SESSION_IDS]),
            credential_kind=dice.choice(["centralized", "byok"]),
            credential_hint=dice.choice(HINTS),
        )
        _fill(one, dice, uuid)
        interceptions.append(one)
    return World(users, interceptions)


def _fill(one: Interception, dice: random.Random, uuid: Callable[[], UUID]) -> None:
    def common() -> dict[str, Any]:
        return {
            "id": uuid(),
            "interception_id": one.id,
            "provider_response_id": f"msg_{dice.randrange(100)}",
            "metadata": dice.choice(METADATA),
            "created_at": one.started_at + timedelta(seconds=dice.randrange(3)),
        }

    for _ in range(dice.choice([0, 1, 1, 2])):
        names = (
            "input_tokens",
            "output_tokens",
            "cache_read_input_tokens",
            "cache_write_input_tokens",
        )
        one.tokens.append(common() | {name: dice.randrange(2**40) for name in names})
    for _ in range(dice.choice([0, 0, 1, 2])):
        one.prompts.append(common() | {"prompt": dice.choice(["hello", "Grüße\n", '"quoted" <&>'])})
    for _ in range(dice.choice([0, 0, 1, 3])):
        one.tools.append(
            common()
            | {
                "provider_tool_call_id": dice.choice([None, "call_1"]),
                "server_url": dice.choice([None, "https://mcp.example.com"]),
                "tool": dice.choice(["read", "write"]),
                "input": '{"path":"/tmp"}',
                "injected": dice.random() < 0.3,
                "invocation_error": dice.choice([None, "no such file"]),
            }
        )
    for number in range(dice.choice([0, 1, 2])):
        one.thoughts.append(
            {
                "interception_id": one.id,
                "content": f"thought {number}",
                "metadata": None,
                "created_at": one.started_at + timedelta(seconds=number),
            }
        )


async def write(world: World, database_url: str) -> None:
    """Write the world into an empty database."""
    connection = await asyncpg.connect(database_url)
    try:
        for user in world.users:
            await connection.execute(
                "INSERT INTO users (id, username, email, name, avatar_url) "
                "VALUES ($1, $2, $2, $3, $4)",
                user.id,
                user.username,
                user.name,
                user.avatar_url,
            )
        rows = [
            {
                n: v
                for n, v in vars(i).items()
                if n not in {"initiator", "tokens", "prompts", "tools", "thoughts"}
            }
            | {"initiator_id": i.initiator.id}
            for i in world.interceptions
        ]
        await _write(connection, "aibridge_interceptions", rows)
        for table, kind in (
            ("aibridge_token_usages", "tokens"),
            ("aibridge_user_prompts", "prompts"),
            ("aibridge_tool_usages", "tools"),
            ("aibridge_model_thoughts", "thoughts"),
        ):
            await _write(
                connection, table, [row for i in world.interceptions for row in getattr(i, kind)]
            )
    finally:
        await connection.close()


async def _write(connection: asyncpg.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    names = list(rows[0])
    numbers = ", ".join(f"${number}" for number in range(1, len(names) + 1))
    await connection.executemany(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({numbers})",
        [
            [orjson.dumps(v).decode() if isinstance(v, dict) else v for v in row.values()]
            for row in rows
        ],
    )
