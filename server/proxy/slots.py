"""How many requests may run at once."""

from __future__ import annotations


class Slots:
    """Places for requests at once, in one process; none are counted where the limit is 0."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.taken = 0

    def take(self) -> bool:
        """Take a place; False where none is free."""
        if self._limit and self.taken >= self._limit:
            return False
        self.taken += 1
        return True

    def give_back(self) -> None:
        """Give a taken place back."""
        self.taken -= 1
