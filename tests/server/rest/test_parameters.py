"""Query parameters: every form that is taken, and the sentence for every one that is not."""

from __future__ import annotations

from uuid import UUID

import pytest
from starlette.datastructures import QueryParams

from server.rest.parameters import Paging, Parameters, checked_limit, why_no_uuid
from server.rest.refusals import RefusedError

ID = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
NEGATIVE = "value is negative"
RANGE = 'strconv.ParseInt: parsing "{}": value out of range'
SYNTAX = 'strconv.ParseInt: parsing "{}": invalid syntax'


def faults(query: str) -> list[tuple[str, str]]:
    parameters = Parameters(QueryParams(query))
    parameters.paging()
    with pytest.raises(RefusedError) as raised:
        parameters.refuse_faults()
    assert raised.value.status == 400
    assert raised.value.message == "Query parameters have invalid values."
    return [(v.field, v.detail) for v in raised.value.validations]


def paging(query: str) -> Paging:
    parameters = Parameters(QueryParams(query))
    found = parameters.paging()
    parameters.refuse_faults()
    return found


@pytest.mark.parametrize("query", ["", "limit=&offset=&after_id=", "limit=0&offset=-0"])
def test_absent_empty_and_zero_are_the_default(query: str) -> None:
    assert paging(query) == Paging(0, 0, None)
    assert checked_limit(paging(query)) == 100


@pytest.mark.parametrize(
    ("query", "limit"), [("limit=1", 1), ("limit=%2B1000", 1000), ("limit=0000000000007", 7)]
)
def test_a_limit_is_read(query: str, limit: int) -> None:
    assert checked_limit(paging(query)) == limit


def test_the_largest_offset_is_that_of_32_bits() -> None:
    assert paging("offset=2147483647").offset == 2147483647


@pytest.mark.parametrize(
    "text",
    [
        str(ID),
        str(ID).upper(),
        ID.hex,
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
    ],
)
def test_an_id_is_read_in_every_form(text: str) -> None:
    assert paging(f"after_id={text}").after_id == ID


def test_the_nil_id_is_none() -> None:
    assert paging("after_id=00000000-0000-0000-0000-000000000000").after_id is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", SYNTAX.format("x")),
        ("1.0", SYNTAX.format("1.0")),
        ("1_0", SYNTAX.format("1_0")),
        ("%20 1", SYNTAX.format("  1")),
        ("0x10", SYNTAX.format("0x10")),
        ("-", SYNTAX.format("-")),
        ("٣", SYNTAX.format("٣")),
        ("2147483648", RANGE.format("2147483648")),
        ("-2147483649", RANGE.format("-2147483649")),
        ("9" * 5000, RANGE.format("9" * 5000)),
        ("-1", NEGATIVE),
        ("-2147483648", NEGATIVE),
    ],
)
@pytest.mark.parametrize("name", ["limit", "offset"])
def test_other_numbers_are_refused(name: str, text: str, why: str) -> None:
    detail = f'Query param "{name}" must be a valid 32-bit positive integer: {why}'
    assert faults(f"{name}={text}") == [(name, detail)]


def test_all_faults_come_back_in_the_contracts_order() -> None:
    once = "Only provide 1 instance of this query param."
    assert faults("offset=x&limit=1&limit=1&after_id=abc") == [
        ("after_id", 'Query param "after_id" must be a valid uuid'),
        ("limit", f'Query param "limit" provided more than once, found 2 times. {once}'),
        (
            "offset",
            f'Query param "offset" must be a valid 32-bit positive integer: {SYNTAX}'.format("x"),
        ),
    ]


def test_a_page_has_a_thousand_rows_at_most() -> None:
    with pytest.raises(RefusedError) as raised:
        checked_limit(Paging(1001, 0, None))
    assert raised.value.body() == {
        "message": "Invalid pagination limit value.",
        "detail": "Pagination limit must be in range (0, 1000]",
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("abc", "invalid UUID length: 3"),
        ("é", "invalid UUID length: 2"),
        ("z" * 36, "invalid UUID format"),
        ("urn-uuid:" + str(ID), 'invalid urn prefix: "urn-uuid:"'),
    ],
)
def test_why_a_text_is_no_uuid_is_said(text: str, why: str) -> None:
    assert why_no_uuid(text) == why
