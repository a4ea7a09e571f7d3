"""Commands for tokens."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.database import on_database
from server.cli.failure import CommandError
from server.cli.options import DatabaseUrl, DataDir
from server.cli.table import table
from server.settings import load_settings
from server.times import rfc3339
from server.tokens import Token, new

if TYPE_CHECKING:
    from db.accounts import KeyRow

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
# Ten years: longer is a token that nobody ever renews.
_LIFETIME_MAX = timedelta(days=3650)
_NEVER_USED = datetime(1970, 1, 1, tzinfo=UTC)

tokens = typer.Typer(help="Make, list and revoke tokens.", no_args_is_help=True)


@tokens.command("create")
def create(
    username: Annotated[str, typer.Argument(help="Whose token it is.")],
    *,
    name: Annotated[str, typer.Option(help="What the token is for.")] = "",
    lifetime: Annotated[
        str | None, typer.Option(help="How long it is good, 12h or 90d; default 30d.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="Until when instead: 2027-01-31, or a time with offset.")
    ] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Make a token and print it, this once."""
    if lifetime and expires:
        raise CommandError("Give --lifetime or --expires, not both.")
    span = _until(expires) if expires else _span(lifetime or "30d")
    token = new()

    settings = load_settings(database_url=database_url, data_dir=data_dir)
    on_database(settings, lambda connection: issue(connection, username, token, name, span))
    typer.echo(token.text)


@tokens.command("list")
def list_(
    *,
    user: Annotated[str | None, typer.Option(help="Only the tokens of this user.")] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """List the tokens; what they are is never shown again."""
    from db import accounts  # noqa: PLC0415

    settings = load_settings(database_url=database_url, data_dir=data_dir)
    rows = on_database(settings, lambda connection: accounts.list_keys(connection, user))
    lines = [
        (row.id, row.username, row.token_name, _day(row.created_at), _day(row.last_used), _end(row))
        for row in rows
    ]
    typer.echo(table(("ID", "USER", "NAME", "MADE", "LAST USED", "GOOD UNTIL"), lines))


@tokens.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(help="The id of the token, its first ten characters.")],
    *,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Make a token worthless at once."""
    from db import accounts  # noqa: PLC0415

    key_id = token.partition("-")[0]
    settings = load_settings(database_url=database_url, data_dir=data_dir)
    if not on_database(settings, lambda connection: accounts.delete_key(connection, key_id)):
        raise CommandError(f"There is no token with the id {key_id!r}.")
    typer.echo(f"Revoked {key_id}.")


async def issue(connection: Any, username: str, token: Token, name: str, span: timedelta) -> None:
    """Store a token of the user, good from now for the time given."""
    from db import accounts  # noqa: PLC0415

    user = await accounts.user_id(connection, username)
    if user is None:
        raise CommandError(f"There is no user {username!r}.")
    key = accounts.NewKey(
        token.id, token.hashed_secret, name, int(span.total_seconds()), datetime.now(UTC) + span
    )
    await accounts.create_key(connection, user, key)


def _span(text: str) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", text)
    span = timedelta(seconds=int(match[1]) * _UNITS[match[2]]) if match else timedelta()
    return _checked(span, f"--lifetime {text!r} must be a number with s, m, h, d or w")


def _until(text: str) -> timedelta:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--expires {text!r} must be a date or a time with offset.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return _checked(moment - datetime.now(UTC), f"--expires {text!r} must be in the future")


def _checked(span: timedelta, rule: str) -> timedelta:
    if not timedelta() < span <= _LIFETIME_MAX:
        raise CommandError(f"{rule}, {_LIFETIME_MAX.days} days at most.")
    return span


def _day(moment: datetime) -> str:
    if moment <= _NEVER_USED:
        return "never"
    return rfc3339(moment.replace(microsecond=0))


def _end(row: KeyRow) -> str:
    return _day(row.expires_at) + (" (expired)" if row.expires_at < datetime.now(UTC) else "")
