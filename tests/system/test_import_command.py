from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.db.recorded import line, record

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "server", "import"]


def run(url: str, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"AIBRIDGE_DATABASE_URL": url}
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=environment,
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )


async def count(url: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval("SELECT count(*) FROM aibridge_interceptions")
    finally:
        await connection.close()


async def test_import_from_a_pipe_prints_what_was_done(database_url: str) -> None:
    content = line(record(1)) + b"{}\n" + line(record(2))
    done = run(database_url, "-", stdin=content)
    assert done.returncode == 1
    assert b"aibridge: -: line 2: id: missing" in done.stderr
    assert b"3 records read, 1 bad." in done.stdout
    assert await count(database_url) == 2
    assert run(database_url, "--strict", "-", stdin=content).returncode == 1
    again = run(database_url, "--dry-run", "-", stdin=line(record(2)) + line(record(3)))
    assert again.returncode == 0
    assert b"would be written" in again.stdout
    assert await count(database_url) == 2


def test_an_interrupt_says_what_was_written_and_ends_with_130(database_url: str) -> None:
    environment = os.environ | {"AIBRIDGE_DATABASE_URL": database_url}
    with subprocess.Popen(
        [*COMMAND, "-"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        # More than a pipe holds: when it is taken, the import has begun and waits for more.
        process.stdin.write(b"".join(line(record(number)) for number in range(1, 200)))
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Interrupted" in stderr
    assert b"Traceback" not in stderr
    assert b"records read" in stdout


@pytest.mark.parametrize("times", [1, 2])
async def test_an_interrupt_in_the_middle_counts_what_was_written(
    database_url: str, tmp_path: Path, times: int
) -> None:
    file = tmp_path / "many.ndjson"
    file.write_bytes(b"".join(line(record(number)) for number in range(1, 30_000)))
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        str(file),
        cwd=ROOT,
        env=os.environ | {"AIBRIDGE_DATABASE_URL": database_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    for _ in range(1000):
        if await count(database_url):
            break
        await asyncio.sleep(0.01)
    # Who is impatient does so again.
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.05)
    stdout, stderr = await process.communicate()
    assert process.returncode == 130, stderr
    assert b"Task exception" not in stderr
    rows = [row.split() for row in stdout.decode().splitlines()]
    (written,) = [row[1] for row in rows if row[:1] == ["interceptions"]]
    (read,) = [row[0] for row in rows if row[1:3] == ["records", "read,"]]
    assert written == read != "0"
    assert await count(database_url) == int(written.replace(",", ""))


def test_a_database_that_is_away_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    file = tmp_path / "one.ndjson"
    file.write_bytes(line(record()))
    done = run("postgresql://nobody@127.0.0.1:9/none", str(file))
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
