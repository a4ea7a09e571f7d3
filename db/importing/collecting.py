"""Garbage collection while millions of rows pass through."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Rows hold no cycles, so looking for some after every 700 of them takes a third of the time for
# nothing. After so many it costs nothing, and what libraries leave behind still goes.
_THRESHOLD: Final = 200_000


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage rarely for the time of the block."""
    before = gc.get_threshold()
    gc.set_threshold(_THRESHOLD, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
