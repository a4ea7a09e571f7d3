"""The rollup of sessions, kept with less work where thousands of rows come at once.

The SQL stands beside this file; its statements are set apart by an empty line.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None

_BEFORE = Path(__file__).with_name("20261122_0002_sessions.sql")

_FUNCTIONS = (
    "aibridge_kinds_learn",
    "aibridge_token_sums",
    "aibridge_session_parts",
    "aibridge_sessions_add",
    "aibridge_sessions_add_tokens",
)


def upgrade() -> None:
    """Replace the functions; the table stays as it is."""
    for statement in Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").split("\n\n"):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    """Bring back the functions of revision 0002."""
    op.execute("DROP FUNCTION aibridge_token_sums(uuid[], uuid[])")
    for statement in _BEFORE.read_text(encoding="utf-8").split("\n\n"):
        if any(f"CREATE FUNCTION {name}(" in statement for name in _FUNCTIONS):
            op.get_bind().exec_driver_sql(
                statement.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
            )
