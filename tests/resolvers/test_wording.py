"""Quoting, times and ids as callers of the REST endpoints know them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers import wording

LAYOUT = "2006-01-02T15:04:05.999999999Z07:00"


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain é 🦉", '"plain é 🦉"'),
        ('a"b\\c', r'"a\"b\\c"'),
        ("\0\x1f\n\t\x7f", r'"\x00\x1f\n\t\x7f"'),
        ("\u200b\ud800\U000e0001", r'"\u200b\ud800\U000e0001"'),
    ],
)
def test_what_cannot_be_printed_is_escaped(text: str, quoted: str) -> None:
    assert wording.quoted(text) == quoted


@pytest.mark.parametrize(
    "text",
    [
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
        "6ba7b8109dad11d180b400c04fd430c8",
        "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
        "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "URN:UUID:6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    ],
)
def test_a_uuid_is_read_in_every_form(text: str) -> None:
    assert wording.uuid_of(text) == UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c",
        "{6ba7b8109dad11d180b400c04fd430c8}",
        "6ba7b8109dad-11d1-80b4-00c04fd430c8--",
        " 6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "٦ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8\n",
    ],
)
def test_other_text_is_no_uuid(text: str) -> None:
    assert wording.uuid_of(text) is None


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_printed_time_is_read_back(time: datetime) -> None:
    assert wording.time_of(time.isoformat()) == time


def test_digits_beyond_the_microsecond_are_dropped() -> None:
    assert wording.time_of("2026-01-02T03:04:05.123456789-00:30") == datetime(
        2026, 1, 2, 3, 34, 5, 123456, UTC
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", f'parsing time "FOO" as "{LAYOUT}": cannot parse "FOO" as "2006"'),
        ("2026-01-02", f'parsing time "2026-01-02" as "{LAYOUT}": cannot parse "" as "T"'),
        (
            "2026-01-02T03:04:05",
            f'parsing time "2026-01-02T03:04:05" as "{LAYOUT}": cannot parse "" as "Z07:00"',
        ),
        (
            "2026-01-02 03:04:05Z",
            f'parsing time "2026-01-02 03:04:05Z" as "{LAYOUT}": cannot parse " 03:04:05Z" as "T"',
        ),
        ("2026-01-02T03:04:05ZZ", 'parsing time "2026-01-02T03:04:05ZZ": extra text: "Z"'),
        ("2026-13-02T03:04:05Z", 'parsing time "2026-13-02T03:04:05Z": month out of range'),
        ("2026-02-30T03:04:05Z", 'parsing time "2026-02-30T03:04:05Z": day out of range'),
        ("2026-01-02T24:04:05Z", 'parsing time "2026-01-02T24:04:05Z": hour out of range'),
        ("2026-01-02T03:60:05Z", 'parsing time "2026-01-02T03:60:05Z": minute out of range'),
        ("2026-01-02T03:04:60Z", 'parsing time "2026-01-02T03:04:60Z": second out of range'),
        ("0000-01-02T03:04:00Z", 'parsing time "0000-01-02T03:04:00Z": year out of range'),
        (
            "0001-01-01T00:00:00+01:00",
            'parsing time "0001-01-01T00:00:00+01:00": year out of range',
        ),
        (
            "2026-01-02T03:04:00+25:00",
            'parsing time "2026-01-02T03:04:00+25:00": time zone offset out of range',
        ),
    ],
)
def test_what_is_wrong_with_a_time_is_said(text: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the text is compared
        wording.time_of(text)
    assert str(raised.value) == message
