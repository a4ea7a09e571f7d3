"""What rows tell of themselves in JSON: the attributes that they can, and how each is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import sqlalchemy as sa

from db.models import interceptions, sessions
from db.queries import writing
from db.queries.writing import Written, sql
from db.rows import InterceptionRow, SessionRow

# From the columns of a row to how one attribute of it is written.
Writer: TypeAlias = Callable[[Any], Written]


def _column(model: sa.Column[Any], name: str) -> Writer:
    return lambda row: writing.column(model, row.c[name])


def _columns(table: sa.Table, *names: str) -> dict[str, Writer]:
    return {name: _column(table.c[name], name) for name in names}


def _duration(row: Any) -> Written:
    started_at, ended_at = row.c.started_at, row.c.ended_at
    milliseconds = sa.extract("epoch", ended_at - started_at) * sa.literal_column("1000")
    whole = sa.cast(sa.func.floor(milliseconds), sa.BigInteger)
    # Of infinite times there is no number: NULL fails the demand on it.
    is_finite = sa.and_(sa.func.isfinite(started_at), sa.func.isfinite(ended_at))
    return writing.number(sa.case((is_finite, whole)))


def _shown_hint(row: Any) -> Written:
    """As `db.rows.shown_hint` shows it."""
    hint = row.c.credential_hint
    masked = sa.and_(
        sa.func.length(hint) <= sa.literal_column("15"), sa.func.strpos(hint, sql("...")) > 0
    )
    return writing.text(sa.case((sa.or_(hint == sql(""), masked), hint), else_=sql("...")))


def _kind(row: Any) -> Written:
    """As GraphQL's enum calls it."""
    return writing.quoted(sa.func.upper(sa.cast(row.c.credential_kind, sa.Text)))


def _count(name: str) -> Writer:
    return lambda row: writing.small_number(row.c[name])


def _sum(name: str) -> Writer:
    return lambda row: writing.number(row.c[name])


# The columns that `SessionRow.token_sums` is made of; a page whose rows tell them has them apart.
TOKEN_SUMS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_input_tokens",
)

# By type of the rows and attribute.
OF: Mapping[type, Mapping[str, Writer]] = {
    InterceptionRow: {
        **_columns(
            interceptions,
            "id",
            "provider",
            "provider_name",
            "model",
            "client",
            "client_session_id",
            "api_key_id",
            "metadata",
            "started_at",
        ),
        "ended_at": lambda row: writing.moment(row.c.ended_at),
        "duration_ms": _duration,
        "shown_credential_hint": _shown_hint,
        "credential_kind": _kind,
    },
    SessionRow: {
        **_columns(
            sessions,
            "session_id",
            "client",
            "metadata",
            "providers",
            "models",
            "started_at",
            "ended_at",
            "last_active_at",
        ),
        "thread_count": _count("thread_count"),
        "interception_count": _count("interception_count"),
    },
}

# The same of objects that a row makes of its columns, by the attribute that holds them.
OBJECTS: Mapping[type, Mapping[str, Mapping[str, Writer]]] = {
    InterceptionRow: {},
    SessionRow: {
        "token_usage": {
            **{name: _sum(name) for name in TOKEN_SUMS},
            "carried_metadata": lambda row: Written([row.c.token_metadata]),
        }
    },
}


def global_id(row: type, table: Any, prefix: str) -> Written:
    """Write the global id of a row, as `resolvers.nodes` has it."""
    if row is SessionRow:
        key = sa.func.concat(sql(prefix), table.c.initiator_id, sql(":"), table.c.session_id)
        return writing.global_id(key, is_short=False)
    return writing.global_id(sa.func.concat(sql(prefix), table.c.id), is_short=True)
