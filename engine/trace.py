"""Traces: what one execution did, call by call, for `explain`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from engine.lookups import Group
from engine.plan import Field, Selection
from engine.spec import Batch


@dataclass(slots=True)
class Call:
    """One call of a batch.

    Attributes:
        fields: The fields of the plan that wanted it.
        batch: The name of the batch.
        rows: How many rows wanted something.
        keys: How many keys were looked up, each once.
        seconds: How long it took.
        notes: What the batch noted about its work, statements for instance.
    """

    fields: tuple[Field, ...]
    batch: str
    rows: int
    keys: int
    seconds: float = 0.0
    notes: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class Trace:
    """What one execution did.

    While a batch runs, whoever knows more of its work appends to `notes`; the trace hands that over
    to the call. So that this is exact, a traced execution calls its batches one after the other.

    Attributes:
        levels: The calls of each level.
        notes: What was noted since the last call began.
        fetching: Seconds in batches.
        building: Seconds in which the answer was built.
        carried: The look-ups whose outcome the rows carried, with the number of rows.
        told: The selections of which rows told all, with the number of rows.
        careful: Whether it was built with an eye on errors.
    """

    levels: list[list[Call]] = field(default_factory=list)
    notes: list[Any] = field(default_factory=list)
    fetching: float = 0.0
    building: float = 0.0
    carried: dict[Field, int] = field(default_factory=dict)
    told: Counter[Selection] = field(default_factory=Counter)
    careful: bool = False

    def begin(self, group: Group, fields: tuple[Field, ...], rows: int) -> Call:
        """Note that the group is about to be fetched, on the current level."""
        call = Call(fields, name_of(group.batch), rows, len(group.missing))
        self.levels[-1].append(call)
        self.notes.clear()
        return call

    def end(self, call: Call, seconds: float) -> None:
        """Note that it was fetched."""
        call.seconds = seconds
        call.notes = list(self.notes)
        self.fetching += seconds


def name_of(batch: Batch) -> str:
    """Return how people call a batch: its module's last name and its own."""
    name: str = getattr(batch, "__qualname__", repr(batch))
    module = getattr(batch, "__module__", "").rpartition(".")[2]
    return f"{module}.{name}" if module else name
