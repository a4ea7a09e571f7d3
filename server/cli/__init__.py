"""The command `aibridge`: one module for each group of commands, joined here."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer
from typer.exceptions import TyperException

from server.cli import (
    attaching,
    demo,
    explaining,
    importing,
    purging,
    searching,
    serving,
    sessions,
    tokens,
    upkeep,
    users,
)
from server.cli.failure import CommandError
from server.settings import SettingsError

app = typer.Typer(
    name="aibridge",
    help="The audit trail of an AI gateway, asked through GraphQL and REST.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
demo.add_to(app)
serving.add_to(app)
upkeep.add_to(app)
attaching.add_to(app)
importing.add_to(app)
purging.add_to(app)
explaining.add_to(app)
app.add_typer(sessions.sessions, name="sessions")
app.add_typer(searching.search_index, name="search-index")
app.add_typer(users.users, name="user")
app.add_typer(tokens.tokens, name="token")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(version("aibridge-graphql"))
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; what a person did wrong is one sentence on stderr and exit code 2."""
    try:
        code = app(arguments, prog_name="aibridge", standalone_mode=False)
    except (CommandError, SettingsError) as error:
        sentence = str(error)
    except TyperException as error:
        sentence = error.format_message()
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    else:
        sys.exit(code)
    # A group without a command has its help for a sentence.
    typer.echo(sentence if sentence.startswith("Usage:") else f"aibridge: {sentence}", err=True)
    sys.exit(2)
