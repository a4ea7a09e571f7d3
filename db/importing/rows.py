"""Records as the rows of a batch."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Raw

from db.importing.batches import Batch, Row, user_row
from db.importing.records import Record


def batch_of(records: Iterable[Record]) -> Batch:
    """Return the rows of the records."""
    batch = Batch()
    for record in records:
        add(record, batch)
    return batch


def add(record: Record, batch: Batch) -> None:
    """Add the rows of a record to a batch."""
    user = record.initiator
    if user.id not in batch.users:
        batch.users[user.id] = user_row(user.id, user.username, user.name, user.avatar_url)
    batch.interceptions.append(_interception(record))
    key = record.id
    batch.token_usages += [
        (t.id, key, t.provider_response_id, t.input_tokens, t.output_tokens,
         t.cache_read_input_tokens, t.cache_write_input_tokens, _json(t.metadata), t.created_at)
        for t in record.token_usages
    ]  # fmt: skip
    batch.user_prompts += [
        (p.id, key, p.provider_response_id, p.prompt, _json(p.metadata), p.created_at)
        for p in record.user_prompts
    ]
    # The REST form has the empty string where the tables have NULL.
    batch.tool_usages += [
        (t.id, key, t.provider_response_id, t.provider_tool_call_id, t.provider_item_id,
         t.server_url or None, t.tool, t.input, t.injected, t.invocation_error or None,
         _json(t.metadata), t.created_at)
        for t in record.tool_usages
    ]  # fmt: skip
    batch.model_thoughts += [
        (key, t.content, _json(t.metadata), t.created_at) for t in record.model_thoughts
    ]


def _interception(record: Record) -> Row:
    return (
        record.id,
        record.initiator.id,
        record.provider,
        record.provider_name,
        record.model,
        record.started_at,
        record.ended_at,
        _json(record.metadata),
        record.api_key_id,
        record.client,
        record.thread_parent_id,
        record.thread_root_id,
        record.client_session_id,
        record.credential_kind,
        record.credential_hint,
    )


def _json(metadata: Raw) -> str:
    """Return the object's text; null is the empty one, as the recorder writes it."""
    text = bytes(metadata)
    return "{}" if text == b"null" else text.decode()
