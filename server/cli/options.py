"""The options that several commands share. An option wins over its AIBRIDGE_… variable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DatabaseUrl = Annotated[
    str | None,
    typer.Option(help="PostgreSQL to use; without one the embedded PostgreSQL."),
]
Attach = Annotated[
    bool | None,
    typer.Option(
        "--attach", help="The database is another program's, Coder's above all: only read it."
    ),
]
DataDir = Annotated[Path | None, typer.Option(help="Folder of the embedded PostgreSQL.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")]
