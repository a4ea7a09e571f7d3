"""Spellings that callers of the REST endpoints already know: quoting, times and ids.

Existing scripts match on these sentences, so they are kept to the letter.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}

_UUID = re.compile(
    r"(?i)(?:urn:uuid:)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}"
    r"|[0-9a-f]{32}"
)

TIME_LAYOUT = "2006-01-02T15:04:05.999999999Z07:00"
# The layout's elements in order, each with what it takes from the text.
_ELEMENTS = tuple(
    (element, re.compile(pattern, re.ASCII))
    for element, pattern in (
        ("2006", r"\d{4}"),
        ("-", "-"),
        ("01", r"\d\d"),
        ("-", "-"),
        ("02", r"\d\d"),
        ("T", "T"),
        ("15", r"\d\d"),
        (":", ":"),
        ("04", r"\d\d"),
        (":", ":"),
        ("05", r"\d\d(?:[.,]\d+)?"),
        ("Z07:00", r"Z|[+-]\d\d:\d\d"),
    )
)


def quoted(text: str) -> str:
    r"""Return the text in double quotes, with what can't be printed escaped.

    >>> print(quoted('say "hi"'))
    "say \"hi\""
    """
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    known = _ESCAPES.get(character)
    if known is not None or character.isprintable():
        return known or character
    code = ord(character)
    if code < 0x80:  # noqa: PLR2004
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004


def uuid_of(text: str) -> UUID | None:
    """Read a UUID in any usual form: 36 characters, 32 digits, in braces, or as a URN.

    >>> uuid_of("{6ba7b810-9dad-11d1-80b4-00c04fd430c8}")
    UUID('6ba7b810-9dad-11d1-80b4-00c04fd430c8')
    """
    return UUID(text.lower()) if _UUID.fullmatch(text) else None


def time_of(text: str) -> datetime:
    """Read an RFC 3339 time, in any case; digits beyond the microsecond are dropped.

    Raises:
        ValueError: It is none; the message says where reading stopped, or which part is off.
    """
    text = text.upper()
    parts, position = [], 0
    for element, pattern in _ELEMENTS:
        match = pattern.match(text, position)
        if match is None:
            rest = quoted(text[position:])
            raise ValueError(
                f"parsing time {quoted(text)} as {quoted(TIME_LAYOUT)}: "
                f"cannot parse {rest} as {quoted(element)}"
            )
        parts.append(match.group())
        position = match.end()
    if position < len(text):
        raise ValueError(f"parsing time {quoted(text)}: extra text: {quoted(text[position:])}")
    try:
        return _moment(*parts[::2], zone=parts[-1])
    except (ValueError, OverflowError) as error:
        raise ValueError(f"parsing time {quoted(text)}: {_reason(error)}") from None


def _moment(  # noqa: PLR0913 - a time has these parts
    year: str, month: str, day: str, hour: str, minute: str, second: str, *, zone: str
) -> datetime:
    whole, _, fraction = second.replace(",", ".").partition(".")
    offset = timedelta()
    if zone != "Z":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:]))
    return datetime(
        int(year),
        int(month),
        int(day),
        int(hour),
        int(minute),
        int(whole),
        int(f"{fraction:0<6}"[:6]),
        timezone(-offset if zone[0] == "-" else offset),
    ).astimezone(UTC)


def _reason(error: Exception) -> str:
    """Name the part that is off: `day out of range`."""
    text = str(error)
    for part in ("year", "month", "day", "hour", "minute", "second"):
        if text.startswith(part):
            return f"{part} out of range"
    return "time zone offset out of range" if "timedelta" in text else "year out of range"
