"""Which triggers kept the rollup when it was last made: a mark of each, which any change changes.

A trigger that was switched off and on again, or dropped and made anew, has missed what was written
meanwhile. A revision that makes or replaces a trigger of the rollup marks it, too.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TABLE = "aibridge_rollup_marks"

# The version of the row that tells of the trigger: PostgreSQL writes a new one with each change.
_MARK_ALL = """
INSERT INTO aibridge_rollup_marks (relation, trigger, mark)
SELECT c.relname, t.tgname, t.oid || ':' || t.xmin
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE t.tgname LIKE 'aibridge\\_sessions\\_%' AND pg_table_is_visible(c.oid)
"""


def upgrade() -> None:
    """Make the table, and trust the triggers as they are."""
    op.create_table(
        _TABLE,
        sa.Column("relation", sa.Text, primary_key=True),
        sa.Column("trigger", sa.Text, primary_key=True),
        sa.Column("mark", sa.Text, nullable=False),
    )
    op.execute(_MARK_ALL)


def downgrade() -> None:
    """Forget the marks."""
    op.drop_table(_TABLE)
