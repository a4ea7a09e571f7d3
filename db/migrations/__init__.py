"""The revisions of the tables, and the newest of them."""

from pathlib import Path

# Told by the names of the files, `20261122_0001_….py`: a server compares it at each start and must
# not load Alembic for that.
HEAD = max(
    file.name.split("_")[1] for file in (Path(__file__).parent / "versions").glob("*_*_*.py")
)
