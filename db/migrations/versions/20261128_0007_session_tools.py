"""Which tools a session called, and how many sessions called each, kept with the rollup.

The SQL stands beside this file; its statements are set apart by an empty line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_FUNCTIONS = (
    "aibridge_sessions_add_tools(uuid[])",
    "aibridge_kinds_by_tool(integer[])",
    "aibridge_tool_counts_add(aibridge_tool_counts[])",
    "aibridge_tool_usages_updated()",
    "aibridge_ended_of(aibridge_session_key[])",
    "aibridge_tool_kinds_of(aibridge_tool_call[])",
    "aibridge_tool_kinds_learn(aibridge_tool_call[])",
    "aibridge_tool_calls(uuid[])",
)

# The functions of before that it replaces, and where each was last told.
_BEFORE = {
    "20261122_0002_sessions.sql": (
        "aibridge_plan_for",
        "aibridge_sessions_recompute",
        "aibridge_children_inserted",
        "aibridge_children_truncated",
        "aibridge_child_replicated",
    ),
    "20261123_0004_bulk.sql": ("aibridge_sessions_add",),
}


def _statements(name: str) -> Iterator[str]:
    yield from Path(__file__).with_name(name).read_text(encoding="utf-8").split("\n\n")


def upgrade() -> None:
    """Make the column, the triggers (which keep writers out until the end) and what they hold."""
    # By itself, since it keeps readers out: for a moment, not until all is filled in.
    with op.get_context().autocommit_block():
        op.execute(
            "ALTER TABLE aibridge_sessions"
            " ADD COLUMN IF NOT EXISTS tool_kinds integer[] NOT NULL DEFAULT '{}'"
        )
    for statement in _statements(Path(__file__).with_suffix(".sql").name):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Drop what tells of tools, and bring back the functions of before."""
    for what in ("replicated", "truncated", "deleted", "updated", "inserted"):
        op.execute(f"DROP TRIGGER aibridge_sessions_{what} ON aibridge_tool_usages")
    for what in ("truncated", "deleted", "updated", "inserted"):
        op.execute(f"DROP TRIGGER aibridge_sessions_tools_{what} ON aibridge_sessions")
        op.execute(f"DROP FUNCTION aibridge_sessions_tools_{what}()")
    for function in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    for name, functions in _BEFORE.items():
        for told in _statements(name):
            statement = told.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
            if any(f"REPLACE FUNCTION {function}(" in statement for function in functions):
                op.get_bind().exec_driver_sql(statement)
    op.drop_table("aibridge_tool_counts")
    op.execute("DROP TYPE aibridge_tool_call")
    op.drop_column("aibridge_sessions", "tool_kinds")
    op.drop_table("aibridge_tool_kinds")
