"""The command that imports interceptions from files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.database import database_url as url_of
from server.cli.database import run_until_stopped, with_pool
from server.cli.failure import INTERRUPTED, CommandError
from server.cli.options import DatabaseUrl, DataDir
from server.settings import Settings, load_settings

if TYPE_CHECKING:
    from db.database import Database
    from db.importing.running import Options, Result

# What people call the tables.
_NAMES = {
    "users": "users",
    "aibridge_interceptions": "interceptions",
    "aibridge_token_usages": "token usages",
    "aibridge_user_prompts": "user prompts",
    "aibridge_tool_usages": "tool usages",
    "aibridge_model_thoughts": "model thoughts",
}

Files = Annotated[
    list[str], typer.Argument(metavar="FILE…", help="Files to import; - is standard input.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at the first bad record and write nothing.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be written, and change nothing.")
]


def add_to(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(name="import")(import_files)


def import_files(
    files: Files,
    strict: Strict = False,
    dry_run: DryRun = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Import interceptions: one JSON object a line, or an export of the REST endpoint."""
    settings = load_settings(database_url=database_url, data_dir=data_dir)
    from db.importing.running import Result, StrictError  # noqa: PLC0415

    result = Result()
    code = 0
    try:
        _run(settings, files, result, strict=strict, dry_run=dry_run)
    except StrictError:
        code = 1
    except CommandError as error:
        if not result.records:
            # Nothing was done, so there is nothing to tell of.
            raise
        typer.echo(f"aibridge: {error}", err=True)
        code = 2
    except (SystemExit, KeyboardInterrupt):
        typer.echo("aibridge: Interrupted; import the same files again for the rest.", err=True)
        code = INTERRUPTED
    _print(result, dry_run=dry_run)
    raise typer.Exit(code or (1 if result.faults else 0))


def _run(
    settings: Settings, files: list[str], result: Result, *, strict: bool, dry_run: bool
) -> None:
    from db.importing.running import Options  # noqa: PLC0415

    with ExitStack() as stack:
        url = stack.enter_context(url_of(settings))
        show = _progress(stack, files) if sys.stderr.isatty() else _nothing
        options = Options(
            strict=strict,
            dry_run=dry_run,
            on_fault=lambda fault: typer.echo(f"aibridge: {fault}", err=True),
            on_progress=show,
        )
        migrate = settings.auto_migrate_or(embedded=settings.database_url is None)
        work = partial(_import, files=files, options=options, result=result, migrate=migrate)
        run_until_stopped(with_pool(url, work))
        if not dry_run:
            run_until_stopped(with_pool(url, partial(_warn, settings)))


async def _warn(settings: Settings, database: Database, _: str) -> None:
    """Say how many interceptions a server with these settings would delete at its next start."""
    from db import retention as old  # noqa: PLC0415
    from server import retention  # noqa: PLC0415

    policy = retention.policy(settings)
    due = await old.count_interceptions(database, policy.limit()) if policy else 0
    if policy and due:
        typer.echo(
            f"aibridge: {due:,} interceptions are older than {policy.days} days: `aibridge serve` "
            "deletes them, unless AIBRIDGE_RETENTION says otherwise (0 keeps all).",
            err=True,
        )


async def _import(
    database: Database,
    url: str,
    *,
    files: list[str],
    options: Options,
    result: Result,
    migrate: bool,
) -> None:
    from db.importing import running  # noqa: PLC0415
    from server import readiness  # noqa: PLC0415

    await readiness.prepare(database, url, migrate=migrate)
    await running.run(url, files, options, result)


def _nothing(_: Result) -> None:
    pass


def _progress(stack: ExitStack, files: list[str]) -> Callable[[Result], None]:
    """Show a bar on the terminal; without an end where the size is not known."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (BarColumn(), TextColumn("{task.fields[records]:,} records"), TimeRemainingColumn())
    bar = stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))
    task = bar.add_task("", total=_size(files), records=0)
    return lambda result: bar.update(task, completed=result.bytes, records=result.records)


def _size(files: list[str]) -> int | None:
    """Return how many bytes will be read, None where that can't be known beforehand."""
    paths = [Path(name) for name in files]
    if any(not path.is_file() or path.suffix == ".gz" for path in paths):
        return None
    return sum(path.stat().st_size for path in paths)


def _print(result: Result, *, dry_run: bool) -> None:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    counts = result.counts
    table = Table(box=SIMPLE_HEAD)
    table.add_column("")
    table.add_column("would be written" if dry_run else "written", justify="right")
    table.add_column("already there", justify="right")
    for key, name in _NAMES.items():
        table.add_row(name, f"{counts.written[key]:,}", f"{counts.skipped[key]:,}")
    Console(width=80).print(table)
    typer.echo(f"{result.records:,} records read, {result.faults:,} bad.")
    for username in sorted(counts.shadowed):
        typer.echo(
            f'The username "{username}" belongs to another user: the one of these files was '
            "made as a deleted user, whom that name does not find."
        )
