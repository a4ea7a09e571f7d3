"""What ends a command: a sentence for the person who typed it."""

from __future__ import annotations


class CommandError(Exception):
    """The command can't do what was asked; the message is one sentence that says why."""
