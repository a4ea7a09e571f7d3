"""How a connection of the pool is made ready: values of JSON, and nothing to reset."""

from __future__ import annotations

import json
from typing import Any

import orjson

# So many digits are an integer of 64 bits for certain.
_DIGITS = 18


async def prepare(connection: Any) -> None:
    """Let a new connection read and write JSON as Python values."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="text",
        encoder=lambda value: orjson.dumps(value).decode(),
        decoder=_decoded,
    )


def _decoded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # PostgreSQL holds numbers that no double does: infinite to us, and null to who is told.
        return json.loads(text, parse_int=_number)


def _number(digits: str) -> float:
    return int(digits) if len(digits) <= _DIGITS else float(digits)


async def reset(_: Any) -> None:
    """Save a round trip: the pool has rolled back, and nobody of ours changes a session's state."""
