"""What can go wrong between us and PostgreSQL, as the layers above need to tell it apart.

DatabaseError
├── DatabaseUnavailableError   away, starting, stopping, out of connections, a standby that
│                              has to catch up, or our pool is busy
├── StatementTimeoutError      a statement ran into statement_timeout or was cancelled
└── InvalidTextError           a text that PostgreSQL can't hold (NUL, lone surrogates)
"""

from __future__ import annotations


class DatabaseError(Exception):
    """Base of this layer's errors. Messages are for the log, not for clients."""


class DatabaseUnavailableError(DatabaseError):
    """The database can't be reached now; trying again later may help."""


class StatementTimeoutError(DatabaseError):
    """A statement took longer than it may."""


class InvalidTextError(DatabaseError):
    """A parameter holds text that PostgreSQL can't store, so no row can match it."""
