"""Commands as a person types them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from db import embedded, migrations
from server.cli import main
from tests.system.program import ROOT, run


@pytest.mark.parametrize(
    ("arguments", "settings", "sentence"),
    [
        (["serve"], {"port": "x"}, "AIBRIDGE_PORT: input should be a valid integer, unable"),
        (["serve", "--workers", "0"], {}, "AIBRIDGE_WORKERS: input should be greater than"),
        (["serve", "--prot", "1"], {}, "No such option: --prot"),
        (["migrate"], {"database_url": "mysql://x"}, "AIBRIDGE_DATABASE_URL: must begin with"),
        (["user", "create", "no spaces"], {}, "The username 'no spaces' must be letters"),
        (["user", "create", "ada", "--role", "boss"], {}, "--role 'boss' must be one of: owner"),
        (["token", "create", "ada", "--lifetime", "1y"], {}, "--lifetime '1y' must be a number"),
        (["token", "create", "ada", "--expires", "2001-01-01"], {}, "--expires '2001-01-01' must"),
        (["nonsense"], {}, "No such command 'nonsense'"),
    ],
)
def test_what_was_typed_wrong_is_one_sentence_on_stderr(
    arguments: list[str],
    settings: dict[str, str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"AIBRIDGE_{name.upper()}", value)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert printed.err.startswith(f"aibridge: {sentence}")
    assert printed.err.count("\n") == 1


def test_a_database_that_is_away_is_one_sentence() -> None:
    done = run("user", "list", database_url="postgresql://nobody@127.0.0.1:1/nothing")
    assert done.code == 2
    assert done.stderr.startswith("aibridge: The database can't be used: ")
    assert done.stderr.count("\n") == 1


def test_the_version_is_that_of_the_project() -> None:
    assert f'version = "{run("--version").stdout.strip()}"' in (ROOT / "pyproject.toml").read_text()


def test_schema_prints_the_committed_sdl() -> None:
    assert run("schema").stdout == (ROOT / "schema.graphql").read_text()


def test_users_and_tokens_are_made_listed_and_revoked(shared_database_url: str) -> None:
    where = {"database_url": shared_database_url}
    made = run("user", "create", "grace", "--name", "Grace H.", "--role", "auditor", **where)
    assert made.code == 0, made.stderr
    assert run("user", "create", "GRACE", **where).stderr == (
        "aibridge: The username 'GRACE' is taken.\n"
    )
    assert re.split("  +", run("user", "list", **where).stdout.splitlines()[1]) == [
        "grace",
        "Grace H.",
        "grace@localhost",
        "auditor",
        "active",
    ]
    token = run("token", "create", "grace", "--name", "script", "--lifetime", "2h", **where)
    key_id, _, secret = token.stdout.strip().partition("-")
    assert (len(key_id), len(secret)) == (10, 22)
    listed = run("token", "list", "--user", "Grace", **where).stdout
    assert key_id in listed
    assert secret not in listed
    assert run("token", "revoke", key_id, **where).stdout == f"Revoked {key_id}.\n"
    assert key_id not in run("token", "list", **where).stdout
    assert run("token", "revoke", key_id, **where).code == 2


def test_check_prints_settings_without_secrets_and_finds_slips(shared_database_url: str) -> None:
    well = run("check", database_url=shared_database_url)
    assert (well.code, well.stderr) == (0, "")
    assert "AIBRIDGE_PORT=8000" in well.stdout

    slip = run("check", database_url=shared_database_url, prot="1")
    assert (slip.code, slip.stderr) == (1, "aibridge: AIBRIDGE_PROT is not a setting.\n")

    away = run("check", database_url="postgresql://u:hunter2@127.0.0.1:1/x")
    assert away.code == 1
    assert "hunter2" not in away.stdout + away.stderr


async def test_a_database_that_is_not_at_head_is_refused_until_migrated(postgres: str) -> None:
    url = await embedded.database_url(postgres, "test_not_at_head")
    where = {"database_url": url}
    refused = run("serve", "--port", "0", **where)
    assert (refused.code, refused.stdout) == (2, "")
    assert refused.stderr == (
        "aibridge: The database is not migrated, and this program needs revision "
        f"{migrations.HEAD}: run `aibridge migrate` or set AIBRIDGE_AUTO_MIGRATE=true.\n"
    )
    assert run("check", **where).code == 1
    assert run("migrate", **where).code == 0
    assert run("check", **where).code == 0

    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await connection.close()
    refused = run("serve", "--port", "0", auto_migrate="true", **where)
    assert refused.code == 2
    assert "at revision 9999, which this program" in refused.stderr


@pytest.mark.parametrize("command", ["serve", "migrate", "import"])
async def test_another_programs_database_is_refused(postgres: str, command: str) -> None:
    url = await embedded.database_url(postgres, f"test_foreign_{command}")
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE users (name text)")
    await connection.close()
    arguments = {"serve": ["--port", "0"], "migrate": [], "import": ["nothing.ndjson"]}[command]
    refused = run(command, *arguments, database_url=url, auto_migrate="true")
    assert (refused.code, refused.stdout) == (2, "")
    assert refused.stderr == (
        "aibridge: The database is another program's: it has users, and no revision. Name an empty "
        "one, or read it as it is (`--attach`, AIBRIDGE_ATTACH=true).\n"
    )


def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("user", "list", data_dir=str(tmp_path / "file"))
    assert done.code == 2
    assert done.stderr.startswith("aibridge: The embedded PostgreSQL does not start in ")
    assert done.stderr.count("\n") == 1


async def test_a_tampered_rollup_is_found_and_mended(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO users (id, email, username) VALUES (gen_random_uuid(), 'a@x', 'a');"
        "INSERT INTO aibridge_interceptions"
        " (id, initiator_id, provider, model, started_at, ended_at, client_session_id)"
        " SELECT gen_random_uuid(), id, 'p', 'm', now(), now(), 's' FROM users;"
        "UPDATE aibridge_sessions SET threads = 5"
    )
    await connection.close()
    found = run("check", "--deep", database_url=database_url)
    assert found.code == 1
    assert "threads is 5, should be 1." in found.stderr
    assert "aibridge sessions rebuild" in found.stderr

    assert run("sessions", "rebuild", database_url=database_url).stdout == (
        "Computed 1 sessions anew.\n"
    )
    assert run("check", "--deep", database_url=database_url).code == 0


async def test_the_index_of_prompts_is_dropped_and_made(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    is_valid = (
        "SELECT indisvalid FROM pg_index"
        " WHERE indexrelid = to_regclass('ix_aibridge_user_prompts_grams')"
    )

    def said(action: str) -> str:
        return run("search-index", action, database_url=database_url).stdout

    assert said("create") == "Prompts were indexed already.\n"
    assert said("drop") == "Prompts are indexed no more.\n"
    assert await connection.fetchval(is_valid) is None
    assert said("drop") == "Prompts were not indexed.\n"
    assert said("create") == "Prompts are indexed.\n"
    assert await connection.fetchval(is_valid)
    # What a build leaves behind that was broken off.
    await connection.execute(
        "UPDATE pg_index SET indisvalid = false"
        " WHERE indexrelid = 'ix_aibridge_user_prompts_grams'::regclass"
    )
    assert said("create") == "Prompts are indexed.\n"
    assert await connection.fetchval(is_valid)
    await connection.close()


def test_an_interrupt_while_the_program_loads_is_heard() -> None:
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "server", "check"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        while b"pydantic" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert b"Traceback" not in said
