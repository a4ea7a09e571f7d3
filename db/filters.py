"""Criteria: what a caller may filter by, and how each becomes a condition of a WHERE clause.

A statement is built for the *shape* of a filter (which criteria are given), never with optional
conditions: PostgreSQL would plan those for the general case, which is up to 70 times slower. An
absent or empty criterion is no criterion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Self, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import UserDefinedType

from db import prompt_filter
from db.models import interceptions, tool_usages, user_prompts
from db.prompt_filter import PromptIndex

# The criteria that are given, by name; hashable, so that statements can be kept by it.
Shape: TypeAlias = frozenset[str]

# What a row without a client is called in filters and in the list of clients.
UNKNOWN_CLIENT = "Unknown"


class Criteria:
    """Base of the criteria: tells which are given and their values as statement parameters."""

    __slots__ = ()

    def given(self) -> dict[str, Any]:
        """Return the criteria that are given, by name; empty lists and texts are not."""
        values = ((f.name, getattr(self, f.name)) for f in fields(self))  # type: ignore[arg-type]
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values
            if value is not None and value not in ((), "")
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptCriteria(Criteria):
    """Criteria that may be about what a prompt contains.

    The last two mean the same as `prompt_contains`, and that the prompts are looked up first, by
    that index; `db.queries.prompt_search` decides it.
    """

    prompt_contains: str | None = None
    prompt_by_grams: str | None = None
    prompt_by_trgm: str | None = None

    @property
    def is_by_index(self) -> bool:
        """Whether prompts are looked up first."""
        return bool(self.prompt_by_grams or self.prompt_by_trgm)

    def by(self, index: PromptIndex) -> Self:
        """Return the same criteria, with the prompts looked up first."""
        text = self.prompt_contains
        if index == "grams":
            return replace(self, prompt_contains=None, prompt_by_grams=text)
        return replace(self, prompt_contains=None, prompt_by_trgm=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class InterceptionCriteria(PromptCriteria):
    """Which interceptions are meant; all that is given must hold."""

    initiator_id: UUID | None = None
    providers: tuple[str, ...] | None = None
    provider_names: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    clients: tuple[str, ...] | None = None
    session_ids: tuple[str, ...] | None = None
    credential_kind: str | None = None
    tools: tuple[str, ...] | None = None
    started_after: datetime | None = None
    started_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUsageCriteria(Criteria):
    """Which tool usages are meant; all that is given must hold."""

    initiator_id: UUID | None = None
    tools: tuple[str, ...] | None = None
    server_urls: tuple[str, ...] | None = None
    injected: bool | None = None
    failed: bool | None = None
    input_contains: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPromptCriteria(PromptCriteria):
    """Which user prompts are meant; all that is given must hold."""

    initiator_id: UUID | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


class Parameters:
    """Names the parameters of one filter, so that two filters can stand in one statement."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def texts(self, name: str) -> sa.ColumnElement[Any]:
        """A list of texts to compare with `= any(…)`."""
        return sa.any_(self.value(name, ARRAY(sa.Text)))

    def value(self, name: str, kind: Any) -> sa.BindParameter[Any]:
        """One value."""
        return sa.bindparam(self.prefix + name, type_=kind)


_Table: TypeAlias = Any
_Condition: TypeAlias = Callable[[_Table, Parameters], sa.ColumnElement[bool]]


def client_of(table: _Table) -> sa.ColumnElement[Any]:
    """Return what a row's client is called."""
    # A literal, by which the planner knows the expression that is indexed.
    return sa.func.coalesce(table.c.client, sa.literal_column(f"'{UNKNOWN_CLIENT}'"))


class _Inferred(UserDefinedType[str]):
    """The type that PostgreSQL infers."""

    cache_ok = True


_TIMESTAMP = sa.DateTime(timezone=True)
_BY_INDEX = frozenset({"prompt_by_grams", "prompt_by_trgm"})


def _contains(column: Any, p: Parameters, name: str) -> sa.ColumnElement[bool]:
    # The value is a LIKE pattern by now: see `parameters`.
    return column.ilike(p.value(name, sa.Text), escape="\\")  # type: ignore[no-any-return]


def _used_a_tool(t: _Table, p: Parameters) -> sa.ColumnElement[bool]:
    u = tool_usages.alias()
    return sa.exists().where(u.c.interception_id == t.c.id, u.c.tool == p.texts("tools"))


def _has_a_prompt_with(t: _Table, p: Parameters) -> sa.ColumnElement[bool]:
    u = user_prompts.alias()
    return sa.exists().where(
        u.c.interception_id == t.c.id, _contains(u.c.prompt, p, "prompt_contains")
    )


def prompt_contains(table: _Table, prefix: str) -> sa.ColumnElement[bool]:
    """Return the condition of `prompt_contains` on the table of prompts itself."""
    return _contains(table.c.prompt, Parameters(prefix), "prompt_contains")


def _of_found_prompt(index: PromptIndex) -> _Condition:
    def condition(t: _Table, p: Parameters) -> sa.ColumnElement[bool]:
        found = prompt_filter.found(index, p.prefix)
        return t.c.id.in_(sa.select(found.c.interception_id))  # type: ignore[no-any-return]

    return condition


def _is_found_prompt(index: PromptIndex) -> _Condition:
    def condition(t: _Table, p: Parameters) -> sa.ColumnElement[bool]:
        found = prompt_filter.found(index, p.prefix)
        return t.c.id.in_(sa.select(found.c.id))  # type: ignore[no-any-return]

    return condition


