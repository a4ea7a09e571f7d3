"""The documents name what there is, settings and commands, and their links lead somewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from server.cli import app
from server.settings import Settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "adr").glob("*.md"))
PAGES = [*ROOT.glob("*.md"), *DOCS.glob("*.md"), *DECISIONS]

_ADR_LINES = 40


def _commands() -> list[str]:
    names = [
        c.name or c.callback.__name__.rstrip("_") for c in app.registered_commands if c.callback
    ]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        names += [f"{group.name} {c.name}" for c in group.typer_instance.registered_commands]
    return [f"aibridge {name}" for name in names]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_table(name: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (DOCS / "configuration.md").read_text(), re.MULTILINE)
    message = f"describe AIBRIDGE_{name.upper()} once in docs/configuration.md"
    assert rows.count(f"AIBRIDGE_{name.upper()}") == 1, message


def test_the_table_names_no_setting_that_is_gone() -> None:
    rows = re.findall(
        r"^\| `(AIBRIDGE_\w+)` \|", (DOCS / "configuration.md").read_text(), re.MULTILINE
    )
    assert set(rows) == {f"AIBRIDGE_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("command", _commands())
def test_every_command_is_in_the_docs(command: str) -> None:
    assert f"`{command}`" in (DOCS / "configuration.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda page: page.name)
def test_a_decision_is_short_and_tagged(decision: Path) -> None:
    lines = decision.read_text().splitlines()
    assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", decision.name)
    assert len(lines) <= _ADR_LINES
    assert lines[2].startswith("Tags: ")


def test_decisions_have_numbers_of_their_own() -> None:
    numbers = [decision.name[:4] for decision in DECISIONS]
    assert len(numbers) == len(set(numbers))


def test_the_changelog_begins_with_what_is_not_released() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert headings[0] == "Unreleased"
    assert headings[1:2] in ([], [version])
