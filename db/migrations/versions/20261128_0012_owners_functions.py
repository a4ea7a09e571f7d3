"""Functions that run with the owner's rights do so for our triggers only, and on our tables only.

A role that may do nothing could have them run by a trigger on a table of its own; and PostgreSQL
looks for a table among the temporary ones first, unless the path says where these come. So nobody
else may execute them (a trigger that is there asks nobody), and the path names them last. A
function that a later revision makes does both by itself.
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_OURS = """
SELECT p.oid::regprocedure AS name, substr(path, length('search_path=') + 1) AS path
FROM pg_proc p, unnest(p.proconfig) path
WHERE p.prosecdef AND p.proname LIKE 'aibridge\\_%' AND pg_function_is_visible(p.oid)
    AND path LIKE 'search_path=%'
"""


def upgrade() -> None:
    """Shut them."""
    _alter("f.path || ', pg_temp'", "REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC")


def downgrade() -> None:
    """Open them again."""
    _alter("replace(f.path, ', pg_temp', '')", "GRANT EXECUTE ON FUNCTION %s TO PUBLIC")


def _alter(path: str, right: str) -> None:
    op.get_bind().exec_driver_sql(f"""
        DO $$
        DECLARE f record;
        BEGIN
            FOR f IN {_OURS} LOOP
                EXECUTE format('ALTER FUNCTION %s SET search_path = %s', f.name, {path});
                EXECUTE format('{right}', f.name);
            END LOOP;
        END
        $$
    """)
