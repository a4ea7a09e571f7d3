"""Interceptions of some kinds are counted from an index alone, in place of that of models.

Most combinations of these columns are shared by hundreds at least, and PostgreSQL keeps an equal
key once: the index is no larger than the one that goes, whose column it begins with.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLE = "aibridge_interceptions"
_NAME = "ix_aibridge_interceptions_kind"
_BEFORE = "ix_aibridge_interceptions_model"


def upgrade() -> None:
    """Make the index, which keeps writers out until it is there: a few seconds for a million."""
    op.create_index(
        _NAME,
        _TABLE,
        [
            "model",
            "provider",
            "provider_name",
            sa.text("coalesce(client, 'Unknown')"),
            "credential_kind",
            "client",
            "initiator_id",
        ],
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.drop_index(_BEFORE, _TABLE)


def downgrade() -> None:
    """Bring the other one back."""
    op.create_index(_BEFORE, _TABLE, ["model"])
    op.drop_index(_NAME, _TABLE)
