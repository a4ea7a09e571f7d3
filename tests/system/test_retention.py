"""Retention by the real program: the server's task, the command, and a kill in the middle."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg

from db import rollup
from tests.system.program import ROOT, Server, environment, run, serving

_USER = "00000000-0000-0000-0000-0000000000aa"
_FILL = f"""
INSERT INTO users (id, email, username, created_at)
VALUES ('{_USER}', 'a@example.com', 'ada', now() - interval '1 year') ON CONFLICT DO NOTHING;
INSERT INTO aibridge_interceptions
    (id, initiator_id, provider, model, started_at, ended_at, client_session_id)
SELECT md5($1 || n::text)::uuid, '{_USER}', 'p', 'm', t.at, t.at, $1 || n / 20
FROM generate_series(1, $2) n, LATERAL (SELECT now() - $3 + n * interval '1 second' AS at) t;
INSERT INTO aibridge_token_usages
    (id, interception_id, provider_response_id, input_tokens, output_tokens, created_at)
SELECT gen_random_uuid(), id, 'r', 1, 2, started_at FROM aibridge_interceptions
WHERE client_session_id LIKE $1 || '%';
INSERT INTO aibridge_model_thoughts (interception_id, content, created_at)
SELECT id, 'Hm.', started_at FROM aibridge_interceptions WHERE client_session_id LIKE $1 || '%'
"""


async def _fill(url: str, name: str, count: int, days: int) -> None:
    connection = await asyncpg.connect(url)
    values = {"$1": f"'{name}'", "$2": str(count), "$3": f"interval '{days} days'"}
    sql = _FILL
    for placeholder, value in values.items():
        sql = sql.replace(placeholder, value)
    await connection.execute(sql)
    await connection.close()


async def _ask(url: str, sql: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


_COUNT = "SELECT count(*) FROM aibridge_interceptions"
_HALVES = """
SELECT count(*) FROM aibridge_interceptions i
LEFT JOIN aibridge_token_usages t ON t.interception_id = i.id
FULL JOIN aibridge_model_thoughts h ON h.interception_id = i.id
WHERE i.id IS NULL OR t.id IS NULL OR h.interception_id IS NULL
"""


async def _falls(url: str, below: int) -> int:
    deadline = time.monotonic() + 60
    while (count := await _ask(url, _COUNT)) >= below:
        assert time.monotonic() < deadline, f"still {count}"
        await asyncio.sleep(0.05)
    return int(count)


def _logged(server: Server, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in server.logged().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == event]


async def test_purge_counts_then_deletes(database_url: str) -> None:
    await _fill(database_url, "old", 30, days=100)
    await _fill(database_url, "new", 10, days=80)
    where = {"database_url": database_url}
    counted = run("purge", "--older-than", "90d", "--dry-run", **where)
    assert (counted.code, counted.stderr) == (0, "")
    rows = [line.split() for line in counted.stdout.splitlines()]
    assert rows[0][-3:] == ["WOULD", "BE", "DELETED"]
    assert ["aibridge_interceptions", "30"] in rows
    assert ["aibridge_token_usages", "30"] in rows
    assert await _ask(database_url, _COUNT) == 40
    done = run("purge", "--older-than", "90d", **where)
    assert done.stdout.splitlines()[1:] == counted.stdout.splitlines()[1:]
    assert await _ask(database_url, _COUNT) == 10
    assert (await rollup.check(database_url)).is_clean


async def test_a_purge_that_is_killed_leaves_whole_interceptions_and_is_taken_up(
    database_url: str,
) -> None:
    await _fill(database_url, "old", 12_000, days=100)
    command = [sys.executable, "-m", "server", "purge", "--older-than", "90d"]
    purging = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment({"database_url": database_url})
    )
    left = await _falls(database_url, 12_000)
    purging.kill()
    await purging.wait()
    # PostgreSQL may still end the statement that ran.
    await asyncio.sleep(0.5)
    assert 0 < await _ask(database_url, _COUNT) <= left
    assert await _ask(database_url, _HALVES) == 0
    assert (await rollup.check(database_url)).is_clean
    again = run("purge", "--older-than", "90d", database_url=database_url)
    assert again.code == 0, again.stderr
    assert await _ask(database_url, _COUNT) == 0
    assert await _ask(database_url, "SELECT count(*) FROM aibridge_token_usages") == 0


async def test_a_purge_that_is_interrupted_says_what_it_deleted(database_url: str) -> None:
    await _fill(database_url, "old", 12_000, days=100)
    command = [sys.executable, "-m", "server", "purge", "--older-than", "90d"]
    purging = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=environment({"database_url": database_url}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await _falls(database_url, 12_000)
    purging.send_signal(signal.SIGINT)
    stdout, stderr = await purging.communicate()
    assert purging.returncode == 130, stderr
    assert b"Interrupted" in stderr
    assert b"Traceback" not in stderr
    (told,) = [line for line in stdout.splitlines() if b"aibridge_interceptions" in line]
    assert 0 < int(told.split()[-1].replace(b",", b"")) < 12_000


async def test_the_server_deletes_at_its_start_and_stops_in_the_middle(database_url: str) -> None:
    await _fill(database_url, "old", 6_000, days=40)
    await _fill(database_url, "new", 20, days=20)
    settings = {"database_url": database_url, "retention": "30", "workers": "2"}
    with serving(**settings) as server:
        (line,) = _logged(server, "retention: older interceptions are deleted")
        assert (line["days"], line["kept"]) == (30, "nothing")
        await _falls(database_url, 6_020)
        assert server.get("/readyz").status_code == 200
        assert server.stop() == 0
        assert "Traceback" not in server.logged()
        assert '"level":"error"' not in server.logged()
    assert await _ask(database_url, _COUNT) > 20
    with serving(**settings) as server:
        await _falls(database_url, 21)
        deadline = time.monotonic() + 30
        while not (told := _logged(server, "retention: deleted")):
            assert time.monotonic() < deadline, server.logged()
            await asyncio.sleep(0.1)
        assert told[0]["interceptions"] > 0
        assert server.stop() == 0
    assert await _ask(database_url, _COUNT) == 20
    assert (await rollup.check(database_url)).is_clean


async def test_by_default_sixty_days_and_never_what_was_imported(
    database_url: str, tmp_path: Path
) -> None:
    record = {
        "id": "00000000-0000-0000-0000-000000000001",
        "initiator": {"id": "00000000-0000-0000-0000-0000000000bb", "username": "bob"},
        "provider": "p",
        "model": "m",
        "started_at": "2020-01-01T00:00:00Z",
        "ended_at": "2020-01-01T00:00:01Z",
        "token_usages": [],
        "user_prompts": [],
        "tool_usages": [],
    }
    file = tmp_path / "old.ndjson"
    file.write_text(json.dumps(record))
    where = {"database_url": database_url}
    imported = run("import", str(file), **where)
    assert (imported.code, imported.stderr) == (0, "")
    await _fill(database_url, "old", 10, days=70)
    await _fill(database_url, "new", 10, days=50)
    with serving(**where) as server:
        (line,) = _logged(server, "retention: older interceptions are deleted")
        assert line["days"] == 60
        assert "imported" in line["kept"]
        await _falls(database_url, 12)
        assert server.stop() == 0
    assert await _ask(database_url, _COUNT) == 11
    # Who sets it is told by the next import what that means.
    again = run("import", str(file), retention="30", **where)
    assert again.stderr.startswith("aibridge: 11 interceptions are older than 30 days")


async def test_zero_keeps_all(database_url: str) -> None:
    await _fill(database_url, "old", 10, days=300)
    with serving(database_url=database_url, retention="0") as server:
        assert _logged(server, "retention: interceptions are kept for ever")
        await asyncio.sleep(1)
        assert server.stop() == 0
    assert await _ask(database_url, _COUNT) == 10
