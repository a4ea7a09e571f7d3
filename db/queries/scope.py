"""The reader's scope as a statement parameter: one initiator's rows, or all of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa


def parameters(scope: UUID | None) -> dict[str, Any]:
    """Return the parameter of `of_reader` and `filters.visible`; none where all rows are seen."""
    return {} if scope is None else {"scope": scope}


def of_reader(scoped: bool, table: Any) -> list[sa.ColumnElement[bool]]:
    """Return the condition that binds a reader who sees only one initiator's rows."""
    return [table.c.initiator_id == sa.bindparam("scope", type_=sa.Uuid)] if scoped else []
