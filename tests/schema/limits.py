"""The limits that the product has where nothing is set."""

from __future__ import annotations

from schema.limits import Limits
from server.settings import Settings


def default_limits(**others: int) -> Limits:
    """Return the defaults of the settings, but for some."""
    fields = Settings.model_fields
    return Limits(**{name: fields[name].default for name in Limits.__dataclass_fields__} | others)
