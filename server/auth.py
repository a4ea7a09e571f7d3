"""Who is calling: from the token of a request to a principal, or a refusal that says why."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.requests import HTTPConnection

from db.queries.credentials import CredentialRow
from db.times import in_utc
from resolvers.errors import UnauthenticatedError
from resolvers.principal import Principal
from server import logs, tokens
from server.heads import cookies_of, headers_of
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


async def authenticate(connection: HTTPConnection) -> Principal:
    """Return who is calling.

    Raises:
        UnauthenticatedError: Nobody who may sign in; message and detail say why.
        DatabaseUnavailableError: The database can't be asked now.
    """
    state = connection.app.state
    state.readiness.require()
    token = _token(connection)
    # An id that is not ASCII (or holds a NUL) was never given out.
    known = token.id.isascii() and token.id.isprintable()
    row = await state.keys.by_id(token.id) if known else None
    principal = _verified(token, row, datetime.now(UTC))
    assert row is not None, "an unknown key has been refused"
    logs.of(connection).caller = str(principal.user_id)
    state.last_used.note(row)
    return principal


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
