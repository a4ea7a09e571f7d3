"""What a file is cut into: pieces that should be a record each."""

from __future__ import annotations

from typing import Final, NamedTuple

# The largest record: prompts may hold whole files, but one record must not fill the memory.
MAX_RECORD: Final = 64 * 1024 * 1024

# So many bytes are read at once.
CHUNK: Final = 1024 * 1024


class SourceError(Exception):
    """A file can't be read, or not any further; the message is the end of a sentence."""


class Piece(NamedTuple):
    """The bytes that should be one record, where they stand, and why they can't be one."""

    place: str
    text: bytes
    fault: str | None = None
