"""Who is calling: from the token of a request to a principal, or a refusal that says why."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from starlette.requests import HTTPConnection

from db.database import Database
from db.errors import DatabaseError
from db.queries import credentials
from db.queries.credentials import CredentialRow
from resolvers.errors import UnauthenticatedError
from resolvers.principal import Principal
from server import logs, tokens
from server.times import rfc3339

# The name of the cookie and of the query parameter; the header is this with dashes.
TOKEN_NAME = "coder_session_token"  # noqa: S105
TOKEN_HEADER = "coder-session-token"  # noqa: S105

_SIGNED_OUT = "You are signed out or your session has expired. Please sign in again to continue."
_NO_TOKEN = f'Cookie "{TOKEN_NAME}" or query parameter must be provided.'
_INVALID = "API key is invalid."
_SUSPENDED = (
    'User is not active (status = "suspended"). Contact an admin to reactivate your account.'
)

_BEARER = "bearer "
_TOUCH_AFTER = timedelta(minutes=1)
# How many keys are remembered as noted lately; forgetting one costs a statement, nothing else.
_TOUCHED_MAX = 10_000


async def authenticate(connection: HTTPConnection) -> Principal:
    """Return who is calling.

    Raises:
        UnauthenticatedError: Nobody who may sign in; message and detail say why.
        DatabaseUnavailableError: The database can't be asked now.
    """
    state = connection.app.state
    state.readiness.require()
    token = _token(connection)
    database: Database = state.database
    # An id that is not ASCII (or holds a NUL) was never given out.
    known = token.id.isascii() and token.id.isprintable()
    row = await credentials.by_key_id(database, token.id) if known else None
    principal = _verified(token, row, datetime.now(UTC))
    assert row is not None, "an unknown key has been refused"
    logs.of(connection).caller = str(principal.user_id)
    state.last_used.note(row)
    return principal


def find_token(connection: HTTPConnection) -> str:
    """Return the first token that the request carries, empty where there is none."""
    scheme_and_token = connection.headers.get("authorization", "")
    bearer = scheme_and_token[: len(_BEARER)].lower() == _BEARER
    return (
        connection.cookies.get(TOKEN_NAME)
        or connection.query_params.get(TOKEN_NAME)
        or connection.headers.get(TOKEN_HEADER)
        or (scheme_and_token[len(_BEARER) :].strip() if bearer else "")
    )


def _token(connection: HTTPConnection) -> tokens.Token:
    text = find_token(connection)
    if not text:
        raise UnauthenticatedError(_SIGNED_OUT, _NO_TOKEN)
    try:
        return tokens.parse(text)
    except tokens.TokenFormatError as error:
        raise UnauthenticatedError(_SIGNED_OUT, f"Invalid API key format: {error}") from None


def _verified(token: tokens.Token, row: CredentialRow | None, now: datetime) -> Principal:
    if row is None:
        raise UnauthenticatedError(_SIGNED_OUT, _INVALID)
    if not token.matches(row.hashed_secret):
        raise UnauthenticatedError(_SIGNED_OUT, "API key secret is invalid.")
    if row.expires_at < now:
        expired = f'API key expired at "{rfc3339(row.expires_at)}".'
        raise UnauthenticatedError(_SIGNED_OUT, expired)
    if row.status == "suspended":
        raise UnauthenticatedError(_SUSPENDED)
    return Principal(row.user_id, row.username, frozenset(row.roles))


class LastUsed:
    """Notes beside the requests when a key was used; at most once a minute for each key.

    A note that fails (the database only reads, for instance) is dropped: it is a convenience.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._touched: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, row: CredentialRow) -> None:
        """Note the use without waiting for it."""
        now = time.monotonic()
        if datetime.now(UTC) - row.last_used < _TOUCH_AFTER:
            return
        if now - self._touched.get(row.key_id, float("-inf")) < _TOUCH_AFTER.total_seconds():
            return
        if len(self._touched) >= _TOUCHED_MAX:
            self._touched.clear()
        self._touched[row.key_id] = now
        task = asyncio.create_task(self._touch(row.key_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for the notes under way."""
        await asyncio.gather(*self._tasks)

    async def _touch(self, key_id: str) -> None:
        try:
            await credentials.touch(self._database, key_id)
        except DatabaseError as error:
            logs.logger.debug("last_used not noted", error=type(error).__name__)
