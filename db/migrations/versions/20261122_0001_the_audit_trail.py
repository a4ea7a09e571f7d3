"""The audit trail: users, keys, interceptions and what they used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, ENUM, JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ENDED = sa.text("ended_at IS NOT NULL")
_CREDENTIAL_KIND = ENUM("centralized", "byok", name="credential_kind", create_type=False)
_USER_STATUS = ENUM("active", "suspended", "dormant", name="user_status", create_type=False)


def _timestamp(name: str, *, nullable: bool = False, now: bool = False) -> sa.Column[object]:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        nullable=nullable,
        server_default=sa.func.now() if now else None,
    )


def _create_child(name: str, *columns: sa.Column[object]) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("interception_id", sa.Uuid, nullable=False),
        sa.Column("provider_response_id", sa.Text, nullable=False),
        *columns,
        sa.Column("metadata", JSONB),
        _timestamp("created_at"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
    )
    op.create_index(f"ix_{name}_interception", name, ["interception_id", "created_at", "id"])


def upgrade() -> None:
    """Make the tables."""
    _CREDENTIAL_KIND.create(op.get_bind())
    _USER_STATUS.create(op.get_bind())
    _create_users()
    _create_interceptions()
    _create_children()


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False, server_default=""),
        sa.Column("avatar_url", sa.Text, nullable=False, server_default=""),
        sa.Column("rbac_roles", ARRAY(sa.Text), nullable=False, server_default="{}"),
        sa.Column("status", _USER_STATUS, nullable=False, server_default="active"),
        sa.Column("deleted", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("is_system", sa.Boolean, nullable=False, server_default=sa.false()),
        _timestamp("created_at", now=True),
        _timestamp("updated_at", now=True),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_index(
        "uq_users_lower_username",
        "users",
        [sa.text("lower(username)")],
        unique=True,
        postgresql_where=sa.text("NOT deleted"),
    )
    op.execute("CREATE VIEW visible_users AS SELECT id, username, name, avatar_url FROM users")
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("hashed_secret", sa.LargeBinary, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        _timestamp("last_used", now=True),
        _timestamp("expires_at"),
        _timestamp("created_at", now=True),
        _timestamp("updated_at", now=True),
        sa.Column("login_type", sa.Text, nullable=False, server_default="token"),
        sa.Column("lifetime_seconds", sa.BigInteger, nullable=False, server_default="86400"),
        sa.Column("token_name", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_api_keys_user_id_users", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id"])


def _create_interceptions() -> None:
    name = "aibridge_interceptions"
    op.create_table(
        name,
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("initiator_id", sa.Uuid, nullable=False),
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
        sa.Column(
            "credential_kind", _CREDENTIAL_KIND, nullable=False, server_default="centralized"
        ),
        sa.Column("credential_hint", sa.String(15), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        sa.ForeignKeyConstraint(
            ["initiator_id"], ["users.id"], name=f"fk_{name}_initiator_id_users"
        ),
    )
    newest = [sa.text("started_at DESC"), sa.text("id DESC")]
    op.create_index(f"ix_{name}_started_at_id", name, newest)
    op.create_index(
        f"ix_{name}_session",
        name,
        ["session_id", "initiator_id", "started_at", "id"],
        postgresql_where=_ENDED,
    )
    op.create_index(
        f"ix_{name}_initiator", name, ["initiator_id", *newest], postgresql_where=_ENDED
    )
    op.create_index(
        f"ix_{name}_sessions_newest",
        name,
        [
            sa.text("started_at DESC"),
            sa.text("session_id DESC"),
            sa.text("initiator_id DESC"),
            "id",
        ],
        postgresql_where=_ENDED,
    )
    for column in ("thread_root_id", "provider", "model", "client"):
        op.create_index(f"ix_{name}_{column}", name, [column])


def _create_children() -> None:
    _create_child(
        "aibridge_token_usages",
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("cache_read_input_tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("cache_write_input_tokens", sa.BigInteger, nullable=False, server_default="0"),
    )
    _create_child("aibridge_user_prompts", sa.Column("prompt", sa.Text, nullable=False))
    _create_child(
        "aibridge_tool_usages",
        sa.Column("provider_tool_call_id", sa.Text),
        sa.Column("provider_item_id", sa.Text),
        sa.Column("server_url", sa.Text),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("input", sa.Text, nullable=False),
        sa.Column("injected", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("invocation_error", sa.Text),
    )
    newest = [sa.text("created_at DESC"), sa.text("id DESC")]
    op.create_index("ix_aibridge_user_prompts_newest", "aibridge_user_prompts", newest)
    op.create_index("ix_aibridge_tool_usages_newest", "aibridge_tool_usages", newest)
    op.create_index(
        "ix_aibridge_tool_usages_tool_newest",
        "aibridge_tool_usages",
        ["tool", sa.text("created_at DESC")],
    )
    op.create_index(
        "ix_aibridge_tool_usages_provider_tool_call_id",
        "aibridge_tool_usages",
        ["provider_tool_call_id"],
    )
    op.create_table(
        "aibridge_model_thoughts",
        sa.Column("interception_id", sa.Uuid, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("metadata", JSONB),
        _timestamp("created_at"),
    )
    op.create_index(
        "ix_aibridge_model_thoughts_interception",
        "aibridge_model_thoughts",
        ["interception_id", "created_at"],
    )


def downgrade() -> None:
    """Drop the tables, with all that they hold."""
    for name in (
        "aibridge_model_thoughts",
        "aibridge_tool_usages",
        "aibridge_user_prompts",
        "aibridge_token_usages",
        "aibridge_interceptions",
        "api_keys",
    ):
        op.drop_table(name)
    op.execute("DROP VIEW visible_users")
    op.drop_table("users")
    _USER_STATUS.drop(op.get_bind())
    _CREDENTIAL_KIND.drop(op.get_bind())
