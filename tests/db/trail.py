"""Random histories of the audit trail: what a writer may do to it, as SQL."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from hypothesis import strategies as st

USERS = [UUID(int=0xA0 + n) for n in range(2)]
INTERCEPTIONS = [UUID(int=0xB00 + n) for n in range(6)]
CHILDREN = [UUID(int=0xC00 + n) for n in range(8)]
METADATA = [None, "{}", '{"a": 1, "b": {"c": "2", "d": 0.5}}', '{"a": 7, "e": "no", "b": {"c": 3}}']

ADD_USERS = "INSERT INTO users (id, email, username) VALUES " + ", ".join(
    f"('{user}', 'u{n}@example.com', 'u{n}')" for n, user in enumerate(USERS)
)


def _literal(value: object) -> str:
    return "NULL" if value is None else f"'{value}'"


_times = st.integers(0, 5).map(lambda n: f"2026-01-0{n + 1} 10:00:00+00")
_ids = st.sampled_from(INTERCEPTIONS)
_children = st.sampled_from(CHILDREN)
_sessions = st.sampled_from([None, "s1", "s2"])
_CHILD_TABLES = ["aibridge_token_usages", "aibridge_user_prompts", "aibridge_tool_usages"]
_tables = st.sampled_from(_CHILD_TABLES)
_tools = st.sampled_from(["Bash", "Read", "Übel"])


@st.composite
def _interception(draw: st.DrawFn, ended: bool | None = None) -> str:
    is_ended = draw(st.booleans()) if ended is None else ended
    values = [
        draw(_ids),
        draw(st.sampled_from(USERS)),
        draw(st.sampled_from(["anthropic", "openai", "Zed"])),
        draw(st.sampled_from(["", "main"])),
        draw(st.sampled_from(["opus", "gpt", "Ärger"])),
        draw(_times),
        draw(_times) if is_ended else None,
        draw(st.sampled_from(METADATA)),
        draw(st.sampled_from([None, "Cursor"])),
        draw(st.sampled_from([None, *INTERCEPTIONS[:2]])),
        draw(_sessions),
    ]
    return f"({', '.join(_literal(v) for v in values)})"


_COLUMNS = (
    "(id, initiator_id, provider, provider_name, model, started_at, ended_at, metadata, client,"
    " thread_root_id, client_session_id)"
)


@st.composite
def _insert(draw: st.DrawFn) -> str:
    rows = draw(st.lists(_interception(), min_size=1, max_size=3, unique_by=lambda row: row[:38]))
    end = draw(
        st.sampled_from(
            ["NOTHING", "(id) DO UPDATE SET ended_at = excluded.ended_at, model = excluded.model"]
        )
    )
    conflict = "" if end == "NOTHING" else end.removeprefix("(id) ")
    target = "DO NOTHING" if not conflict else f"(id) {conflict}"
    return (
        f"INSERT INTO aibridge_interceptions {_COLUMNS} VALUES {', '.join(rows)}"
        f" ON CONFLICT {target}"
    )


@st.composite
def _update(draw: st.DrawFn) -> str:
    change = draw(
        st.one_of(
            _times.map(lambda t: f"ended_at = '{t}'"),
            _times.map(lambda t: f"ended_at = '{t}'"),
            st.just("ended_at = NULL"),
            _times.map(lambda t: f"started_at = '{t}'"),
            _sessions.map(lambda s: f"client_session_id = {_literal(s)}"),
            st.sampled_from(USERS).map(lambda u: f"initiator_id = '{u}'"),
            st.just("model = 'sonnet', client = 'Zed', thread_root_id = NULL"),
            st.just("api_key_id = 'k'"),
        )
    )
    wanted = draw(st.lists(_ids, min_size=1, max_size=3))
    ids = ", ".join(f"'{i}'" for i in wanted)
    return f"UPDATE aibridge_interceptions SET {change} WHERE id IN ({ids})"


@st.composite
def _child(draw: st.DrawFn, table: str | None = None) -> str:
    name = draw(_tables) if table is None else table
    common = [draw(_children), draw(_ids), "r", draw(st.sampled_from(METADATA)), draw(_times)]
    columns = "id, interception_id, provider_response_id, metadata, created_at"
    if name == "aibridge_user_prompts":
        columns, extra = f"{columns}, prompt", ["hello"]
    elif name == "aibridge_tool_usages":
        columns, extra = f"{columns}, tool, input", [draw(_tools), "{}"]
    else:
        columns += ", input_tokens, output_tokens, cache_read_input_tokens"
        extra = [str(draw(st.integers(0, 2**62))), "2", "3"]
    values = ", ".join(_literal(v) for v in [*common, *extra])
    return f"INSERT INTO {name} ({columns}) VALUES ({values}) ON CONFLICT DO NOTHING"


@st.composite
def _child_update(draw: st.DrawFn) -> str:
    table = draw(_tables)
    changes = [
        _times.map(lambda t: f"created_at = '{t}'"),
        _ids.map(lambda i: f"interception_id = '{i}'"),
        st.just("metadata = '{\"a\": 100}'"),
    ]
    if table == "aibridge_tool_usages":
        changes.append(_tools.map(lambda t: f"tool = '{t}'"))
    change = draw(st.one_of(changes))
    return f"UPDATE {table} SET {change} WHERE id = '{draw(_children)}'"


_deletes = st.one_of(
    _ids.map(lambda i: f"DELETE FROM aibridge_interceptions WHERE id = '{i}'"),
    st.tuples(_tables, _children).map(lambda tc: f"DELETE FROM {tc[0]} WHERE id = '{tc[1]}'"),
    st.tuples(_tables, _ids).map(
        lambda ti: f"DELETE FROM {ti[0]} WHERE interception_id = '{ti[1]}'"
    ),
)


@st.composite
def _everything_at_once(draw: st.DrawFn) -> str:
    """One statement that writes several tables: its triggers fire when all of it is there."""
    parts = [
        draw(st.one_of(_insert(), _update(), _deletes)),
        *(draw(_child(table)) for table in _CHILD_TABLES),
    ]
    named = (f"p{n} AS ({part} RETURNING 1)" for n, part in enumerate(draw(st.permutations(parts))))
    return f"WITH {', '.join(named)} SELECT 1"


_moves_key = st.tuples(_ids, _ids).map(
    lambda ab: (
        f"UPDATE aibridge_interceptions SET id = '{ab[0]}' WHERE id = '{ab[1]}' AND NOT EXISTS"
        f" (SELECT FROM aibridge_interceptions WHERE id = '{ab[0]}')"
    )
)

statements = st.one_of(
    _insert(), _insert(), _update(), _update(), _child(), _child(), _child_update(), _deletes,
    _everything_at_once(), _moves_key,
)  # fmt: skip


@dataclass(frozen=True)
class Transaction:
    """Statements that come into force together, or not at all; some are undone by a savepoint."""

    statements: list[str]
    undone: list[str]
    commit: bool


transactions = st.builds(
    Transaction,
    st.lists(statements, min_size=1, max_size=4),
    st.lists(statements, max_size=2),
    st.booleans() | st.just(True),
)
