"""The rollup of sessions: a row for each, kept right by triggers.

The SQL stands beside this file; its statements are set apart by an empty line.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Sessions that are filled in at once; it bounds the memory that the migration takes.
_BATCH = 10_000

_TABLES = ("aibridge_interceptions", "aibridge_token_usages", "aibridge_user_prompts")

_FUNCTIONS = (
    "aibridge_child_replicated()",
    "aibridge_interception_replicated()",
    "aibridge_children_truncated()",
    "aibridge_children_deleted()",
    "aibridge_user_prompts_updated()",
    "aibridge_token_usages_updated()",
    "aibridge_children_inserted()",
    "aibridge_interceptions_truncated()",
    "aibridge_interceptions_deleted()",
    "aibridge_interceptions_updated()",
    "aibridge_interceptions_inserted()",
    "aibridge_sessions_add_prompts(uuid[], uuid[])",
    "aibridge_sessions_add_tokens(uuid[], uuid[])",
    "aibridge_sessions_lock(aibridge_session_key[])",
    "aibridge_sessions_of(uuid[])",
    "aibridge_sessions_add(uuid[])",
    "aibridge_demand_read_committed()",
    "aibridge_plan_for(uuid[])",
    "aibridge_sessions_recompute(aibridge_session_key[])",
    "aibridge_session_parts(uuid[])",
    "aibridge_token_sums(uuid[])",
    "aibridge_union(integer[], integer[])",
    "aibridge_union(text[], text[])",
    "aibridge_add_integers(jsonb, jsonb)",
    "aibridge_kinds_learn(uuid[])",
    "aibridge_kind(text, text, text, text, text)",
)

_FILL = f"""
DO $$
DECLARE
    batch record;
BEGIN
    FOR batch IN
        SELECT array_agg(i.id) AS ids
        FROM (
            SELECT id, dense_rank() OVER (ORDER BY session_id, initiator_id) / {_BATCH} AS number
            FROM aibridge_interceptions WHERE ended_at IS NOT NULL
        ) i
        GROUP BY i.number
    LOOP
        PERFORM aibridge_sessions_add(batch.ids);
    END LOOP;
END
$$
"""  # noqa: S608


def upgrade() -> None:
    """Make the table, its triggers (which keep writers out until the end) and its rows."""
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    for statement in script.split("\n\n"):
        op.get_bind().exec_driver_sql(statement)
    op.execute(_FILL)
    _create_indexes()


def _create_indexes() -> None:
    name = "aibridge_sessions"
    newest = [sa.text("started_at DESC"), sa.text("session_id DESC")]
    by_initiator = sa.text("initiator_id DESC")
    op.create_index(f"ix_{name}_newest", name, [*newest, by_initiator])
    op.create_index(f"ix_{name}_initiator", name, ["initiator_id", *newest])
    op.create_index(
        f"ix_{name}_last_active",
        name,
        [sa.text("last_active_at DESC"), sa.text("session_id DESC"), by_initiator],
    )
    op.create_index(f"ix_{name}_last_started", name, ["last_started_on", "started_at"])
    op.create_index(f"ix_{name}_kinds", name, ["kinds"], postgresql_using="gin")


def downgrade() -> None:
    """Drop the rollup; what it is made of stays."""
    for table in _TABLES:
        for trigger in ("replicated", "truncated", "deleted", "updated", "inserted"):
            op.execute(f"DROP TRIGGER aibridge_sessions_{trigger} ON {table}")
    for function in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("aibridge_sessions")
    op.drop_table("aibridge_kinds")
    op.execute("DROP TYPE aibridge_session_key")
