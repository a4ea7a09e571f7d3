"""Who is calling: from the token of a request to a principal, or a refusal that says why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from starlette.requests import HTTPConnection

from db.queries.credentials import CredentialRow
from db.times import in_utc
from resolvers.errors import UnauthenticatedError
from resolvers.principal import Principal
from server import logs, tokens
from server.heads import cookies_of, headers_of
from server.keys import Keys
from server.times import rfc3339
from server.waiting import beside

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

T = TypeVar("T")


async def authenticate(connection: HTTPConnection) -> Principal:
    """Return who is calling.

    Raises:
        UnauthenticatedError: Nobody who may sign in; message and detail say why.
        DatabaseUnavailableError: The database can't be asked now.
    """
    connection.app.state.readiness.require()
    return await _looked_up(connection, _token(connection))


async def answered(
    connection: HTTPConnection, answer: Callable[[Principal], Coroutine[Any, Any, T]]
) -> T:
    """Return the answer for who is calling, or raise what it raises.

    Where the key was looked up for an earlier request, the answer is begun for whom it was found to
    be then, beside the look-up of this request: they need not wait for each other. Nothing of that
    answer is told, not even its error, before the look-up found the same caller. If it finds
    another, of other rights say, the answer is made again, when the first one has ended; what that
    one has read of the request, it can't read again. If it finds nobody, the answer is given up.

    Raises:
        UnauthenticatedError: As `authenticate`.
        DatabaseUnavailableError: Likewise.
    """
    state = connection.app.state
    state.readiness.require()
    token = _token(connection)
    supposed = _supposed(state.keys, token)
    if supposed is None:
        return await answer(await _looked_up(connection, token))
    with beside(answer(supposed)) as answering:
        # It has begun, and taken its connection, before the answer takes one.
        found = await _looked_up(connection, token)
        if found == supposed:
            return await answering
        await asyncio.wait([answering])
    return await answer(found)


def find_token(connection: HTTPConnection) -> str:
    """Return the first token that the request carries, empty where there is none."""
    headers = headers_of(connection)
    scheme_and_token = headers.get("authorization", "")
    bearer = scheme_and_token[: len(_BEARER)].lower() == _BEARER
    return (
        cookies_of(connection, headers).get(TOKEN_NAME)
        or (connection.scope["query_string"] and connection.query_params.get(TOKEN_NAME))
        or headers.get(TOKEN_HEADER)
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


async def _looked_up(connection: HTTPConnection, token: tokens.Token) -> Principal:
    state = connection.app.state
    # An id that is not ASCII (or holds a NUL) was never given out.
    known = token.id.isascii() and token.id.isprintable()
    row = await state.keys.by_id(token.id) if known else None
    principal = _verified(token, row, datetime.now(UTC))
    assert row is not None, "an unknown key has been refused"
    logs.of(connection).caller = str(principal.user_id)
    state.last_used.note(row)
    return principal


def _supposed(keys: Keys, token: tokens.Token) -> Principal | None:
    """Return who is calling, if the key is still as it was; None where it never was found."""
    try:
        return _verified(token, keys.remembered(token.id), datetime.now(UTC))
    except UnauthenticatedError:
        return None


def _verified(token: tokens.Token, row: CredentialRow | None, now: datetime) -> Principal:
    if row is None:
        raise UnauthenticatedError(_SIGNED_OUT, _INVALID)
    if not token.matches(row.hashed_secret):
        raise UnauthenticatedError(_SIGNED_OUT, "API key secret is invalid.")
    if in_utc(row.expires_at) < now:
        expired = f'API key expired at "{rfc3339(row.expires_at)}".'
        raise UnauthenticatedError(_SIGNED_OUT, expired)
    if row.status == "suspended":
        raise UnauthenticatedError(_SUSPENDED)
    return Principal(row.user_id, row.username, frozenset(row.roles))