def _failed(t: _Table, p: Parameters) -> sa.ColumnElement[bool]:
    has_error = sa.func.coalesce(t.c.invocation_error, "") != ""
    return has_error == p.value("failed", sa.Boolean)


_OF_INTERCEPTIONS: dict[str, _Condition] = {
    "initiator_id": lambda t, p: t.c.initiator_id == p.value("initiator_id", sa.Uuid),
    "providers": lambda t, p: t.c.provider == p.texts("providers"),
    "provider_names": lambda t, p: t.c.provider_name == p.texts("provider_names"),
    "models": lambda t, p: t.c.model == p.texts("models"),
    "clients": lambda t, p: client_of(t) == p.texts("clients"),
    "session_ids": lambda t, p: t.c.session_id == p.texts("session_ids"),
    # Of the column's own type: another program's database may have the enum under another name.
    "credential_kind": lambda t, p: t.c.credential_kind == p.value("credential_kind", _Inferred),
    "tools": _used_a_tool,
    "prompt_contains": _has_a_prompt_with,
    "prompt_by_grams": _of_found_prompt("grams"),
    "prompt_by_trgm": _of_found_prompt("trgm"),
    "started_after": lambda t, p: t.c.started_at >= p.value("started_after", _TIMESTAMP),
    "started_before": lambda t, p: t.c.started_at <= p.value("started_before", _TIMESTAMP),
}

# Those that the kind of an interception decides.
OF_KINDS = frozenset({"providers", "provider_names", "models", "clients", "credential_kind"})

_OF_TOOL_USAGES: dict[str, _Condition] = {
    "tools": lambda t, p: t.c.tool == p.texts("tools"),
    "server_urls": lambda t, p: t.c.server_url == p.texts("server_urls"),
    "injected": lambda t, p: t.c.injected == p.value("injected", sa.Boolean),
    "failed": _failed,
    "input_contains": lambda t, p: _contains(t.c.input, p, "input_contains"),
    "created_after": lambda t, p: t.c.created_at >= p.value("created_after", _TIMESTAMP),
    "created_before": lambda t, p: t.c.created_at <= p.value("created_before", _TIMESTAMP),
}

_OF_USER_PROMPTS: dict[str, _Condition] = {
    "prompt_contains": lambda t, p: _contains(t.c.prompt, p, "prompt_contains"),
    "prompt_by_grams": _is_found_prompt("grams"),
    "prompt_by_trgm": _is_found_prompt("trgm"),
    "created_after": lambda t, p: t.c.created_at >= p.value("created_after", _TIMESTAMP),
    "created_before": lambda t, p: t.c.created_at <= p.value("created_before", _TIMESTAMP),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Several criteria on interceptions at once; an interception must meet all of them."""

    all_of: tuple[InterceptionCriteria, ...] = ()

    def shape(self) -> tuple[Shape, ...]:
        """Return which criteria are given, for building a statement."""
        return tuple(frozenset(criteria.given()) for criteria in self.all_of)

    def parameters(self) -> dict[str, Any]:
        """Return the values for the statement's parameters."""
        return {
            name: value
            for number, criteria in enumerate(self.all_of)
            for name, value in parameters(criteria, f"f{number}_").items()
        }


def is_empty(shape: tuple[Shape, ...]) -> bool:
    """Say whether a filter of this shape lets everything pass."""
    return not any(shape)


def of_interceptions(shape: tuple[Shape, ...], table: _Table) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that a `Filter` of this shape puts on the table of interceptions."""
    return [
        condition
        for number, names in enumerate(shape)
        for condition in _conditions(_OF_INTERCEPTIONS, names, table, f"f{number}_")
    ]


def of_tool_usages(shape: Shape, table: _Table) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on tool usages; the initiator is one of the interception."""
    return _conditions(_OF_TOOL_USAGES, shape - {"initiator_id"}, table, "u_")


def of_user_prompts(shape: Shape, table: _Table) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on user prompts; the initiator is one of the interception."""
    return _conditions(_OF_USER_PROMPTS, shape - {"initiator_id"}, table, "u_")


def parameters(criteria: Criteria, prefix: str = "u_") -> dict[str, Any]:
    """Return the values of the criteria that are given, by parameter name."""
    result = {}
    for name, value in criteria.given().items():
        if name in _BY_INDEX:
            result[prefix + "prompt_contains"] = _like(value)
            result[prefix + "prompt_text"] = value
        else:
            result[prefix + name] = _like(value) if name.endswith("_contains") else value
    return result


def _conditions(
    known: Mapping[str, _Condition], names: Shape, table: _Table, prefix: str
) -> list[sa.ColumnElement[bool]]:
    named = Parameters(prefix)
    return [known[name](table, named) for name in sorted(names)]


def _like(text: str) -> str:
    r"""Return the LIKE pattern for "contains this text".

    >>> _like("100%_")
    '%100\\%\\_%'
    """
    return "%" + escaped_for_like(text) + "%"


def escaped_for_like(text: str) -> str:
    r"""Return the text with the characters that LIKE knows made ordinary ones."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def visible(table: _Table = interceptions, scope: bool = False) -> list[sa.ColumnElement[bool]]:
    """Return what every read of interceptions demands: ended, and of the reader where that binds.

    Args:
        table: The table of interceptions, or an alias of it.
        scope: Whether the reader sees only one initiator's rows (parameter `scope`).
    """
    conditions = [table.c.ended_at.is_not(None)]
    if scope:
        conditions.append(table.c.initiator_id == sa.bindparam("scope", type_=sa.Uuid))
    return conditions
