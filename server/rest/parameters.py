"""Query parameters: each is read once, and all faults of a request are told together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from starlette.datastructures import QueryParams

from resolvers import search, wording
from resolvers.search import Validation
from server.rest.refusals import RefusedError

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000

_INT32_MAX = 2**31 - 1
_INTEGER = re.compile(r"[+-]?[0-9]+")
NIL = UUID(int=0)

INVALID_PARAMETERS = "Query parameters have invalid values."


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list is wanted; `limit` 0 stands for the default."""

    limit: int
    offset: int
    after_id: UUID | None


class Parameters:
    """The query parameters of one request, and the faults found in them so far."""

    def __init__(self, given: QueryParams) -> None:
        self._given = given
        self._faults: list[Validation] = []

    def text(self, name: str) -> str:
        """Return the value, the first of several; empty where there is none."""
        values = self._given.getlist(name)
        return values[0] if values else ""

    def uuid(self, name: str) -> UUID | None:
        """Return a UUID in any of its forms; None where it is empty or nil."""
        text = self._single(name)
        value = wording.uuid_of(text)
        if text and value is None:
            self._fault(name, f"Query param {wording.quoted(name)} must be a valid uuid")
        return None if value == NIL else value

    def int32(self, name: str) -> int:
        """Return an integer of 32 bits that is not negative; 0 where it is empty."""
        text = self._single(name)
        try:
            return int32_of(text) if text else 0
        except ValueError as error:
            self._fault(
                name,
                f"Query param {wording.quoted(name)} must be a valid 32-bit positive integer: "
                f"{error}",
            )
            return 0

    def paging(self) -> Paging:
        """Return the parameters that all lists have."""
        return Paging(
            after_id=self.uuid("after_id"), limit=self.int32("limit"), offset=self.int32("offset")
        )

    def refuse_faults(self) -> None:
        """End the request where a fault was found.

        Raises:
            RefusedError: With all of them.
        """
        if self._faults:
            raise RefusedError(400, INVALID_PARAMETERS, validations=self._faults)

    def _single(self, name: str) -> str:
        values = self._given.getlist(name)
        if len(values) > 1:
            self._fault(name, search.provided_more_than_once(name, len(values)))
            return ""
        return values[0] if values else ""

    def _fault(self, name: str, detail: str) -> None:
        self._faults.append(Validation(name, detail))


def checked_limit(paging: Paging) -> int:
    """Return how many rows are wanted.

    Raises:
        RefusedError: More than a page may have.
    """
    if paging.limit > MAX_LIMIT:
        raise RefusedError(
            400,
            "Invalid pagination limit value.",
            f"Pagination limit must be in range (0, {MAX_LIMIT}]",
        )
    return paging.limit or DEFAULT_LIMIT


def why_no_uuid(text: str) -> str:
    """Say why a text is no UUID."""
    if len(text) in {32, 36, 38}:
        return "invalid UUID format"
    if len(text) == len("urn:uuid:") + 36:
        return f"invalid urn prefix: {wording.quoted(text[:9])}"
    return f"invalid UUID length: {len(text.encode())}"


def int32_of(text: str) -> int:
    """Read an integer of 32 bits that is not negative.

    Raises:
        ValueError: It is none; the message is the one that scripts know.
    """
    parsing = f"strconv.ParseInt: parsing {wording.quoted(text)}"
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"{parsing}: invalid syntax")
    # Longer texts are out of range, and Python refuses to read texts of thousands of digits.
    digits = text.lstrip("+-").lstrip("0")
    value = int(digits or "0") if len(digits) <= 10 else _INT32_MAX + 2  # noqa: PLR2004
    if text[0] == "-":
        value = -value
    if not -_INT32_MAX - 1 <= value <= _INT32_MAX:
        raise ValueError(f"{parsing}: value out of range")
    if value < 0:
        raise ValueError("value is negative")
    return value
