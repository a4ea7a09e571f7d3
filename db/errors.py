"""What can go wrong between us and PostgreSQL, as the layers above need to tell it apart.

DatabaseError
├── DatabaseUnavailableError   away, starting, stopping, out of connections, or a standby that has
│   │                          to catch up
│   └── DatabaseBusyError      it may be well, but all connections of our pool are in use
├── DatabaseRefusesError       our role may not do what it has to
├── StatementTimeoutError      a statement ran into statement_timeout or was cancelled
└── InvalidTextError           a text that PostgreSQL can't hold (NUL, lone surrogates)
"""

from __future__ import annotations


class DatabaseError(Exception):
    """Base of this layer's errors. Messages are for the log, not for clients."""


class DatabaseUnavailableError(DatabaseError):
    """The database can't be reached now; trying again later may help."""


class DatabaseBusyError(DatabaseUnavailableError):
    """All connections of the pool were in use for longer than a request waits for one."""


class DatabaseRefusesError(DatabaseError):
    """Our role may not read what it has to, or not write."""


class StatementTimeoutError(DatabaseError):
    """A statement took longer than it may."""


class InvalidTextError(DatabaseError):
    """A parameter holds text that PostgreSQL can't store, so no row can match it."""
