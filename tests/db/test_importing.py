from __future__ import annotations

import asyncio
import gzip
import io
import json
import uuid
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db import rollup
from db.importing import chunks, running
from db.importing.batches import TABLES
from db.importing.running import Fault, Options, Result
from tests.db.recorded import (
    EXPORT,
    MISSING,
    NDJSON,
    USER,
    changed,
    line,
    needs_recordings,
    record,
)

Run = Callable[..., Any]


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


class Importing:
    """Imports files made of bytes, and remembers what was said."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self.faults: list[str] = []
        self.result = Result()

    async def __call__(self, *contents: bytes, **options: Any) -> Result:
        files = []
        for number, content in enumerate(contents):
            path = self._folder / f"{number}.json"
            path.write_bytes(content)
            files.append(str(path))
        return await self.paths(*files, **options)

    async def paths(self, *files: str, **options: Any) -> Result:
        self.faults = []
        self.result = Result()

        def hear(fault: Fault) -> None:
            self.faults.append(f"{fault.place}: {fault.reason}" if fault.place else fault.reason)

        given = Options(on_fault=hear, **options)
        return await running.run(self._url, files, given, self.result)


@pytest.fixture
def importing(database_url: str, tmp_path: Path) -> Importing:
    return Importing(database_url, tmp_path)


async def rows(connection: Any) -> list[int]:
    """The number of rows by table: users, interceptions, tokens, prompts, tools, thoughts."""
    return [await connection.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES]


def lines(count: int, start: int = 1) -> bytes:
    return b"".join(line(record(number)) for number in range(start, start + count))


async def test_every_value_arrives(importing: Importing, connection: Any) -> None:
    result = await importing(lines(1))
    assert list(result.counts.written.values()) == [1, 1, 1, 1, 1, 1]
    assert importing.faults == []
    row = await connection.fetchrow("SELECT * FROM aibridge_interceptions")
    given = record()
    assert str(row["id"]) == given["id"]
    assert json.loads(row["metadata"]) == given["metadata"]
    assert row["session_id"] == "s1"
    assert row["started_at"].isoformat() == "2026-10-12T08:00:00+00:00"
    assert (row["client"], row["credential_kind"]) == ("Zed", "byok")
    assert await connection.fetchval("SELECT prompt FROM aibridge_user_prompts") == "grüß dich 🙃\n"
    tool = await connection.fetchrow("SELECT * FROM aibridge_tool_usages")
    assert (tool["server_url"], tool["invocation_error"]) == (None, None)
    assert tool["provider_tool_call_id"] == "call_1"
    tokens = await connection.fetchrow("SELECT * FROM aibridge_token_usages")
    assert tuple(tokens)[3:7] == (3, 5, 7, 11)
    user = await connection.fetchrow("SELECT username, deleted, email FROM users")
    assert tuple(user) == ("ada", False, "ada@imported.invalid")


BAD = {
    "missing key": (changed("model", MISSING), "model: missing"),
    "missing end": (changed("ended_at", MISSING), "ended_at: missing"),
    "missing list": (changed("token_usages", MISSING), "token_usages: missing"),
    "missing key of a child": (
        changed("tool_usages.0.tool", MISSING), "tool_usages[0].tool: missing"),
    "missing username": (changed("initiator.username", MISSING), "initiator.username: missing"),
    "wrong type": (
        changed("token_usages.0.input_tokens", "3"),
        "token_usages[0].input_tokens: expected int, got str"),
    "float": (
        changed("token_usages.0.input_tokens", 3.5),
        "token_usages[0].input_tokens: expected int, got float"),
    "beyond bigint": (
        changed("token_usages.0.output_tokens", 2**63),
        "token_usages[0].output_tokens: expected int <= 9223372036854775807"),
    "no uuid": (changed("id", "7"), "id: invalid UUID"),
    "no time": (changed("started_at", "yesterday"), "started_at: invalid RFC3339 encoded datetime"),
    "time without a zone": (
        changed("started_at", "2026-10-12T08:00:00"),
        "started_at: expected datetime with a timezone component"),
    "time out of range": (
        changed("started_at", "0001-01-01T00:00:00+05:00"),
        "started_at: out of the range of times that can be stored"),
    "long client": (changed("client", "c" * 65), "client: expected str of length <= 64"),
    "long session": (
        changed("client_session_id", "s" * 257),
        "client_session_id: expected str of length <= 256"),
    "long hint": (
        changed("credential_hint", "h" * 16), "credential_hint: expected str of length <= 15"),
    "unknown kind": (
        changed("credential_kind", "stolen"), "credential_kind: invalid enum value 'stolen'"),
    "metadata of another type": (
        changed("user_prompts.0.metadata", [1]),
        "user_prompts[0].metadata: expected object or null"),
    "child of another": (
        changed("user_prompts.0.interception_id", record(9)["id"]),
        "user_prompts[0].interception_id: is not the id of this interception"),
    "NUL in text": (
        changed("user_prompts.0.prompt", "a\0b"),
        "user_prompts[0].prompt: holds NUL (\\u0000), which PostgreSQL can't store"),
    "NUL in metadata": (
        changed("metadata", {"a": {"b": "\0"}}),
        "metadata.a.b: holds NUL (\\u0000), which PostgreSQL can't store"),
    "no object": ([1], "expected object, got array"),
}  # fmt: skip

RAW = {
    "broken UTF-8": (b'{"id":"\xff"}', "not UTF-8: byte 0xff at 7"),
    "no JSON": (b"hello", "not JSON: invalid character (byte 0)"),
    "cut off": (line(record())[:90], "not JSON: it breaks off"),
    "half a surrogate pair": (
        line(record()).replace(b'"Zed"', rb'"\ud83d"'),
        "half a surrogate pair (\\ud800 to \\udfff), which is no character"),
    "nested without end": (
        line(record()).replace(b'{"b": 1}', b"[" * 100_000), "nested too deeply"),
    "a number beyond jsonb": (
        line(record()).replace(b'{"b": 1}', b'{"b": 1e999999}'),
        "PostgreSQL refuses it: value overflows numeric format"),
    "text too long for an index": (
        line(record(99, model="".join(chr(200 + n * n % 5000) for n in range(9_000)))),
        "PostgreSQL refuses it: index row"),
}  # fmt: skip


async def test_each_bad_line_is_reported_with_its_reason_and_loses_no_other(
    importing: Importing, connection: Any
) -> None:
    bad = [*((line(bad), reason) for bad, reason in BAD.values()), *RAW.values()]
    good = [line(record(100 + number)) for number in range(len(bad))]
    content = b"".join(g + b.strip() + b"\n" for g, (b, _) in zip(good, bad, strict=True))
    result = await importing(content)
    reasons = {f"line {2 * number}": reason for number, (_, reason) in enumerate(bad, 1)}
    told = dict(fault.split(": ", 1) for fault in importing.faults)
    assert told.keys() == reasons.keys()
    for place, reason in reasons.items():
        assert told[place].startswith(reason), place
    assert (result.records, result.faults) == (2 * len(bad), len(bad))
    assert await rows(connection) == [1] + [len(good)] * 5


async def test_a_repeated_id_is_reported_with_the_place_of_the_first(
    importing: Importing, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "RECORDS", 2)
    await importing(lines(1) + lines(1) + lines(2, start=2) + lines(1))
    first = f"id: {record()['id']} is that of line 1 too"
    assert importing.faults == [f"line 2: {first}", f"line 5: {first}"]
    assert await rows(connection) == [1, 3, 3, 3, 3, 3]


async def test_two_files_may_hold_the_same_record(importing: Importing) -> None:
    for options in ({"dry_run": True}, {}):
        result = await importing(lines(2), lines(2, start=2), **options)
        assert importing.faults == []
        assert result.counts.written["aibridge_interceptions"] == 3
        assert result.counts.skipped["aibridge_interceptions"] == 1


async def test_importing_twice_changes_nothing(importing: Importing, connection: Any) -> None:
    await importing(lines(3))
    before = await rows(connection)
    result = await importing(lines(3))
    assert await rows(connection) == before
    assert sum(result.counts.written.values()) == 0
    assert list(result.counts.skipped.values()) == [0, 3, 3, 3, 3, 3]
    assert result.faults == 0


async def test_missing_children_are_added_but_not_thoughts(
    importing: Importing, connection: Any
) -> None:
    await importing(line(record(user_prompts=[], model_thoughts=[])))
    await importing(lines(1))
    assert await rows(connection) == [1, 1, 1, 1, 1, 0]


async def test_a_strict_import_stops_and_writes_nothing(
    importing: Importing, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "RECORDS", 2)
    with pytest.raises(running.StrictError):
        await importing(lines(5) + b"{}\n" + lines(1, start=9) + b"{}\n", strict=True)
    assert importing.faults == ["line 6: id: missing"]
    assert await rows(connection) == [0] * 6
    assert sum(importing.result.counts.written.values()) == 0


async def test_a_strict_import_without_a_fault_writes_everything(
    importing: Importing, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "RECORDS", 2)
    result = await importing(lines(5), strict=True)
    assert await rows(connection) == [1, 5, 5, 5, 5, 5] == list(result.counts.written.values())


async def test_a_dry_run_says_what_would_be_written_and_changes_nothing(
    importing: Importing, connection: Any
) -> None:
    await importing(lines(1))
    result = await importing(lines(3) + b"{}\n", dry_run=True)
    assert list(result.counts.written.values()) == [0, 2, 2, 2, 2, 2]
    assert list(result.counts.skipped.values()) == [0, 1, 1, 1, 1, 1]
    assert result.faults == 1
    assert await rows(connection) == [1] * 6


async def test_an_interrupted_import_is_whole_and_can_be_completed(
    importing: Importing, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "RECORDS", 2)

    def interrupt(result: Result) -> None:
        if result.records >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await importing(lines(11), on_progress=interrupt)
    assert await rows(connection) == list(importing.result.counts.written.values())
    # Those that were begun beside the second chunk may have been written.
    assert importing.result.counts.written["aibridge_interceptions"] in (4, 6, 8)
    await importing(lines(11))
    assert await rows(connection) == [1, 11, 11, 11, 11, 11]


_COMMIT_WAITS = """
CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql
AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER wait_for_test AFTER INSERT ON aibridge_interceptions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_for_test();
"""


async def test_a_chunk_that_commits_when_the_import_is_stopped_is_written_and_counted(
    importing: Importing, connection: Any
) -> None:
    await connection.execute(_COMMIT_WAITS)
    await connection.execute("SELECT pg_advisory_lock(7)")
    waiting = asyncio.create_task(importing(lines(3)))
    is_committing = (
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory')"
    )
    while not await connection.fetchval(is_committing):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.sleep(0)
    await connection.execute("SELECT pg_advisory_unlock(7)")
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert importing.result.counts.written["aibridge_interceptions"] == 3
    assert await rows(connection) == list(importing.result.counts.written.values())


async def test_a_name_that_is_taken_makes_a_user_whom_it_does_not_find(
    importing: Importing, connection: Any
) -> None:
    other = USER | {"id": "00000000-0000-4000-8000-000000000001", "username": "ADA"}
    result = await importing(lines(1) + line(record(2, initiator=other)))
    assert result.counts.shadowed == ["ADA"]
    users = await connection.fetch("SELECT username, deleted FROM users ORDER BY deleted")
    assert [tuple(user) for user in users] == [("ada", False), ("ADA", True)]
    again = await importing(lines(1) + line(record(2, initiator=other)))
    assert again.counts.shadowed == []


async def test_a_known_user_is_left_as_it_is(importing: Importing, connection: Any) -> None:
    await importing(lines(1))
    await importing(line(record(2, initiator=USER | {"username": "ada2", "name": "Ada"})))
    assert tuple(await connection.fetchrow("SELECT username, name FROM users")) == ("ada", "")


REST_KEYS = {
    *("id", "api_key_id", "initiator", "provider", "provider_name", "model", "client"),
    *("metadata", "started_at", "ended_at", "token_usages", "user_prompts", "tool_usages"),
}


@pytest.mark.parametrize(
    ("form", "indent", "packed"),
    [("results", None, False), ("results", 2, True), ("array", 2, False), ("array", None, True)],
)
async def test_an_export_is_read_too(
    importing: Importing, connection: Any, form: str, indent: int | None, packed: bool
) -> None:
    exported = [
        {key: value for key, value in record(n).items() if key in REST_KEYS} for n in (1, 2, 3)
    ]
    exported[1] = {"id": 'a tricky "]} string\\'}
    whole = {"count": 3, "results": exported} if form == "results" else exported
    content = json.dumps(whole, indent=indent).encode()
    await importing(gzip.compress(content) if packed else content)
    assert len(importing.faults) == 1
    assert importing.faults[0].startswith("item 2 (line ")
    assert importing.faults[0].endswith("): id: invalid UUID")
    assert await rows(connection) == [1, 2, 2, 2, 2, 0]
    row = await connection.fetchrow("SELECT * FROM aibridge_interceptions")
    assert (row["credential_kind"], row["credential_hint"]) == ("centralized", "")
    assert row["session_id"] == str(row["id"])


BROKEN = (
    (b"[" + line(record()), "breaks off in the array"),
    (b"[" + line(record()) + b', {"id": [', "breaks off in item 2 (line 2)"),
    (b"[" + line(record()) + b'], {"id": 1}]', "goes on after the end of the array"),
    (gzip.compress(lines(1))[:-9], "can't be read any further: compressed file ended"),
)


async def test_a_broken_file_is_reported_after_what_could_be_read(
    importing: Importing, connection: Any
) -> None:
    for content, reason in BROKEN:
        await importing(content)
        assert len(importing.faults) == 1
        assert reason in importing.faults[0]
    assert await rows(connection) == [1] * 6


async def test_a_scalar_in_an_array_costs_no_other_item(
    importing: Importing, connection: Any
) -> None:
    await importing(b'[7, "x,]", null, ' + line(record()) + b"]")
    assert [fault.partition(":")[0] for fault in importing.faults] == [
        "item 1 (line 1)", "item 2 (line 1)", "item 3 (line 1)",
    ]  # fmt: skip
    assert await rows(connection) == [1] * 6


async def test_of_a_packed_file_that_breaks_off_all_before_the_break_is_read(
    importing: Importing, connection: Any
) -> None:
    content = b"".join(line(record(number)) for number in range(1, 400))
    whole = zlib.decompressobj(31).decompress(gzip.compress(content)[:-200])
    await importing(gzip.compress(content)[:-200])
    assert (await rows(connection))[1] == whole.count(b"\n") > 300


async def test_long_strings_are_read_across_chunks(importing: Importing, connection: Any) -> None:
    prompt = 'a"b\\]},' * 500_000
    long = changed("user_prompts.0.prompt", prompt)
    await importing(b"[" + line(long) + b"," + line(record(2)) + b"]")
    assert importing.faults == []
    assert await connection.fetchval("SELECT max(length(prompt)) FROM aibridge_user_prompts") == (
        len(prompt)
    )


async def test_standard_input_is_read(
    importing: Importing, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"\xef\xbb\xbf" + lines(2))))
    monkeypatch.setattr("sys.stdin", stdin)
    await importing.paths("-")
    assert await rows(connection) == [1, 2, 2, 2, 2, 2]


async def test_a_missing_file_does_not_lose_the_others(
    importing: Importing, connection: Any, tmp_path: Path
) -> None:
    (tmp_path / "good.ndjson").write_bytes(lines(1))
    await importing.paths(str(tmp_path / "away"), str(tmp_path), str(tmp_path / "good.ndjson"))
    assert importing.faults == [
        "can't be opened: no such file or directory",
        "can't be opened: is a directory",
    ]
    assert (await rows(connection))[1] == 1


async def test_an_empty_file_is_nothing(importing: Importing) -> None:
    result = await importing(b"", b"\n\n", b"[]", b'{"count": 0, "results": []}')
    assert (result.records, importing.faults) == (0, [])


@needs_recordings
@pytest.mark.parametrize(("path", "thoughts", "sessions"), [(NDJSON, 12, 18), (EXPORT, 0, 39)])
async def test_the_real_recordings_arrive_whole(
    importing: Importing, connection: Any, path: Path, thoughts: int, sessions: int
) -> None:
    await importing.paths(str(path))
    assert importing.faults == []
    assert await rows(connection) == [5, 39, 38, 31, 15, thoughts]
    sums = await connection.fetchrow(
        "SELECT sum(input_tokens), sum(output_tokens), sum(cache_read_input_tokens), "
        "sum(cache_write_input_tokens) FROM aibridge_token_usages"
    )
    assert tuple(sums) == (56_599, 3_064, 65_643, 22)
    found = await connection.fetchval(
        "SELECT count(DISTINCT (session_id, initiator_id)) FROM aibridge_interceptions"
    )
    assert found == sessions


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
PATHS = ("id", "initiator", "initiator.id", "model", "started_at", "ended_at", "metadata",
         "token_usages", "token_usages.0", "token_usages.0.input_tokens", "user_prompts.0.prompt",
         "tool_usages.0.created_at", "model_thoughts", "client", "thread_root_id")  # fmt: skip


@given(
    bad=st.lists(
        st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b" ").replace(b"\x1f", b" "))
        | st.tuples(st.sampled_from(PATHS), JSON).map(lambda it: line(changed(*it)).strip()),
        max_size=6,
    ),
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    tokens=st.integers(-(2**63), 2**63 - 1),
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_whatever_stands_between_good_records_arrive_as_they_were(
    importing: Importing, connection: Any, bad: list[bytes], text: str, tokens: int
) -> None:
    for table in reversed(TABLES):
        await connection.execute(f"DELETE FROM {table}")
    good = record(77, metadata={"text": text}, initiator=USER | {"username": "good"})
    good["user_prompts"][0]["prompt"] = text
    good["token_usages"][0]["input_tokens"] = tokens
    content = b"\n".join([line(record(78)).strip(), *bad, line(good).strip()])
    result = await importing(content)
    assert result.faults == len(importing.faults)
    assert (
        result.faults
        + sum(
            counts["aibridge_interceptions"]
            for counts in (result.counts.written, result.counts.skipped)
        )
        == result.records
    )
    row = await connection.fetchrow(
        "SELECT prompt, input_tokens, i.metadata FROM aibridge_interceptions i "
        "JOIN aibridge_user_prompts p ON p.interception_id = i.id "
        "JOIN aibridge_token_usages t ON t.interception_id = i.id WHERE i.id = $1",
        good["id"],
    )
    assert (row["prompt"], row["input_tokens"]) == (text, tokens)
    assert json.loads(row["metadata"]) == {"text": text}


async def _interfere(connection: Any, done: asyncio.Event) -> None:
    """Write to the sessions s0 to s3, in one order and the other, until it is done."""
    number = 10_000
    while not done.is_set():
        order = 1 if number % 2 else -1
        own = uuid.UUID(int=number << 64)
        try:
            async with connection.transaction():
                for session in ("s0", "s1", "s2", "s3")[::order]:
                    number += 1
                    own = uuid.UUID(int=number << 64)
                    await connection.execute(
                        "INSERT INTO aibridge_interceptions (id, initiator_id, provider, model,"
                        " started_at, client_session_id) VALUES ($1, $2, 'p', 'm', now(), $3)",
                        *(own, uuid.UUID(USER["id"]), session),
                    )
                    await connection.execute(
                        "INSERT INTO aibridge_token_usages (id, interception_id,"
                        " provider_response_id, input_tokens, output_tokens, created_at)"
                        " VALUES ($1, $1, 'r', 1, 2, now())",
                        own,
                    )
                    await connection.execute(
                        "UPDATE aibridge_interceptions SET ended_at = now() WHERE id = $1", own
                    )
                await connection.execute(
                    "UPDATE aibridge_token_usages SET output_tokens = 9 WHERE id = $1", own
                )
        except asyncpg.DeadlockDetectedError:
            pass


async def test_sessions_are_right_where_another_writer_has_them_too(
    importing: Importing, connection: Any, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "RECORDS", 20)
    await connection.execute("SET deadlock_timeout = '20ms'")
    await importing(lines(1))
    done = asyncio.Event()
    other = asyncio.create_task(_interfere(connection, done))
    given = [record(n, client_session_id=f"s{n % 7}") for n in range(1, 400)]
    result = await importing(b"".join(map(line, given)))
    done.set()
    await other
    assert importing.faults == []
    assert result.counts.written["aibridge_interceptions"] == 398
    findings = await rollup.check(database_url)
    assert findings.is_clean, [str(d) for d in findings.differences]
    assert await connection.fetchval("SELECT max(interceptions) FROM aibridge_sessions") > 57


async def test_a_deadlock_with_another_writer_costs_no_record(
    importing: Importing, connection: Any, database_url: str
) -> None:
    await importing(b"".join(line(record(n, client_session_id=f"s{n}")) for n in (1, 2)))
    touch = "UPDATE aibridge_sessions SET recomputed_in = NULL WHERE session_id = $1"
    # Its patience is longer than that of the importer, so that the importer is undone.
    await connection.execute("SET deadlock_timeout = '1min'")
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(touch, "s2")
    more = b"".join(line(record(n + 2, client_session_id=f"s{n}")) for n in (1, 2))
    waiting = asyncio.create_task(importing(more))
    # Not before the importer has s1 and waits for s2.
    waiting_for_us = (
        "SELECT EXISTS (SELECT FROM pg_locks"
        " WHERE NOT granted AND transactionid = pg_current_xact_id()::xid)"
    )
    while not await connection.fetchval(waiting_for_us):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await connection.execute(touch, "s1")
    await transaction.commit()
    result = await waiting
    assert importing.faults == []
    assert result.counts.written["aibridge_interceptions"] == 2
    findings = await rollup.check(database_url)
    assert findings.is_clean, [str(d) for d in findings.differences]


_ORPHAN = """
INSERT INTO aibridge_token_usages
    (id, interception_id, provider_response_id, input_tokens, output_tokens, created_at)
