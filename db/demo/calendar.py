"""When people work: most in the mornings and afternoons of weekdays, a little at any hour."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta
from itertools import accumulate

# How busy each hour of a day is, UTC, for a company with offices in Europe and America.
_HOURS = (1, 1, 1, 1, 1, 2, 6, 14, 22, 24, 22, 16, 14, 22, 24, 24, 20, 16, 12, 9, 7, 5, 3, 2)
_WEEKEND = 0.15


class Calendar:
    """Some days up to a moment, as a map from the share of work done to the time of day."""

    def __init__(self, until: datetime, days: int) -> None:
        self.until = until
        self._start = until - timedelta(days=days)
        hours = [self._start + timedelta(hours=n) for n in range(days * 24)]
        self._done = list(accumulate(map(_busyness, hours)))

    def at(self, share: float) -> datetime:
        """Return the moment when this share (0 to 1) of all work has been done."""
        work = share * self._done[-1]
        hour = min(bisect_right(self._done, work), len(self._done) - 1)
        before = self._done[hour - 1] if hour else 0.0
        within = (work - before) / (self._done[hour] - before)
        return self._start + timedelta(hours=hour + min(within, 1.0))


def _busyness(hour: datetime) -> float:
    return _HOURS[hour.hour] * (_WEEKEND if hour.weekday() >= 5 else 1.0)  # noqa: PLR2004
