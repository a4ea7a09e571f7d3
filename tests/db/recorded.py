"""One valid record of the import format, and files of records, for the tests of the importer."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(os.environ.get("AIBRIDGE_SHARED") or Path(__file__).parents[3] / "shared")
NDJSON = SHARED / "data" / "recorded.ndjson"
EXPORT = SHARED / "data" / "recorded-as-reference-export.json"

needs_recordings = pytest.mark.skipif(
    not NDJSON.exists(), reason=f"the real recordings are not at {SHARED / 'data'}"
)

USER = {
    "id": "7a6d1f0e-96a1-4f3c-8a55-1d0f6d3b7c11",
    "username": "ada",
    "name": "",
    "avatar_url": "",
}


def record(number: int = 1, **changed: Any) -> dict[str, Any]:
    """Return a record with one child of each kind; its ids follow from the number."""
    own = str(uuid.UUID(int=number << 64))
    child = {
        "interception_id": own,
        "provider_response_id": f"msg_{number}",
        "metadata": {},
        "created_at": "2026-10-12T08:00:01Z",
    }
    return {
        "id": own,
        "api_key_id": "k7QmZ2xLp9",
        "initiator": USER,
        "provider": "anthropic",
        "provider_name": "anthropic",
        "model": "claude-sonnet-4-5",
        "client": "Zed",
        "metadata": {"a": {"b": 1}},
        "started_at": "2026-10-12T08:00:00Z",
        "ended_at": "2026-10-12T08:00:02.5Z",
        "token_usages": [
            child
            | {"id": _child(number, 1), "input_tokens": 3, "output_tokens": 5}
            | {"cache_read_input_tokens": 7, "cache_write_input_tokens": 11}
        ],
        "user_prompts": [child | {"id": _child(number, 2), "prompt": "grüß dich 🙃\n"}],
        "tool_usages": [
            child
            | {"id": _child(number, 3), "tool": "Read", "input": "{}", "injected": False}
            | {"server_url": "", "invocation_error": "", "provider_tool_call_id": "call_1"}
        ],
        "client_session_id": "s1",
        "thread_parent_id": None,
        "thread_root_id": None,
        "credential_kind": "byok",
        "credential_hint": "sk-a...x9AA",
        "model_thoughts": [{"content": "hm", "metadata": {}, "created_at": "2026-10-12T08:00:01Z"}],
    } | changed


def _child(number: int, kind: int) -> str:
    return str(uuid.UUID(int=(number << 64) + kind))


def line(value: Any) -> bytes:
    """Return the value as a line of a file."""
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return a record with the value at a path like `token_usages.0.id`."""
    result: Any = json.loads(json.dumps(record()))
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    target = result
    for part in parents:
        target = target[part]
    if value is MISSING:
        del target[last]
    else:
        target[last] = value
    return dict(result)


MISSING = object()