VALUES ($1, $2, 'r', 1, 2, now())
"""


async def test_children_that_come_before_their_interceptions_wait_for_nobody(
    importing: Importing, connection: Any, database_url: str
) -> None:
    async with connection.transaction():
        # Somebody writes an orphan, and keeps all who end an interception waiting.
        await connection.execute(_ORPHAN, uuid.UUID(int=1), uuid.UUID(int=2))
        other = await asyncpg.connect(database_url)
        copied = asyncio.create_task(importing(lines(1)))
        # The children are there, and only the end of their interception waits.
        waits = (
            "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE NOT l.granted AND l.locktype = 'advisory' AND l.mode = 'ShareLock'"
            " AND a.application_name = 'aibridge import'"
        )
        async with asyncio.timeout(30):
            while not await other.fetchval(waits):
                assert not copied.done()
                await asyncio.sleep(0.01)
        await other.close()
    result = await copied
    assert result.counts.written["aibridge_interceptions"] == 1
    assert (await rollup.check(database_url)).is_clean


async def test_several_importers_of_the_same_records_and_a_writer_of_their_children(
    connection: Any, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "RECORDS", 7)
    records = [record(n, client_session_id=f"s{n % 5}") for n in range(1, 150)]
    importers = []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        importers.append(Importing(database_url, folder))
    shifted = [records, records[40:] + records[:40], records[::-1]]
    done = asyncio.Event()

    async def write_children() -> None:
        """Write tokens of interceptions that may be there, in flight, or still to come."""
        await connection.execute("SET deadlock_timeout = '20ms'")
        number = 0
        while not done.is_set():
            owner = uuid.UUID(records[number * 37 % len(records)]["id"])
            number += 1
            with suppress(asyncpg.DeadlockDetectedError):
                await connection.execute(_ORPHAN, uuid.uuid4(), owner)

    writing = asyncio.create_task(write_children())
    together = [
        importer(b"".join(map(line, some)))
        for importer, some in zip(importers, shifted, strict=True)
    ]
    results = await asyncio.gather(*together)
    done.set()
    await writing
    assert [importer.faults for importer in importers] == [[], [], []]
    assert sum(result.counts.written["aibridge_interceptions"] for result in results) == 149
    findings = await rollup.check(database_url)
    assert findings.is_clean, [str(d) for d in findings.differences]
