"""The records in a file, one by one, in constant memory: of lines, or of the reference's export.

An export is a JSON array, or an object with the array `results` after nothing but plain values.
"""

from __future__ import annotations

import gzip
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO, RawIOBase
from pathlib import Path
from typing import Any, cast

from db.importing.elements import PAIR, Elements
from db.importing.pieces import CHUNK, MAX_RECORD, Piece, SourceError

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_OPENING = re.compile(rb"\s*\{(?:" + PAIR + rb",)*\s*", re.DOTALL)
_ARRAY = re.compile(rb"\s*\[")
_RESULTS = re.compile(rb'"results"\s*:\s*\[')


@contextmanager
def opened(name: str) -> Iterator[BufferedReader]:
    """Open a file, or standard input for `-`; what gzip has packed is unpacked.

    Raises:
        SourceError: It can't be opened.
    """
    try:
        raw: Any = sys.stdin.buffer if name == "-" else Path(name).open("rb", CHUNK)  # noqa: SIM115
        packed = raw.peek(2)[:2] == _GZIP
    except OSError as error:
        raise SourceError(f"can't be opened: {_reason(error)}") from error
    try:
        yield BufferedReader(cast("Any", _Unpacked(raw)), CHUNK) if packed else raw
    finally:
        if name != "-":
            raw.close()


class _Unpacked(RawIOBase):
    """What gzip has packed: all of it that comes before a break, and then the break."""

    def __init__(self, packed: Any) -> None:
        self._file = gzip.GzipFile(fileobj=packed)

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        data = self._file.read1(len(into))
        into[: len(data)] = data
        return len(data)


def pieces(file: BufferedReader) -> Iterator[Piece]:
    """Yield the records of the file, whatever its form.

    Raises:
        SourceError: The file, or what follows in it, can't be read.
    """
    try:
        head = _head(file)
        opening = _ARRAY.match(head) or _export(head)
        yield from Elements(file, head, opening.end()) if opening else _lines(file, head)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"can't be read any further: {_reason(error)}") from error


def _head(file: BufferedReader) -> bytes:
    """Return the first lines, as many as tell the form of the file."""
    head = file.readline(CHUNK).removeprefix(_BOM)
    while len(head) < CHUNK and (not head.strip() or _OPENING.fullmatch(head)):
        more = file.readline(CHUNK)
        if not more:
            break
        head += more
    return head


def _export(head: bytes) -> re.Match[bytes] | None:
    opening = _OPENING.match(head)
    return _RESULTS.match(head, opening.end()) if opening else None


def _lines(file: BufferedReader, head: bytes) -> Iterator[Piece]:
    for number, line in enumerate(_split(file, head), 1):
        place = f"line {number}"
        if len(line) > MAX_RECORD:
            yield Piece(place, b"", f"longer than {MAX_RECORD >> 20} MiB")
        elif text := line.strip():
            yield Piece(place, text)


def _split(file: BufferedReader, head: bytes) -> Iterator[bytes]:
    *whole, last = BytesIO(head).readlines() or [b""]
    yield from whole
    line = last if last.endswith(b"\n") else last + file.readline(MAX_RECORD)
    while line:
        yield line
        # The rest of a line that was cut off for its length is no line of its own.
        while not line.endswith(b"\n"):
            line = file.readline(MAX_RECORD)
            if not line:
                return
        line = file.readline(MAX_RECORD + 1)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
