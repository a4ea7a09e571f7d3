"""Chance from a seed: picks, ids and words that come out the same for the same seed."""

from __future__ import annotations

import math
import random
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from asyncpg.pgproto import pgproto

T = TypeVar("T")

# The bits of a UUID that are the same in every random one: version 4, variant 1.
_RANDOM_BITS = (1 << 128) - 1 ^ (0xF << 76) ^ (0x3 << 62)
_FIXED_BITS = (0x4 << 76) | (0x2 << 62)

# Base 64 has two characters that are neither letter nor digit.
_NO_PUNCTUATION = bytes.maketrans(b"+/", b"xy")


class Dice:
    """A seeded source of chance.

    As a mapping it answers every name of a pool with one of the pool's words, so that
    `template % dice` fills a template.
    """

    def __init__(self, seed: int, pools: Mapping[str, Sequence[str]]) -> None:
        self._random = random.Random(seed)
        self._pools = pools
        self.fraction = self._random.random

    def __getitem__(self, name: str) -> str:
        """Return one word of the pool."""
        return self.pick(self._pools[name])

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[int(self.fraction() * len(options))]

    def happens(self, probability: float) -> bool:
        """Say yes as often as the probability says."""
        return self.fraction() < probability

    def between(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both possible."""
        return low + int(self.fraction() * (high - low + 1))

    def around(self, median: float, spread: float) -> float:
        """Return a number about the median; a few are many times as large (log-normal)."""
        return median * math.exp(self._random.gauss(0.0, spread))

    def uuid(self) -> UUID:
        """Return a random id, in the driver's own faster type."""
        bits = self._random.getrandbits(128) & _RANDOM_BITS | _FIXED_BITS
        return pgproto.UUID(bits.to_bytes(16, "big"))  # type: ignore[no-any-return]

    def token(self, length: int) -> str:
        """Return letters and digits, as providers name their answers and tool calls."""
        random_bytes = self._random.randbytes(length * 3 // 4 + 1)
        return b2a_base64(random_bytes).translate(_NO_PUNCTUATION)[:length].decode()
