"""What ends a command: a sentence for the person who typed it."""

from __future__ import annotations

# The exit code of a command that a signal ended, as shells have it for SIGINT.
INTERRUPTED = 130


class CommandError(Exception):
    """The command can't do what was asked; the message is one sentence that says why."""
