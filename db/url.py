"""PostgreSQL URLs, as people write them and as our two drivers want them."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError("is not a URL of the form postgresql://user@host:5432/database") from None
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise ValueError("must begin with postgresql://")
    if not parsed.database:
        raise ValueError("names no database: postgresql://user@host:5432/database")
    return parsed


def for_asyncpg(url: str) -> str:
    """Return the URL without a driver's name: `postgresql://…`.

    Raises:
        ValueError: It is no PostgreSQL URL; the message says why.
    """
    return _parse(url).set(drivername="postgresql").render_as_string(hide_password=False)


def for_sqlalchemy(url: str) -> URL:
    """Return the URL for SQLAlchemy's asynchronous engine (Alembic's only way in)."""
    return _parse(url).set(drivername="postgresql+asyncpg")


def without_password(url: str) -> str:
    """Return the URL as it may be shown: the password is `***`."""
    return _parse(url).render_as_string(hide_password=True)
