"""Which triggers kept the rollup when it was last made: each bears its version as a comment.

A trigger that was switched off and on again, or dropped and made anew, has missed what was written
meanwhile; PostgreSQL keeps another version of it then. A revision that makes or replaces a trigger
of the rollup marks it, too.
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_OURS = """
SELECT t.tgname AS name, t.tgrelid::regclass AS relation, t.oid || ':' || t.xmin AS mark
FROM pg_trigger t
WHERE t.tgname LIKE 'aibridge\\_sessions\\_%' AND pg_table_is_visible(t.tgrelid)
"""


def upgrade() -> None:
    """Trust the triggers as they are."""
    _comment("quote_literal(f.mark)")


def downgrade() -> None:
    """Forget the marks."""
    _comment("'NULL'")


def _comment(text: str) -> None:
    op.get_bind().exec_driver_sql(f"""
        DO $$
        DECLARE f record;
        BEGIN
            FOR f IN {_OURS} LOOP
                EXECUTE format('COMMENT ON TRIGGER %I ON %s IS %s', f.name, f.relation, {text});
            END LOOP;
        END
        $$
    """)
