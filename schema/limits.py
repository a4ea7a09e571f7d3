"""What a document may amount to: one walk over it, with a memo for each fragment.

Every count is of the operation with its fragments expanded, as it would run; but each definition
is walked once, so that the time is linear in the document, whatever its fragments do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

# Fragments that spread each other twice count into numbers of thousands of digits; nobody allows
# that many, so counting ends here.
COUNT_MAX = 1_000_000_000

_INTROSPECTION = frozenset({"__schema", "__type"})


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest counts that are let through; names and defaults are those of the settings."""

    max_depth: int
    max_aliases: int
    max_root_fields: int
    max_directives: int
    max_tokens: int
    max_document_bytes: int
    max_comparisons: int
    max_variable_values: int
    max_cost: int


class LimitError(Exception):
    """A document is more than is let through; the message names limit, value and setting."""

    def __init__(self, limit: str, value: str, setting: str, maximum: int) -> None:
        super().__init__(
            f"The {limit} is {value}; at most {maximum} is allowed "
            f"(setting AIBRIDGE_{setting.upper()})."
        )


@dataclass(slots=True)
class Extent:
    """How much a selection set amounts to, its fragments expanded.

    Attributes:
        depth: Levels of fields.
        aliases: Fields that are renamed.
        fields: Fields of the outermost level.
        all_fields: Fields of all levels.
        directives: Directives anywhere.
        introspects: Whether the schema is asked for.
    """

    depth: int = 0
    aliases: int = 0
    fields: int = 0
    all_fields: int = 0
    directives: int = 0
    introspects: bool = False

    def add(self, other: Extent, depth: int) -> None:
        """Count in a fragment that is spread below `depth` levels of fields."""
        self.depth = min(max(self.depth, depth + other.depth), COUNT_MAX)
        self.aliases = min(self.aliases + other.aliases, COUNT_MAX)
        self.all_fields = min(self.all_fields + other.all_fields, COUNT_MAX)
        self.directives = min(self.directives + other.directives, COUNT_MAX)
        self.introspects |= other.introspects
        if depth == 0:
            self.fields = min(self.fields + other.fields, COUNT_MAX)


@dataclass(slots=True)
class _Definition:
    """One definition by itself: its own extent and the fragments that it spreads, where."""

    extent: Extent
    spreads: list[tuple[str, int]] = field(default_factory=list)


def check_text(text: str, limits: Limits) -> None:
    """Refuse a document that is too long to be parsed.

    Raises:
        LimitError: It is.
    """
    # A character takes four bytes at most: most texts need no encoding to be let through.
    if len(text) * 4 > limits.max_document_bytes:
        size = len(text.encode(errors="surrogatepass"))
        if size > limits.max_document_bytes:
            raise LimitError(
                "size of the document",
                f"{size} bytes",
                "max_document_bytes",
                limits.max_document_bytes,
            )


def check_variables(variables: Mapping[str, Any], limits: Limits) -> None:
    """Refuse variables that are too many values to be read; elements of lists and objects count.

    Raises:
        LimitError: They are.
    """
    left = limits.max_variable_values
    containers: list[Any] = [variables]
    while containers:
        container = containers.pop()
        left -= len(container)
        if left < 0:
            maximum = limits.max_variable_values
            raise LimitError(
                "number of values in the variables",
                f"over {maximum}",
                "max_variable_values",
                maximum,
            )
        values = container.values() if isinstance(container, dict) else container
        containers += [value for value in values if isinstance(value, dict | list)]


def check_extent(extent: Extent, limits: Limits) -> None:
    """Refuse an operation that is too much in one respect.

    Raises:
        LimitError: It is.
    """
    for name, value, setting in (
        ("depth of the operation", extent.depth, "max_depth"),
        ("number of aliases", extent.aliases, "max_aliases"),
        ("number of root fields", extent.fields, "max_root_fields"),
        ("number of directives", extent.directives, "max_directives"),
    ):
        maximum = getattr(limits, setting)
        if value > maximum:
            raise LimitError(name, shown(value), setting, maximum)


def check_cost(cost: int, limits: Limits) -> None:
    """Refuse an operation that could return too much.

    Raises:
        LimitError: It could.
    """
    if cost > limits.max_cost:
        raise LimitError("cost of the operation", shown(cost), "max_cost", limits.max_cost)


def shown(count: int) -> str:
    """Return a count as text; counting ends at COUNT_MAX."""
    return str(count) if count < COUNT_MAX else f"{COUNT_MAX} or more"


def extents(document: DocumentNode) -> list[tuple[OperationDefinitionNode, Extent]]:
    """Measure each operation of a document, valid or not.

    A spread that closes a cycle or names no fragment counts nothing: validation refuses it.
    """
    fragments = {
        node.name.value: _walked(node)
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    known: dict[str, Extent] = {}
    for name in in_order({name: own.spreads for name, own in fragments.items()}):
        known[name] = _expanded(fragments[name], known)
    return [
        (node, _expanded(_walked(node), known))
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode)
    ]


def spreads_of(definition: FragmentDefinitionNode) -> list[tuple[str, int]]:
    """Return the fragments that a fragment spreads, and below how many levels of fields."""
    return _walked(definition).spreads


def in_order(spreads: Mapping[str, list[tuple[str, int]]]) -> Iterator[str]:
    """Yield the names of fragments so that each comes after those that it spreads."""
    entered: set[str] = set()
    for root in spreads:
        if root in entered:
            continue
        entered.add(root)
        path = [(root, iter(spreads[root]))]
        while path:
            name, rest = path[-1]
            following = next((s for s, _ in rest if s in spreads and s not in entered), None)
            if following is None:
                path.pop()
                yield name
            else:
                entered.add(following)
                path.append((following, iter(spreads[following])))


def _expanded(own: _Definition, known: Mapping[str, Extent]) -> Extent:
    for name, depth in own.spreads:
        if name in known:
            own.extent.add(known[name], depth)
    return own.extent


def _walked(definition: OperationDefinitionNode | FragmentDefinitionNode) -> _Definition:
    extent = Extent(directives=len(definition.directives or ()))
    for variable in definition.variable_definitions or ():
        extent.directives += len(variable.directives or ())
    own = _Definition(extent)
    stack: list[tuple[SelectionSetNode, int]] = [(definition.selection_set, 0)]
    while stack:
        selection_set, depth = stack.pop()
        for selection in selection_set.selections:
            extent.directives += len(selection.directives or ())
            if isinstance(selection, FragmentSpreadNode):
                own.spreads.append((selection.name.value, depth))
                continue
            below = depth
            if isinstance(selection, FieldNode):
                _count_field(extent, selection, depth)
                below = depth + 1
            nested = getattr(selection, "selection_set", None)
            if nested is not None:
                stack.append((nested, below))
    return own


def _count_field(extent: Extent, node: FieldNode, depth: int) -> None:
    extent.depth = max(extent.depth, depth + 1)
    extent.aliases += node.alias is not None
    extent.fields += depth == 0
    extent.all_fields += 1
    extent.introspects |= node.name.value in _INTROSPECTION
