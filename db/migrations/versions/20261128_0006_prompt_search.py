"""An index of what prompts contain: the trigrams of their words."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Each three bytes of UTF-8 without a blank, of the text in lower case, as a number. Whatever
# contains a text has all the numbers of that text. A longer prompt than 64 kB has only the number
# -1: making thousands of them for each pasted file would keep writers waiting.
#
# The case is folded by `lower`, as ILIKE folds it. Not inlined, so the planner sees one function,
# and an index on it.
_GRAMS = """
CREATE FUNCTION aibridge_grams(prompt text) RETURNS integer[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 500 AS $$
    SELECT CASE WHEN length(t.b) > 65536 THEN ARRAY[-1] ELSE ARRAY(
        SELECT (get_byte(t.b, n) << 16) | (get_byte(t.b, n + 1) << 8) | get_byte(t.b, n + 2)
        FROM generate_series(0, length(t.b) - 3) AS n
        WHERE get_byte(t.b, n) > 32 AND get_byte(t.b, n + 1) > 32 AND get_byte(t.b, n + 2) > 32
    ) END
    FROM (SELECT convert_to(lower($1), 'UTF8') OFFSET 0) AS t (b)
$$
"""

_IS_UTF8 = "SELECT current_setting('server_encoding') = 'UTF8'"


def upgrade() -> None:
    """Make the function and the index, which keeps writers of prompts out until it is there."""
    op.execute(_GRAMS)
    # In another encoding `lower` and ILIKE may fold differently: prompts are read one by one there.
    if op.get_bind().scalar(sa.text(_IS_UTF8)):
        op.create_index(
            "ix_aibridge_user_prompts_grams",
            "aibridge_user_prompts",
            [sa.text("aibridge_grams(prompt)")],
            postgresql_using="gin",
        )


def downgrade() -> None:
    """Drop both."""
    op.execute("DROP INDEX IF EXISTS ix_aibridge_user_prompts_grams")
    op.execute("DROP FUNCTION aibridge_grams(text)")
