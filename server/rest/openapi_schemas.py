"""The shapes of the answers, as JSON Schema; the keys in the order in which they come."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
UUID: Schema = {"type": "string", "format": "uuid"}
TIME: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": "Z$",
    "description": "RFC 3339 in UTC, to the microsecond, trailing zeros of the fraction removed.",
}
COUNT: Schema = {"type": "integer", "minimum": 0}
METADATA: Schema = {
    "type": "object",
    "description": "What the recorder noted beside; `{}` where there is nothing.",
}
SUMS: Schema = {
    "type": "object",
    "additionalProperties": {"type": "integer"},
    "description": "The integers of the metadata, summed key by key; nested keys joined by dots.",
}


def _text(description: str) -> Schema:
    return TEXT | {"description": description}


def _or_null(description: str) -> Schema:
    return {"type": ["string", "null"], "description": description}


def _object(properties: dict[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def ref(name: str) -> Schema:
    """Return a reference to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


_TOKENS = {
    "input_tokens": {"type": "integer"},
    "output_tokens": {"type": "integer"},
    "cache_read_input_tokens": {"type": "integer"},
    "cache_write_input_tokens": {"type": "integer"},
}
_CHILD = {"id": UUID, "interception_id": UUID, "provider_response_id": TEXT}
_CHILD_END = {"metadata": METADATA, "created_at": TIME}
_SERVER_URL = _text("The MCP server where the bridge itself ran the tool, else empty.")

SCHEMAS: dict[str, Schema] = {
    "User": _object({"id": UUID, "username": TEXT, "name": TEXT, "avatar_url": TEXT}),
    "TokenUsage": _object(_CHILD | _TOKENS | _CHILD_END),
    "UserPrompt": _object(_CHILD | {"prompt": TEXT} | _CHILD_END),
    "ToolUsage": _object(
        _CHILD
        | {
            "server_url": _SERVER_URL,
            "tool": TEXT,
            "input": _text("The arguments as the model gave them."),
            "injected": {"type": "boolean", "description": "Run by the bridge, not the client."},
            "invocation_error": _text("What went wrong, else empty."),
        }
        | _CHILD_END
    ),
    "Interception": _object(
        {
            "id": UUID,
            "api_key_id": _or_null("The key that the client used."),
            "initiator": ref("User"),
            "provider": TEXT,
            "provider_name": TEXT,
            "model": TEXT,
            "client": _or_null("The client; null where it was not recognised."),
            "metadata": METADATA,
            "started_at": TIME,
            "ended_at": TIME,
            "token_usages": _list(ref("TokenUsage")),
            "user_prompts": _list(ref("UserPrompt")),
            "tool_usages": _list(ref("ToolUsage")),
        }
    ),
    "Interceptions": _object({"count": COUNT, "results": _list(ref("Interception"))}),
    "Tokens": _object(_TOKENS),
    "TokenSummary": _object(_TOKENS | {"metadata": SUMS}),
    "ListedSession": _object(
        {
            "id": _text("The session id; two users may share one."),
            "initiator": ref("User"),
            "providers": _list(TEXT),
            "models": _list(TEXT),
            "client": _or_null("The client of its earliest interception."),
            "metadata": METADATA,
            "started_at": TIME | {"description": "Of its first interception that matches."},
            "ended_at": TIME | {"description": "Of its last interception that matches."},
            "threads": COUNT | {"description": "How many of its threads' roots match."},
            "token_usage_summary": ref("Tokens"),
            "last_prompt": _text("Its newest prompt; left out where there is none."),
            "last_active_at": TIME,
        },
        optional=("last_prompt",),
    ),
    "Sessions": _object({"count": COUNT, "sessions": _list(ref("ListedSession"))}),
    "ToolCall": _object(
        _CHILD
        | {"server_url": _SERVER_URL, "tool": TEXT, "injected": {"type": "boolean"}, "input": TEXT}
        | _CHILD_END
    ),
    "AgenticAction": _object(
        {
            "model": TEXT,
            "token_usage": ref("TokenSummary"),
            "thinking": _list(_object({"text": TEXT})),
            "tool_calls": _list(ref("ToolCall")),
        }
    ),
    "Thread": _object(
        {
            "id": UUID | {"description": "The id of its root interception."},
            "prompt": _text("The root's first prompt; left out where there is none."),
            "model": TEXT,
            "provider": TEXT,
            "credential_kind": {"type": "string", "enum": ["centralized", "byok"]},
            "credential_hint": _text("Masked; `...` where it was not masked when recorded."),
            "started_at": TIME,
            "ended_at": TIME,
            "token_usage": ref("TokenSummary"),
            "agentic_actions": _list(ref("AgenticAction")),
        },
        optional=("prompt",),
    ),
    "Session": _object(
        {
            "id": TEXT,
            "initiator": ref("User"),
            "providers": _list(TEXT),
            "models": _list(TEXT),
            "client": _text("The client of its earliest interception; left out when unknown."),
            "metadata": METADATA,
            "page_started_at": TIME | {"description": "Left out on an empty page."},
            "page_ended_at": TIME | {"description": "Left out on an empty page."},
            "started_at": TIME,
            "ended_at": TIME,
            "token_usage_summary": ref("TokenSummary"),
            "threads": _list(ref("Thread")),
        },
        optional=("client", "page_started_at", "page_ended_at"),
    ),
    "Values": _list(TEXT),
    "Error": _object(
        {
            "message": TEXT,
            "detail": TEXT,
            "validations": _list(_object({"field": TEXT, "detail": TEXT})),
        },
        optional=("detail", "validations"),
    ),
}
