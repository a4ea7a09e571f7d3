"""The SDL: current, complete, described, and at least what the public contract promises."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
)
from graphql.utilities import find_breaking_changes

from schema.build import graphql_core, schema

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("AIBRIDGE_SHARED", ROOT / ".." / "shared"))


def test_the_committed_sdl_is_current() -> None:
    committed = (ROOT / "schema.graphql").read_text()
    assert committed == schema.as_str() + "\n", "run `make schema` and commit schema.graphql"


def _described() -> list[tuple[str, str | None]]:
    """Every type, field, argument and enum value of ours, and its description."""
    found: list[tuple[str, str | None]] = []
    for name, kind in graphql_core(schema).type_map.items():
        if name.startswith("__") or name in {"Boolean", "Float", "ID", "Int", "String", "Query"}:
            continue
        found.append((name, kind.description))
        if isinstance(kind, GraphQLEnumType):
            found += [(f"{name}.{value}", each.description) for value, each in kind.values.items()]
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for field_name, field in kind.fields.items():
                found.append((f"{name}.{field_name}", field.description))
                arguments = getattr(field, "args", {})
                found += [
                    (f"{name}.{field_name}({argument}:)", each.description)
                    for argument, each in arguments.items()
                ]
    return found


def test_everything_is_described_for_the_person_who_explores() -> None:
    described = _described()
    assert len(described) > 150
    assert [name for name, description in described if not description] == []


def test_a_description_ends_as_a_sentence_does() -> None:
    assert [name for name, text in _described() if text and not text.rstrip().endswith(".")] == []


def test_the_public_contract_is_kept() -> None:
    target = SHARED / "spec" / "target.graphql"
    if not target.exists():
        pytest.skip("the folder with the contract, ../shared, is missing")
    broken = find_breaking_changes(build_schema(target.read_text()), graphql_core(schema))
    assert [change.description for change in broken] == []


def test_no_change_breaks_what_was_published() -> None:
    """Against the SDL of the newest release; until there is one, against the last commit."""
    shown = subprocess.run(
        ["git", "show", "HEAD:schema.graphql"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if shown.returncode != 0:
        pytest.skip("not a git checkout: nothing to compare with")
    broken = find_breaking_changes(build_schema(shown.stdout), graphql_core(schema))
    assert [change.description for change in broken] == []
