"""What a file is cut into: pieces that should be a record each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# The largest record: prompts may hold whole files, but one record must not fill the memory.
MAX_RECORD: Final = 64 * 1024 * 1024

# So many bytes are read at once.
CHUNK: Final = 1024 * 1024


class SourceError(Exception):
    """A file can't be read, or not any further; the message is the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes that should be one record, where they stand, and why they can't be one."""

    place: str
    text: bytes
    fault: str | None = None
