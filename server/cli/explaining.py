"""The command that shows how an operation is executed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.database import database_url as url_of
from server.cli.database import run_until_stopped, with_pool
from server.cli.failure import CommandError
from server.cli.options import DatabaseUrl, DataDir
from server.settings import Settings, load_settings

if TYPE_CHECKING:
    from db.database import Database
    from engine import Request, Trace


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(explain)


def explain(  # noqa: PLR0913, PLR0917 (one parameter for each option)
    query: Annotated[Path, typer.Argument(help="A GraphQL document; - reads standard input.")],
    analyze: Annotated[
        bool, typer.Option("--analyze", help="Run it, and show rows and times.")
    ] = False,
    sql: Annotated[bool, typer.Option("--sql", help="With --analyze: show the SQL.")] = False,
    code: Annotated[bool, typer.Option("--code", help="Show the generated code.")] = False,
    variables: Annotated[str, typer.Option(help="The variables, as JSON.")] = "{}",
    operation: Annotated[
        str | None, typer.Option(help="Which operation, where there are several.")
    ] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Show how an operation is executed: its look-ups, level by level."""
    from engine import InvalidVariablesError, UncoveredError  # noqa: PLC0415
    from engine.explain import explained, tree  # noqa: PLC0415
    from schema.compiled import engine  # noqa: PLC0415

    request = _request(query, variables, operation)
    try:
        plan, values = engine.planned(request)
    except UncoveredError as error:
        typer.echo(f"The engine leaves this operation to graphql-core: {error}.")
        return
    except InvalidVariablesError as error:
        raise CommandError(str(error)) from error
    trace = None
    if analyze:
        settings = load_settings(database_url=database_url, data_dir=data_dir)
        trace = _run(settings, request, sql=sql)
    typer.echo(tree(explained(plan, values, trace), trace))
    if code:
        typer.echo(f"\n{plan.source.rstrip()}")


def _request(query: Path, variables: str, operation: str | None) -> Request:
    import orjson  # noqa: PLC0415
    from graphql import GraphQLError, parse, validate  # noqa: PLC0415

    from engine import Request  # noqa: PLC0415
    from schema.build import graphql_core, schema  # noqa: PLC0415

    try:
        text = sys.stdin.read() if str(query) == "-" else query.read_text()
        document = parse(text)
        given = orjson.loads(variables)
    except OSError as error:
        raise CommandError(f"{query} can't be read: {error.strerror}.") from error
    except GraphQLError as error:
        raise CommandError(f"{query}: {error.message}") from error
    except orjson.JSONDecodeError as error:
        raise CommandError(f"--variables must be JSON: {error}.") from error
    if not isinstance(given, dict):
        raise CommandError("--variables must be a JSON object.")
    faults = validate(graphql_core(schema), document)
    if faults:
        raise CommandError(f"{query}: {faults[0].message}")
    return Request(document, given, operation)


def _run(settings: Settings, request: Request, *, sql: bool) -> Trace:
    async def work(database: Database, url: str) -> Trace:
        from server import readiness  # noqa: PLC0415

        if database.is_attached:
            await readiness.prepare(database, url, migrate=False)
        return await _traced(database, settings, request)

    with url_of(settings, only_reads=True) as url:
        trace = run_until_stopped(with_pool(url, work, is_attached=settings.attach))
    if sql:
        for call in (call for level in trace.levels for call in level):
            call.notes = [note.with_sql() for note in call.notes]
    return trace


async def _traced(database: Database, settings: Settings, request: Request) -> Trace:
    """Run it as one who may read everything: whoever has the database may."""
    from uuid import UUID  # noqa: PLC0415

    from engine import Trace  # noqa: PLC0415
    from resolvers.access import scope_of  # noqa: PLC0415
    from resolvers.context import Context  # noqa: PLC0415
    from resolvers.principal import Principal  # noqa: PLC0415
    from server import explain  # noqa: PLC0415

    principal = Principal(UUID(int=0), "explain", frozenset({"auditor"}))
    trace = Trace()
    async with database.snapshot() as snapshot:
        scope = scope_of(principal, settings.member_access)
        context: Any = Context(principal, scope, snapshot, settings.max_page_size)
        result = await explain.execute(request, context, trace)
    for error in result.errors or ():
        typer.echo(f"{'.'.join(map(str, error.path or ()))}: {error.message}", err=True)
    return trace
