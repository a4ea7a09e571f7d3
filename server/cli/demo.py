"""The command that starts everything with demo data."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.database import with_connection
from server.cli.options import DataDir, Host, Port
from server.cli.serving import run
from server.cli.tokens import issue
from server.settings import Settings, load_settings
from server.tokens import Token, new

if TYPE_CHECKING:
    from db.accounts import AccountRow

USERNAME = "demo"
_TOKEN_NAME = "demo"  # noqa: S105
# Long enough for a week of trying; each start makes a new one.
_TOKEN_LIFETIME = timedelta(days=7)

_WELCOME = """
GraphiQL, signed in:  {address}/signin?token={token}

A first question from a terminal:

  curl -s {address}/graphql \\
    -H 'Coder-Session-Token: {token}' -H 'Content-Type: application/json' \\
    -d '{{"query": "{{ sessions(first: 3) {{ nodes {{ sessionId models lastPrompt }} }} }}"}}'

Ctrl-C stops the server and its database; the data stay in {folder}.
"""


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(demo)


def demo(
    *,
    interceptions: Annotated[
        int, typer.Option(min=1, max=10_000_000, help="How many to invent, the first time.")
    ] = 4000,
    seed: Annotated[int, typer.Option(help="The same seed invents the same data.")] = 1,
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
) -> None:
    """Start everything with demo data: database, server, a user and a link that signs in."""
    given = load_settings(host=host, port=port, data_dir=data_dir)
    # The demo never writes into a database that is somebody's.
    own = {"database_url": None, "read_database_url": None, "attach": False, "auto_migrate": True}
    settings = given.model_copy(update=own | {"workers": 1, "retention": 0})
    token = new()

    def announce(address: str) -> None:
        welcome = _WELCOME.format(address=address, token=token.text, folder=settings.data_dir)
        typer.echo(f"Ready on {address}\n{welcome}")

    def prepare(complete: Settings) -> None:
        asyncio.run(_prepare(complete, token, interceptions=interceptions, seed=seed))

    run(settings, announce, prepare)


async def _prepare(settings: Settings, token: Token, *, interceptions: int, seed: int) -> None:
    from db.demo import once  # noqa: PLC0415

    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    await once.load_once(
        url,
        settings.data_dir / "demo.json",
        interceptions=interceptions,
        seed=seed,
        progress=_progress,
    )
    await with_connection(url, lambda connection: _sign_up(connection, token))


async def _sign_up(connection: Any, token: Token) -> None:
    """Make the demo user where missing, and a token of theirs; forget tokens that are no good."""
    from db import accounts  # noqa: PLC0415

    await accounts.create_user(connection, _demo_user())
    await accounts.delete_expired_keys(connection, _TOKEN_NAME)
    await issue(connection, USERNAME, token, _TOKEN_NAME, _TOKEN_LIFETIME)


def _demo_user() -> AccountRow:
    from db import accounts  # noqa: PLC0415

    return accounts.AccountRow(USERNAME, "Demo", "demo@localhost", ["auditor"], "active")


def _progress(done: int) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\rInventing demo data: {done:,} interceptions", err=True, nl=False)
