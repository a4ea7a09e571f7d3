"""How many sessions there are, by initiator and kinds, kept by triggers of the rollup.

The SQL stands beside this file; its statements are set apart by an empty line.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, its triggers (which keep writers out until the end) and its rows."""
    for statement in Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split("\n\n"):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Drop the counts and what keeps them."""
    for what in ("inserted", "updated", "deleted", "truncated"):
        op.execute(f"DROP TRIGGER aibridge_sessions_{what} ON aibridge_sessions")
        op.execute(f"DROP FUNCTION aibridge_sessions_{what}()")
    op.execute("DROP FUNCTION aibridge_session_counts_add(uuid, integer[], bigint)")
    op.drop_table("aibridge_session_counts")
