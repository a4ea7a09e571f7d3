"""The examples that GraphiQL opens with: they fit the schema, and say what they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphql import OperationDefinitionNode, build_schema, parse, validate

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "frontend" / "graphiql" / "examples").glob("*.graphql"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_fits_the_schema(path: Path) -> None:
    sdl = ROOT / "schema.graphql"
    if not sdl.exists():
        pytest.skip("schema.graphql is not there yet")
    schema = build_schema(sdl.read_text("utf-8"))
    assert validate(schema, parse(path.read_text("utf-8"))) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_has_a_title_a_sentence_and_a_name(path: Path) -> None:
    text = path.read_text("utf-8")
    title, about, *_ = text.splitlines()
    assert title.startswith("# ")
    assert not title.endswith(".")
    assert about.startswith("# ")
    (operation,) = parse(text).definitions
    assert isinstance(operation, OperationDefinitionNode)
    assert operation.name is not None
