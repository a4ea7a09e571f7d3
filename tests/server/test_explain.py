"""How an operation is executed, told to the operator and to callers who may introspect."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from server.cli import main
from tests.factories import Factory
from tests.server.callers import make_caller
from tests.server.running import client_of, running_app

QUERY = "query Q($n: Int) { sessions(first: $n) { nodes { id initiator { username } } } }"


def test_the_command_prints_the_plan_without_a_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "q.graphql").write_text(QUERY)
    with pytest.raises(SystemExit) as ended:
        main(["explain", str(tmp_path / "q.graphql"), "--code"])
    assert not ended.value.code
    printed = capsys.readouterr().out
    assert "└─ nodes.initiator  User!               users.by_ids (by initiator_id)" in printed
    assert "2 look-ups on 2 levels" in printed
    assert "def build_sessions" in printed


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("{ nothing }", [], "Cannot query field 'nothing'"),
        ("{ viewer", [], "Syntax Error"),
        ("{ __typename }", ["--variables", "[1]"], "must be a JSON object"),
        ("{ __typename }", ["--variables", "{"], "must be JSON"),
        ("query ($n: Int!) { sessions(first: $n) { nodes { id } } }", [], "$n"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    text: str,
    options: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "q.graphql").write_text(text)
    with pytest.raises(SystemExit) as ended:
        main(["explain", str(tmp_path / "q.graphql"), *options])
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_the_command_runs_it_and_shows_statements(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "q.graphql").write_text(QUERY)
    options = ["--analyze", "--sql", "--database-url", database_url]
    done = subprocess.run(
        [sys.executable, "-m", "server", "explain", tmp_path / "q.graphql", *options],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "1 → 1" in done.stdout
    assert "statement: 0 rows in " in done.stdout
    assert "SELECT" in done.stdout
    assert "wanted by none" in done.stdout


@pytest.mark.parametrize("header", [{}, {"X-Explain": "1"}])
async def test_an_answer_tells_its_plan_where_it_is_asked_to(
    database_url: str, make: Factory, header: dict[str, str]
) -> None:
    await make.interception(await make.user())
    caller = await make_caller(database_url, "auditor")
    async with running_app(database_url) as app, client_of(app, headers=caller.headers) as client:
        answer = await client.post("/graphql", json={"query": QUERY}, headers=header)
    told = answer.json()
    assert len(told["data"]["sessions"]["nodes"]) == 1
    assert ("extensions" in told) == bool(header)
    if header:
        plan = told["extensions"]["plan"]
        (sessions,) = plan["lookUps"]
        assert plan["executor"] == "compiled"
        assert (sessions["batch"], sessions["run"]["keys"]) == ("sessions.pages", 1)
        assert [step["path"] for step in sessions["below"]] == ["nodes.initiator"]
        assert "SELECT" not in answer.text


async def test_who_may_not_introspect_is_told_no_plan(database_url: str) -> None:
    caller = await make_caller(database_url)
    async with running_app(database_url) as app, client_of(app, headers=caller.headers) as client:
        header = {"X-Explain": "1"}
        answer = await client.post("/graphql", json={"query": QUERY}, headers=header)
    assert answer.json() == {"data": {"sessions": {"nodes": []}}}


async def test_what_the_engine_leaves_alone_says_so(database_url: str) -> None:
    caller = await make_caller(database_url, "auditor")
    async with running_app(database_url) as app, client_of(app, headers=caller.headers) as client:
        query = {"query": "{ __schema { queryType { name } } }"}
        answer = await client.post("/graphql", json=query, headers={"X-Explain": "1"})
    assert answer.json()["extensions"]["plan"]["executor"] == "reference"
