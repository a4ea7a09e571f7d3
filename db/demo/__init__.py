"""Demo data: some weeks of invented work with coding agents, the same for the same seed.

`people` and `agents` take part, `words` is what they say, `calendar` when they work, `scenes` lets
one session happen, `story` all of them, and `loading` writes it through the importer's writer.
"""

from __future__ import annotations

from db.demo.loading import DEFAULT_INTERCEPTIONS, load

__all__ = ["DEFAULT_INTERCEPTIONS", "load"]
