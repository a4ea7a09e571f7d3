"""Relay's connections over `resolvers.paging.Page`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry

from schema.fields import asked, read

if TYPE_CHECKING:
    from schema.types.interception import Interception
    from schema.types.session import Session
    from schema.types.thread import Thread
    from schema.types.usages import ToolUsage, UserPrompt

_EDGE = "One {thing} of a page, and its position in the list."
_CURSOR = "Its position in the list, for `after` and `before`; opaque."
_CONNECTION = "A page of {things}, in list order whichever end it was read from."
_EDGES = "The page's {things}, each with its cursor."
_NODES = "The page's {things}, without cursors."
_PAGE_INFO = "Whether there is more, and the cursors at both ends."
_TOTAL = "The length of the whole list, exactly. It is counted only when selected."


@strawberry.type(description="What a page knows of its list.")
class PageInfo:
    """Relay's PageInfo."""

    has_next_page: bool = read(
        "has_next_page",
        "Whether more follow. Exact when paging forward; paging backward it is false.",
    )
    has_previous_page: bool = read(
        "has_previous_page",
        "Whether more come before. Exact when paging backward; paging forward it is false.",
    )
    start_cursor: str | None = read(
        "start_cursor", "The cursor of the page's first edge; null on an empty page."
    )
    end_cursor: str | None = read(
        "end_cursor", "The cursor of the page's last edge; null on an empty page."
    )


LazySession = Annotated["Session", strawberry.lazy("schema.types.session")]
LazyThread = Annotated["Thread", strawberry.lazy("schema.types.thread")]
LazyInterception = Annotated["Interception", strawberry.lazy("schema.types.interception")]
LazyToolUsage = Annotated["ToolUsage", strawberry.lazy("schema.types.usages")]
LazyUserPrompt = Annotated["UserPrompt", strawberry.lazy("schema.types.usages")]


@strawberry.type(description=_EDGE.format(thing="session"))
class SessionEdge:
    """A session and its cursor."""

    cursor: str = read("cursor", _CURSOR)
    node: LazySession = read("node", "The session.")


@strawberry.type(description=_CONNECTION.format(things="sessions"))
class SessionConnection:
    """A page of sessions."""

    edges: list[SessionEdge] = read("edges", _EDGES.format(things="sessions"))
    nodes: list[LazySession] = read("nodes", _NODES.format(things="sessions"))
    page_info: PageInfo = read("page_info", _PAGE_INFO)
    total_count: int = asked(lambda page: page.counting, _TOTAL, weight=10)


@strawberry.type(description=_EDGE.format(thing="thread"))
class ThreadEdge:
    """A thread and its cursor."""

    cursor: str = read("cursor", _CURSOR)
    node: LazyThread = read("node", "The thread.")


@strawberry.type(description=_CONNECTION.format(things="threads"))
class ThreadConnection:
    """A page of threads."""

    edges: list[ThreadEdge] = read("edges", _EDGES.format(things="threads"))
    nodes: list[LazyThread] = read("nodes", _NODES.format(things="threads"))
    page_info: PageInfo = read("page_info", _PAGE_INFO)
    total_count: int = asked(lambda page: page.counting, _TOTAL, weight=10)


@strawberry.type(description=_EDGE.format(thing="interception"))
class InterceptionEdge:
    """An interception and its cursor."""

    cursor: str = read("cursor", _CURSOR)
    node: LazyInterception = read("node", "The interception.")


@strawberry.type(description=_CONNECTION.format(things="interceptions"))
class InterceptionConnection:
    """A page of interceptions."""

    edges: list[InterceptionEdge] = read("edges", _EDGES.format(things="interceptions"))
    nodes: list[LazyInterception] = read("nodes", _NODES.format(things="interceptions"))
    page_info: PageInfo = read("page_info", _PAGE_INFO)
    total_count: int = asked(lambda page: page.counting, _TOTAL, weight=10)


@strawberry.type(description=_EDGE.format(thing="tool usage"))
class ToolUsageEdge:
    """A tool usage and its cursor."""

    cursor: str = read("cursor", _CURSOR)
    node: LazyToolUsage = read("node", "The tool usage.")


@strawberry.type(description=_CONNECTION.format(things="tool usages"))
class ToolUsageConnection:
    """A page of tool usages."""

    edges: list[ToolUsageEdge] = read("edges", _EDGES.format(things="tool usages"))
    nodes: list[LazyToolUsage] = read("nodes", _NODES.format(things="tool usages"))
    page_info: PageInfo = read("page_info", _PAGE_INFO)
    total_count: int = asked(lambda page: page.counting, _TOTAL, weight=10)


@strawberry.type(description=_EDGE.format(thing="user prompt"))
class UserPromptEdge:
    """A user prompt and its cursor."""

    cursor: str = read("cursor", _CURSOR)
    node: LazyUserPrompt = read("node", "The user prompt.")


@strawberry.type(description=_CONNECTION.format(things="user prompts"))
class UserPromptConnection:
    """A page of user prompts."""

    edges: list[UserPromptEdge] = read("edges", _EDGES.format(things="user prompts"))
    nodes: list[LazyUserPrompt] = read("nodes", _NODES.format(things="user prompts"))
    page_info: PageInfo = read("page_info", _PAGE_INFO)
    total_count: int = asked(lambda page: page.counting, _TOTAL, weight=10)
