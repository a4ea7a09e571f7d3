"""The tables, column-compatible with those that Coder's AI Bridge writes.

The tables are the target of the migrations (`make migration-check` compares the two) and the
vocabulary of `db.queries`. Child tables carry no foreign key to their interception: the recorder
writes them asynchronously, a child may come first.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, ENUM, JSONB

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

credential_kind = ENUM("centralized", "byok", name="credential_kind", metadata=metadata)
user_status = ENUM("active", "suspended", "dormant", name="user_status", metadata=metadata)

_now = sa.func.now()


def _timestamp(name: str, *, nullable: bool = False, default: bool = False) -> sa.Column[object]:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        nullable=nullable,
        server_default=_now if default else None,
    )


users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("username", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False, server_default=""),
    sa.Column("avatar_url", sa.Text, nullable=False, server_default=""),
    sa.Column("rbac_roles", ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("status", user_status, nullable=False, server_default="active"),
    sa.Column("deleted", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("is_system", sa.Boolean, nullable=False, server_default=sa.false()),
    _timestamp("created_at", default=True),
    _timestamp("updated_at", default=True),
    sa.Index(
        "uq_users_lower_username",
        sa.text("lower(username)"),
        unique=True,
        postgresql_where=sa.text("NOT deleted"),
    ),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("hashed_secret", sa.LargeBinary, nullable=False),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    _timestamp("last_used", default=True),
    _timestamp("expires_at"),
    _timestamp("created_at", default=True),
    _timestamp("updated_at", default=True),
    sa.Column("login_type", sa.Text, nullable=False, server_default="token"),
    sa.Column("lifetime_seconds", sa.BigInteger, nullable=False, server_default="86400"),
    sa.Column("token_name", sa.Text, nullable=False, server_default=""),
    sa.Index(None, "user_id"),
)

_ended = sa.text("ended_at IS NOT NULL")

interceptions = sa.Table(
    "aibridge_interceptions",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("initiator_id", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("provider_name", sa.Text, nullable=False, server_default=""),
    sa.Column("model", sa.Text, nullable=False),
    _timestamp("started_at"),
    _timestamp("ended_at", nullable=True),
    sa.Column("metadata", JSONB),
    sa.Column("api_key_id", sa.Text),
    sa.Column("client", sa.String(64)),
    sa.Column("thread_parent_id", sa.Uuid),
    sa.Column("thread_root_id", sa.Uuid),
    sa.Column("client_session_id", sa.String(256)),
    sa.Column(
        "session_id",
        sa.Text,
        sa.Computed(
            "COALESCE(client_session_id, (thread_root_id)::text, (id)::text)", persisted=True
        ),
        nullable=False,
    ),
    sa.Column("credential_kind", credential_kind, nullable=False, server_default="centralized"),
    sa.Column("credential_hint", sa.String(15), nullable=False, server_default=""),
    # The newest first list.
    sa.Index(
        "ix_aibridge_interceptions_started_at_id", sa.text("started_at DESC"), sa.text("id DESC")
    ),
    # "The first interception of each session" (sessions.py) and the interceptions of a session.
    sa.Index(
        "ix_aibridge_interceptions_session",
        "session_id",
        "initiator_id",
        "started_at",
        "id",
        postgresql_where=_ended,
    ),
    sa.Index(
        "ix_aibridge_interceptions_initiator",
        "initiator_id",
        sa.text("started_at DESC"),
        sa.text("id DESC"),
        postgresql_where=_ended,
    ),
    sa.Index(
        "ix_aibridge_interceptions_sessions_newest",
        sa.text("started_at DESC"),
        sa.text("session_id DESC"),
        sa.text("initiator_id DESC"),
        "id",
        postgresql_where=_ended,
    ),
    # How many there are of some kinds. Few bytes for each: thousands share one combination.
    sa.Index(
        "ix_aibridge_interceptions_kind",
        "model",
        "provider",
        "provider_name",
        sa.text("coalesce(client, 'Unknown')"),
        "credential_kind",
        # To be read off the index alone, which takes the column itself too.
        "client",
        "initiator_id",
        postgresql_where=_ended,
    ),
    sa.Index(None, "thread_root_id"),
    sa.Index(None, "provider"),
    sa.Index(None, "client"),
)


def _child(name: str, *columns: sa.Column[object], indexes: tuple[sa.Index, ...] = ()) -> sa.Table:
    """A table of what one interception used; read by interception, oldest first."""
    return sa.Table(
        name,
        metadata,
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("interception_id", sa.Uuid, nullable=False),
        sa.Column("provider_response_id", sa.Text, nullable=False),
        *columns,
        sa.Column("metadata", JSONB),
        _timestamp("created_at"),
        sa.Index(f"ix_{name}_interception", "interception_id", "created_at", "id"),
        *indexes,
    )


def _tokens(name: str, default: str | None = None) -> sa.Column[object]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=default)


token_usages = _child(
    "aibridge_token_usages",
    _tokens("input_tokens"),
    _tokens("output_tokens"),
    _tokens("cache_read_input_tokens", "0"),
    _tokens("cache_write_input_tokens", "0"),
)

user_prompts = _child(
    "aibridge_user_prompts",
    sa.Column("prompt", sa.Text, nullable=False),
    indexes=(
        sa.Index("ix_aibridge_user_prompts_newest", sa.text("created_at DESC"), sa.text("id DESC")),
        # What prompts contain (prompt_search.py); only where the database is in UTF-8.
        sa.Index(
            "ix_aibridge_user_prompts_grams",
            sa.text("aibridge_grams(prompt)"),
            postgresql_using="gin",
        ),
    ),
)

tool_usages = _child(
    "aibridge_tool_usages",
    sa.Column("provider_tool_call_id", sa.Text),
    sa.Column("provider_item_id", sa.Text),
    sa.Column("server_url", sa.Text),
    sa.Column("tool", sa.Text, nullable=False),
    sa.Column("input", sa.Text, nullable=False),
    sa.Column("injected", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("invocation_error", sa.Text),
    indexes=(
        sa.Index("ix_aibridge_tool_usages_provider_tool_call_id", "provider_tool_call_id"),
        sa.Index("ix_aibridge_tool_usages_tool_newest", "tool", sa.text("created_at DESC")),
        sa.Index("ix_aibridge_tool_usages_newest", sa.text("created_at DESC"), sa.text("id DESC")),
    ),
)

model_thoughts = sa.Table(
    "aibridge_model_thoughts",
    metadata,
    sa.Column("interception_id", sa.Uuid, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("metadata", JSONB),
    _timestamp("created_at"),
    sa.Index("ix_aibridge_model_thoughts_interception", "interception_id", "created_at"),
)


def _texts(name: str) -> sa.Column[object]:
    return sa.Column(name, ARRAY(sa.Text), nullable=False)


def _sum(name: str) -> sa.Column[object]:
    # Sums of bigints are numeric, so that no sum overflows.
    return sa.Column(name, sa.Numeric, nullable=False)


# The combinations of columns that occur in interceptions; a client that is NULL reads `Unknown`.
kinds = sa.Table(
    "aibridge_kinds",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("digest", sa.Uuid, nullable=False, unique=True),
    *(
        sa.Column(name, sa.Text, nullable=False)
        for name in ("provider", "provider_name", "model", "client", "credential_kind")
    ),
)

# A tool, and the kind of an interception that called it: a combination that occurs.
tool_kinds = sa.Table(
    "aibridge_tool_kinds",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("tool", sa.Text, nullable=False),
    sa.Column("kind", sa.Integer, nullable=False),
    sa.UniqueConstraint("tool", "kind"),
)

# A row for each session with an ended interception, kept by triggers of the tables above: nothing
# else writes it. Not there in a database that is Coder's own.
sessions = sa.Table(
    "aibridge_sessions",
    metadata,
    sa.Column("session_id", sa.Text, primary_key=True),
    sa.Column("initiator_id", sa.Uuid, primary_key=True),
    _timestamp("started_at"),
    _timestamp("ended_at"),
    _timestamp("last_started_at"),
    _timestamp("last_prompt_at", nullable=True),
    sa.Column("last_prompt_id", sa.Uuid),
    sa.Column(
        "last_active_at",
        sa.DateTime(timezone=True),
        sa.Computed("COALESCE(last_prompt_at, started_at)", persisted=True),
        nullable=False,
    ),
    # The day is indexed, not the time, so that most updates of a row stay clear of the indexes.
    sa.Column(
        "last_started_on",
        sa.Date,
        sa.Computed("((last_started_at AT TIME ZONE 'UTC'::text))::date", persisted=True),
        nullable=False,
    ),
    sa.Column("threads", sa.BigInteger, nullable=False),
    sa.Column("interceptions", sa.BigInteger, nullable=False),
    _sum("input_tokens"),
    _sum("output_tokens"),
    _sum("cache_read_input_tokens"),
    _sum("cache_write_input_tokens"),
    sa.Column("token_metadata", JSONB, nullable=False),
    # The earliest interception by (started_at, id), with its client and metadata.
    sa.Column("first_id", sa.Uuid, nullable=False),
    sa.Column("client", sa.String(64)),
    sa.Column("metadata", JSONB),
    # Distinct values over all interceptions, ascending by code point.
    _texts("providers"),
    _texts("models"),
    # Which rows of `kinds` its interceptions are of.
    sa.Column("kinds", ARRAY(sa.Integer), nullable=False),
    # The transaction that last computed the row anew rather than added to it; see the migration.
    sa.Column("recomputed_in", sa.BigInteger),
    # Which rows of `tool_kinds` its calls of tools are of.
    sa.Column("tool_kinds", ARRAY(sa.Integer), nullable=False, server_default="{}"),
    sa.Index(
        "ix_aibridge_sessions_newest",
        sa.text("started_at DESC"),
        sa.text("session_id DESC"),
        sa.text("initiator_id DESC"),
    ),
    sa.Index(
        "ix_aibridge_sessions_initiator",
        "initiator_id",
        sa.text("started_at DESC"),
        sa.text("session_id DESC"),
    ),
    sa.Index(
        "ix_aibridge_sessions_last_active",
        sa.text("last_active_at DESC"),
        sa.text("session_id DESC"),
        sa.text("initiator_id DESC"),
    ),
    sa.Index("ix_aibridge_sessions_last_started", "last_started_on", "started_at"),
    sa.Index("ix_aibridge_sessions_kinds", "kinds", postgresql_using="gin"),
    sa.Index("ix_aibridge_sessions_tool_kinds", "tool_kinds", postgresql_using="gin"),
    postgresql_with={"fillfactor": 80},
)

# How many sessions an initiator has of a combination of kinds: the sum of what may be several rows,
# kept by triggers of `sessions`. The migration says why.
session_counts = sa.Table(
    "aibridge_session_counts",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("initiator_id", sa.Uuid, nullable=False),
    sa.Column("kinds", ARRAY(sa.Integer), nullable=False),
    sa.Column("sessions", sa.BigInteger, nullable=False),
    sa.Index("ix_aibridge_session_counts_key", "initiator_id", sa.text("hash_array(kinds)")),
    postgresql_with={"fillfactor": 80},
)

# The same of the sessions that called a tool, by the kinds of the interceptions that called it.
tool_counts = sa.Table(
    "aibridge_tool_counts",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("tool", sa.Text, nullable=False),
    sa.Column("initiator_id", sa.Uuid, nullable=False),
    sa.Column("kinds", ARRAY(sa.Integer), nullable=False),
    sa.Column("sessions", sa.BigInteger, nullable=False),
    sa.Index("ix_aibridge_tool_counts_key", "tool", "initiator_id", sa.text("hash_array(kinds)")),
    postgresql_with={"fillfactor": 80},
)

# How many interceptions have ended, by initiator and kind; of several rows the sum counts.
interception_counts = sa.Table(
    "aibridge_interception_counts",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("initiator_id", sa.Uuid, nullable=False),
    sa.Column("digest", sa.Uuid, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("provider_name", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("credential_kind", sa.Text, nullable=False),
    sa.Column("interceptions", sa.BigInteger, nullable=False),
    sa.Index("ix_aibridge_interception_counts_key", "initiator_id", "digest", "id"),
    postgresql_with={"fillfactor": 80},
)

# A view of all users, deleted ones too; Alembic does not compare views, so it stands alone.
visible_users = sa.table(
    "visible_users",
    sa.column("id", sa.Uuid),
    sa.column("username", sa.Text),
    sa.column("name", sa.Text),
    sa.column("avatar_url", sa.Text),
)
