"""What the contract says of a world, worked out in plain Python: no SQL, no code of the product."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from tests.server.rest.world import Interception, User, World

Test = Callable[[Interception], bool]
JSON = dict[str, Any]


def everything(_: Interception) -> bool:
    return True


def time(value: datetime) -> str:
    whole, _, fraction = value.strftime("%Y-%m-%dT%H:%M:%S.%f").partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


def user(one: User) -> JSON:
    return {
        "id": str(one.id),
        "username": one.username,
        "name": one.name,
        "avatar_url": one.avatar_url,
    }


def interceptions(world: World, matches: Test = everything) -> list[JSON]:
    found = sorted(filter(matches, world.ended), key=lambda i: (i.started_at, i.id), reverse=True)
    return [_interception(i) for i in found]


def _interception(i: Interception) -> JSON:
    assert i.ended_at is not None
    return {
        "id": str(i.id),
        "api_key_id": i.api_key_id,
        "initiator": user(i.initiator),
        "provider": i.provider,
        "provider_name": i.provider_name,
        "model": i.model,
        "client": i.client,
        "metadata": i.metadata or {},
        "started_at": time(i.started_at),
        "ended_at": time(i.ended_at),
        "token_usages": [_child(row) for row in _in_order(i.tokens)],
        "user_prompts": [_child(row) for row in _in_order(i.prompts)],
        "tool_usages": [_tool_usage(row) for row in _in_order(i.tools)],
    }


def _child(row: JSON) -> JSON:
    """One row as JSON; `metadata` and `created_at` come last."""
    last = {"metadata": row["metadata"] or {}, "created_at": time(row["created_at"])}
    return {n: str(v) if isinstance(v, UUID) else v for n, v in row.items() if n not in last} | last


def _tool_usage(row: JSON) -> JSON:
    told = {n: v for n, v in row.items() if n != "provider_tool_call_id"}
    texts = {n: row[n] or "" for n in ("server_url", "invocation_error")}
    return _child(told | texts)


def _in_order(rows: Iterable[JSON]) -> list[JSON]:
    return sorted(rows, key=lambda row: (row["created_at"], row["id"]))


def sessions(world: World, matches: Test = everything) -> list[JSON]:
    by_key: dict[tuple[str, UUID], list[Interception]] = defaultdict(list)
    for i in world.ended:
        by_key[i.session_key].append(i)
    listed = []
    for key, whole in by_key.items():
        if matching := [i for i in whole if matches(i)]:
            place = (min(i.started_at for i in matching), *key)
            listed.append((place, _session(whole, matching)))
    return [session for _, session in sorted(listed, key=lambda pair: pair[0], reverse=True)]


def _session(whole: list[Interception], matching: list[Interception]) -> JSON:
    first = min(whole, key=lambda i: (i.started_at, i.id))
    started_at = min(i.started_at for i in matching)
    prompts = _in_order(row for i in whole for row in i.prompts)
    last = {"last_prompt": prompts[-1]["prompt"]} if prompts else {}
    return {
        "id": first.session_id,
        "initiator": user(first.initiator),
        "providers": sorted({i.provider for i in whole}),
        "models": sorted({i.model for i in whole}),
        "client": first.client,
        "metadata": first.metadata or {},
        "started_at": time(started_at),
        "ended_at": time(max(i.ended_at for i in matching if i.ended_at)),
        "threads": sum(i.thread_root_id is None for i in matching),
        "token_usage_summary": _sums(whole),
        **last,
        "last_active_at": time(prompts[-1]["created_at"] if prompts else started_at),
    }


def _sums(of: Iterable[Interception]) -> JSON:
    rows = [row for i in of for row in i.tokens]
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens")
    return {name: sum(row[name] for row in rows) for name in names}


def _sums_with_metadata(of: Iterable[Interception]) -> JSON:
    of = list(of)
    sums: dict[str, int] = defaultdict(int)
    for name, value in (
        pair for i in of for row in i.tokens for pair in _flat(row["metadata"] or {})
    ):
        sums[name] += value
    return _sums(of) | {"metadata": dict(sums)}


def _flat(metadata: JSON, prefix: str = "") -> Iterable[tuple[str, int]]:
    for name, value in metadata.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, int) or (isinstance(value, str) and value.isdigit()):
            yield prefix + name, int(value)


def threads(world: World, key: tuple[str, UUID]) -> list[Interception]:
    roots = [i for i in world.ended if i.session_key == key and i.thread_root_id is None]
    return sorted(roots, key=lambda i: (i.started_at, i.id))


def session(world: World, key: tuple[str, UUID], page: list[Interception]) -> JSON:
    """The answer for one session with a page of its threads, given by their roots."""
    whole = [i for i in world.ended if i.session_key == key]
    listed = _session(whole, whole)
    members = [i for root in page for i in _members(world, root)]
    return {
        **{n: listed[n] for n in ("id", "initiator", "providers", "models")},
        **({"client": listed["client"]} if listed["client"] is not None else {}),
        "metadata": listed["metadata"],
        **(
            {
                "page_started_at": time(min(i.started_at for i in members)),
                "page_ended_at": time(max(i.ended_at for i in members if i.ended_at)),
            }
            if page
            else {}
        ),
        "started_at": listed["started_at"],
        "ended_at": listed["ended_at"],
        "token_usage_summary": _sums_with_metadata(whole),
        "threads": [_thread(root, _members(world, root)) for root in page],
    }


def _members(world: World, root: Interception) -> list[Interception]:
    found = [
        i
        for i in world.ended
        if root.id in {i.id, i.thread_root_id} and i.session_key == root.session_key
    ]
    return sorted(found, key=lambda i: (i.started_at, i.id))


def _thread(root: Interception, members: list[Interception]) -> JSON:
    prompts = _in_order(root.prompts)
    hint = root.credential_hint
    return {
        "id": str(root.id),
        **({"prompt": prompts[0]["prompt"]} if prompts else {}),
        "model": root.model,
        "provider": root.provider,
        "credential_kind": root.credential_kind,
        "credential_hint": hint if hint == "" or "..." in hint else "...",
        "started_at": time(min(i.started_at for i in members)),
        "ended_at": time(max(i.ended_at for i in members if i.ended_at)),
        "token_usage": _sums_with_metadata(members),
        "agentic_actions": [_action(i) for i in members if i.tools],
    }


def _action(i: Interception) -> JSON:
    keys = (
        "id interception_id provider_response_id server_url tool injected input metadata created_at"
    )
    calls = [_tool_usage(row) for row in _in_order(i.tools)]
    return {
        "model": i.model,
        "token_usage": _sums_with_metadata([i]),
        "thinking": [{"text": thought["content"]} for thought in i.thoughts],
        "tool_calls": [{name: call[name] for name in keys.split()} for call in calls],
    }
