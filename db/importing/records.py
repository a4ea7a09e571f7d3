"""One record of a file, decoded and judged.

Required are the keys that no default stands for, `ended_at` (null means in flight) and the lists.
Keys that we don't know are passed over: a newer exporter may write more.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Raw, Struct

from db.importing.pieces import Piece


class RecordError(Exception):
    """A record can't be taken; the message is one sentence without a capital and full stop."""


_EMPTY = Raw(b"{}")

BigInt = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Time = Annotated[datetime, Meta(tz=True)]


class Initiator(Struct, gc=False):
    """The user on whose behalf the request ran."""

    id: UUID
    username: Annotated[str, Meta(min_length=1)]
    name: str = ""
    avatar_url: str = ""


class TokenUsage(Struct, gc=False):
    """What one answer of the provider took."""

    id: UUID
    interception_id: UUID
    provider_response_id: str
    input_tokens: BigInt
    output_tokens: BigInt
    created_at: Time
    cache_read_input_tokens: BigInt = 0
    cache_write_input_tokens: BigInt = 0
    metadata: Raw = _EMPTY


class UserPrompt(Struct, gc=False):
    """What a person asked."""

    id: UUID
    interception_id: UUID
    provider_response_id: str
    prompt: str
    created_at: Time
    metadata: Raw = _EMPTY


class ToolUsage(Struct, gc=False):
    """A tool call that the model asked for; an empty server or error stands for none."""

    id: UUID
    interception_id: UUID
    provider_response_id: str
    tool: str
    input: str
    created_at: Time
    server_url: str | None = None
    injected: bool = False
    invocation_error: str | None = None
    provider_tool_call_id: str | None = None
    provider_item_id: str | None = None
    metadata: Raw = _EMPTY


class ModelThought(Struct, gc=False):
    """What the model thought; it has no id."""

    content: str
    created_at: Time
    metadata: Raw = _EMPTY


class Record(Struct, gc=False):
    """An interception with all that it used."""

    id: UUID
    initiator: Initiator
    provider: str
    model: str
    started_at: Time
    ended_at: Time | None
    token_usages: list[TokenUsage]
    user_prompts: list[UserPrompt]
    tool_usages: list[ToolUsage]
    provider_name: str = ""
    metadata: Raw = _EMPTY
    api_key_id: str | None = None
    client: Annotated[str, Meta(max_length=64)] | None = None
    thread_parent_id: UUID | None = None
    thread_root_id: UUID | None = None
    client_session_id: Annotated[str, Meta(max_length=256)] | None = None
    credential_kind: Literal["centralized", "byok"] = "centralized"
    credential_hint: Annotated[str, Meta(max_length=15)] = ""
    model_thoughts: list[ModelThought] = []


_DECODER = msgspec.json.Decoder(Record)

# What PostgreSQL and Python both hold in every time zone.
_FIRST_TIME: Final = datetime(1, 1, 2, tzinfo=UTC)
_LAST_TIME: Final = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)

_OUT_OF_RANGE: Final = "out of the range of times that can be stored"
_NO_OBJECT: Final = "expected object or null"

_MESSAGE = re.compile(r"(?P<what>.+?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.+)`")


def decode(piece: Piece) -> Record:
    """Return the record that the piece holds.

    Raises:
        RecordError: It can't be taken as it is.
    """
    if piece.fault:
        raise RecordError(piece.fault)
    text = piece.text
    try:
        text.decode()
        record = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise RecordError(f"not UTF-8: byte {text[error.start]:#04x} at {error.start}") from None
    except msgspec.ValidationError as error:
        raise RecordError(_reworded(str(error))) from None
    except msgspec.DecodeError as error:
        raise RecordError(_syntax_error(text, error)) from None
    except RecursionError:
        raise RecordError("nested too deeply") from None
    if b"\\u0000" in text:
        _refuse_nul(text)
    _check(record)
    return record


def _reworded(message: str) -> str:
    """Return msgspec's message with the place first: `user_prompts[0].prompt: expected str`."""
    match = _MESSAGE.fullmatch(message)
    what, path = (match["what"], match["path"] or "") if match else (message, "")
    missing = _MISSING.fullmatch(what)
    if missing:
        path, what = f"{path}.{missing[1]}".lstrip("."), "missing"
    what = what[:1].lower() + what[1:].replace("`", "")
    return f"{path}: {what}" if path else what


def _syntax_error(text: bytes, error: msgspec.DecodeError) -> str:
    if not text.strip(b"\0"):
        return "not JSON: nothing but NUL bytes"
    if re.search(rb"\\u[dD][89a-fA-F]", text):
        try:
            json.loads(text)
        except ValueError:
            pass
        else:
            return "half a surrogate pair (\\ud800 to \\udfff), which is no character"
    what = str(error).removeprefix("JSON is malformed: ").replace("Input data was truncated", "")
    return f"not JSON: {what or 'it breaks off'}"


def _refuse_nul(text: bytes) -> None:
    """Refuse an escaped NUL, which PostgreSQL's text and jsonb can't hold, wherever it stands."""

    def search(value: Any, path: str) -> None:
        if isinstance(value, str):
            if "\0" in value:
                raise RecordError(f"{path}: holds NUL (\\u0000), which PostgreSQL can't store")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                search(item, f"{path}[{index}]")
        elif isinstance(value, dict):
            for key, item in value.items():
                search(key, path)
                search(item, f"{path}.{key}".lstrip("."))

    search(msgspec.json.decode(text), "")


def _check(record: Record) -> None:
    """Refuse what the types can't tell."""
    for name, time in (("started_at", record.started_at), ("ended_at", record.ended_at)):
        if time is not None and not _can_be_stored(time):
            raise RecordError(f"{name}: {_OUT_OF_RANGE}")
    if not _is_object(record.metadata):
        raise RecordError(f"metadata: {_NO_OBJECT}")
    for name in ("token_usages", "user_prompts", "tool_usages"):
        seen: set[int] = set()
        for index, child in enumerate(getattr(record, name)):
            fault = _child_fault(child, record.id, seen)
            if fault:
                raise RecordError(f"{name}[{index}].{fault}")
    for index, thought in enumerate(record.model_thoughts):
        fault = _part_fault(thought)
        if fault:
            raise RecordError(f"model_thoughts[{index}].{fault}")


def _child_fault(
    child: TokenUsage | UserPrompt | ToolUsage, parent: UUID, seen: set[int]
) -> str | None:
    # Numbers compare in a tenth of the time that UUIDs take.
    if child.interception_id.int != parent.int:
        return "interception_id: is not the id of this interception"
    if child.id.int in seen:
        return "id: is that of another one of this interception"
    seen.add(child.id.int)
    return _part_fault(child)


def _part_fault(part: TokenUsage | UserPrompt | ToolUsage | ModelThought) -> str | None:
    if not _can_be_stored(part.created_at):
        return f"created_at: {_OUT_OF_RANGE}"
    return None if _is_object(part.metadata) else f"metadata: {_NO_OBJECT}"


def _can_be_stored(time: datetime) -> bool:
    # Nearly all are told by the year, without a look at the zone.
    return _FIRST_TIME.year < time.year < _LAST_TIME.year or _FIRST_TIME <= time <= _LAST_TIME


def _is_object(metadata: Raw) -> bool:
    return bytes(metadata)[:1] in (b"{", b"n")
