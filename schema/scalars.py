"""The scalars: how they are written in answers and read from arguments."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, NewType
from uuid import UUID

import strawberry
from graphql import GraphQLError

from db.times import in_utc

BigInt = NewType("BigInt", int)
Json = NewType("Json", object)

# JSON's numbers are doubles in most clients: integers beyond this lose their last digits.
_LARGEST = 2**53 - 1

# No time and no id is longer, in any of its forms.
_LONGEST = 100

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def serialize_big_int(value: Any) -> int:
    """Return the integer; an error where JavaScript could not tell it from its neighbours."""
    if type(value) is not int or abs(value) > _LARGEST:
        raise GraphQLError(f"BigInt can't represent {value!r}: it is not within ±(2^53-1).")
    return value


def parse_big_int(value: object) -> int:
    """Read an integer from a JSON number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return serialize_big_int(value)


def serialize_datetime(value: datetime) -> str:
    """Return RFC 3339 in UTC, with microseconds where there are any."""
    return in_utc(value).isoformat().replace("+00:00", "Z")


def parse_datetime(value: object) -> datetime:
    """Read RFC 3339; an offset is needed, since a time without one is anybody's guess."""
    if isinstance(value, str) and len(value) <= _LONGEST and _RFC_3339.fullmatch(value):
        try:
            return datetime.fromisoformat(_microseconds(value.upper())).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise GraphQLError(
        f"DateTime can't represent {_shown(value)}: write RFC 3339 with an offset, "
        'such as "2026-10-12T08:41:17.203518Z".'
    )


def _microseconds(text: str) -> str:
    """Cut a fraction of a second to six digits, as many as are stored."""
    return re.sub(r"(\.\d{6})\d+", r"\1", text)


def _shown(value: object) -> str:
    """Return a value as an error quotes it: all of it, where somebody could have meant it."""
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]!r}…"
    return repr(value)


def parse_uuid(value: object) -> UUID:
    """Read a UUID in any of its usual forms."""
    if isinstance(value, str) and len(value) <= _LONGEST:
        try:
            return UUID(value)
        except ValueError:
            pass
    raise GraphQLError(
        f"UUID can't represent {_shown(value)}: write 32 hexadecimal digits, "
        'such as "6e64c828-eed0-5dd2-9759-02887fb0cbee".'
    )


SCALARS: dict[object, Any] = {
    BigInt: strawberry.scalar(
        name="BigInt",
        description=(
            "An integer within ±(2^53-1), as a JSON number. One beyond is an error, never rounded."
        ),
        serialize=serialize_big_int,
        parse_value=parse_big_int,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description=(
            "A moment: RFC 3339 in UTC with up to microseconds, such as "
            '"2026-10-12T08:41:17.203518Z". As an argument any offset will do, but one is needed.'
        ),
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=serialize_datetime,
        parse_value=parse_datetime,
    ),
    Json: strawberry.scalar(
        name="JSON",
        description="Any JSON value, here always an object; empty where nothing was recorded.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
    ),
    UUID: strawberry.scalar(
        name="UUID",
        description=(
            "A UUID in lower case with hyphens. As an argument any usual form will do: in braces, "
            "in capitals, without hyphens, with `urn:uuid:` in front."
        ),
        specified_by_url="https://www.rfc-editor.org/rfc/rfc9562",
        serialize=str,
        parse_value=parse_uuid,
    ),
}
