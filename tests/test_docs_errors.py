"""docs/errors.md tells of every code, and of no other."""

from __future__ import annotations

import re
from pathlib import Path

from resolvers.errors import ApiError
from schema.limits import Limits
from server.graphql.errors import Code

DOCS = Path(__file__).parents[1] / "docs"


def test_every_code_has_its_cause_and_cure() -> None:
    sections = re.split(r"^## ", (DOCS / "errors.md").read_text(), flags=re.MULTILINE)[1:]
    told = {section.split("\n", 1)[0]: section for section in sections}
    assert set(told) == set(Code)
    assert all("**Cure**" in section for section in told.values())


def test_every_error_of_ours_has_one_of_the_codes() -> None:
    errors: list[type[ApiError]] = [ApiError, *ApiError.__subclasses__()]
    assert {error.code for error in errors} <= set(Code)


def test_every_limit_stands_with_its_setting() -> None:
    text = (DOCS / "errors.md").read_text()
    assert all(f"AIBRIDGE_{name.upper()}" in text for name in Limits.__dataclass_fields__)
