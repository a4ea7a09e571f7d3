"""Children that are written before their interceptions, in one transaction, wait for nobody.

Each took the lock of all orphans, so that two importers at once took turns. Who sets
`aibridge.interceptions_follow` to `on` for a transaction promises that the interceptions follow.
The SQL stands beside this file.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_BEFORE = Path(__file__).with_name("20261122_0002_sessions.sql")


def upgrade() -> None:
    """Replace the function; the table stays as it is."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    """Bring back the function of revision 0002."""
    for statement in _BEFORE.read_text(encoding="utf-8").split("\n\n"):
        if "CREATE FUNCTION aibridge_sessions_of(" in statement:
            op.get_bind().exec_driver_sql(
                statement.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
            )
