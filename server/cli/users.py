"""Commands for users."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from server.cli.database import on_database
from server.cli.failure import CommandError
from server.cli.options import DatabaseUrl, DataDir
from server.cli.table import table
from server.settings import load_settings

ROLES = ("owner", "auditor")

_USERNAME = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
_USERNAME_MAX = 32

users = typer.Typer(help="Make and list users.", no_args_is_help=True)


@users.command("create")
def create(
    username: Annotated[str, typer.Argument(help="Letters and digits, with single dashes.")],
    *,
    name: Annotated[str, typer.Option(help="The name to show.")] = "",
    email: Annotated[str, typer.Option(help="Default: the username at localhost.")] = "",
    role: Annotated[
        list[str] | None,
        typer.Option(help="owner or auditor: may read everything. May be given twice."),
    ] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Make a user."""
    if not _USERNAME.fullmatch(username) or len(username) > _USERNAME_MAX:
        raise CommandError(
            f"The username {username!r} must be letters and digits with single dashes between, "
            f"{_USERNAME_MAX} at most."
        )
    for given in role or ():
        if given not in ROLES:
            raise CommandError(f"--role {given!r} must be one of: {', '.join(ROLES)}.")
    from db import accounts  # noqa: PLC0415

    user = accounts.AccountRow(
        username, name, email or f"{username}@localhost", sorted(set(role or ())), "active"
    )
    settings = load_settings(database_url=database_url, data_dir=data_dir)
    if not on_database(settings, lambda connection: accounts.create_user(connection, user)):
        raise CommandError(f"The username {username!r} is taken.")
    typer.echo(f"Made the user {username}. A token: aibridge token create {username}")


@users.command("list")
def list_(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """List the users."""
    from db import accounts  # noqa: PLC0415

    settings = load_settings(database_url=database_url, data_dir=data_dir)
    rows = on_database(settings, accounts.list_users)
    lines = [(u.username, u.name, u.email, ",".join(u.roles), u.status) for u in rows]
    typer.echo(table(("USERNAME", "NAME", "EMAIL", "ROLES", "STATUS"), lines))
