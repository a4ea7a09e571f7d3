"""The elements of a JSON array, cut out of a stream by brackets and quotes alone.

A streaming parser would end at the first fault in the file. Cutting looks no further than it must:
a broken element is still one piece, reported by itself, as long as its brackets and quotes pair.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Protocol

from db.importing.pieces import CHUNK, MAX_RECORD, Piece, SourceError

STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
PAIR: Final = rb"\s*" + STRING + rb"\s*:\s*(?:" + STRING + rb"|[-+.\w]+)\s*"

# Up to the next bracket, comma or end of an array that stands outside of strings.
_TO_BRACKET = re.compile(rb'[^"{}\[\]]*+(?:' + STRING + rb'[^"{}\[\]]*+)*+', re.DOTALL)
_TO_COMMA = re.compile(rb'[^",\]]*+(?:' + STRING + rb'[^",\]]*+)*+', re.DOTALL)
_BETWEEN = re.compile(rb"[\s,]*")
_CLOSE = ord("]")
# What may follow the array: the rest of the object around it.
_REST = re.compile(rb"\s*(?:(?:," + PAIR + rb")*\})?\s*", re.DOTALL)


class Readable(Protocol):
    """What a file has that this module needs."""

    def read(self, size: int, /) -> bytes:
        """Return so many bytes; fewer only at the end."""
        ...


class Elements:
    """Cuts the array that begins at `start` of `head` and goes on in the file."""

    def __init__(self, file: Readable, head: bytes, start: int) -> None:
        self._file = file
        self._held = head
        # Where the current element begins; other positions count from there.
        self._begin = start
        self._line = 1 + head.count(b"\n", 0, start)
        self._place = "the array"

    def __iter__(self) -> Iterator[Piece]:
        """Yield the elements.

        Raises:
            SourceError: The array does not end, or something follows it.
        """
        number = 0
        while True:
            self._drop(self._scan(_BETWEEN, 0))
            if self._held[self._begin] == _CLOSE:
                break
            number += 1
            self._place = f"item {number} (line {self._line})"
            end = self._end()
            yield Piece(self._place, self._held[self._begin : self._begin + end])
            self._drop(end)
            self._place = "the array"
        rest = self._held[self._begin + 1 :] + self._file.read(CHUNK)
        if not _REST.fullmatch(rest):
            raise SourceError("goes on after the end of the array; that was not read")

    def _end(self) -> int:
        """Return how long the element is that begins here."""
        if self._held[self._begin] not in b"{[":
            return self._scan(_TO_COMMA, 0)
        depth = length = 0
        while True:
            length = self._scan(_TO_BRACKET, length) + 1
            depth += 1 if self._held[self._begin + length - 1] in b"{[" else -1
            if depth == 0:
                return length

    def _scan(self, pattern: re.Pattern[bytes], at: int) -> int:
        """Return where a match at `at` ends, reading on while it might end later."""
        while True:
            match = pattern.match(self._held, self._begin + at)
            assert match is not None, "the patterns match the empty string too"
            end = match.end()
            # A match that ends before a quote met a string whose end is not read yet.
            cut = self._held[end : end + 1] in (b"", b'"')
            if not cut or (end < len(self._held) and pattern is _BETWEEN):
                return end - self._begin
            self._read_on()

    def _read_on(self) -> None:
        held = self._held[self._begin :]
        if len(held) > MAX_RECORD:
            raise SourceError(f"can't be read any further: {self._place} is longer than 64 MiB")
        # As much again as is held: a long string is looked through a few times only.
        more = self._file.read(max(CHUNK, len(held)))
        if not more:
            raise SourceError(f"breaks off in {self._place}")
        self._held, self._begin = held + more, 0

    def _drop(self, length: int) -> None:
        self._line += self._held.count(b"\n", self._begin, self._begin + length)
        self._begin += length
