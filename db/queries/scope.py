"""The reader's scope as a statement parameter: one initiator's rows, or all of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID


def parameters(scope: UUID | None) -> dict[str, Any]:
    """Return the parameter of `filters.visible(scope=True)`; nothing where all rows are seen."""
    return {} if scope is None else {"scope": scope}
