"""How many interceptions have ended, by initiator and kind, kept by triggers of their table.

The SQL stands beside this file; its statements are set apart by an empty line.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, its triggers (which keep writers out until the end) and its rows."""
    for statement in Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split("\n\n"):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Drop the counts and what keeps them."""
    op.execute(
        "ALTER TABLE aibridge_interceptions RESET "
        "(autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_scale_factor)"
    )
    for what in ("inserted", "updated", "deleted", "truncated", "replicated"):
        op.execute(f"DROP TRIGGER aibridge_sessions_counted_{what} ON aibridge_interceptions")
    for function in ("interceptions_counted", "interception_counted", "interceptions_uncounted"):
        op.execute(f"DROP FUNCTION aibridge_{function}()")
    op.execute("DROP FUNCTION aibridge_interception_counts_add(aibridge_interception_counts[])")
    op.drop_table("aibridge_interception_counts")
