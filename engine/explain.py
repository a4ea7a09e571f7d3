"""Explain: a plan as a tree for people, and as data for programs; with what a run of it took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from graphql.execution.values import VariableValues

from engine.plan import Field, Plan, Region, Selection
from engine.spec import Lookup, ask_of, attempt
from engine.trace import Call, Trace, name_of


@dataclass(slots=True)
class Step:
    """One look-up of a plan, and those that follow from it.

    Attributes:
        path: The way from the look-up above, by response names: `edges.node.threads`.
        on: The type of the objects that it is a look-up of, where it could be one of several.
        type: What it brings.
        level: How many levels above must be known first; 1 for the root's.
        batch: The batch; None where each row chooses one.
        key: What of a row is looked up; None where each row makes its own ask.
        reads: What is read from the value, without further look-ups.
        is_carried: Whether the rows that it is a look-up of are asked to carry that as JSON, or to
            tell it among all of themselves.
        carried: How many rows did, where a run is explained.
        is_told: Whether the rows that it brings are asked to tell all of themselves as JSON.
        call: The call that made it, where a run is explained and it was looked up.
        below: The look-ups that follow.
    """

    path: str
    on: str | None
    type: str
    level: int
    batch: str | None
    key: str | None
    reads: tuple[str, ...]
    is_carried: bool
    carried: int | None
    is_told: bool
    call: Call | None
    below: list[Step] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the step as JSON has it."""
        result: dict[str, Any] = {
            "path": self.path,
            "type": self.type,
            "level": self.level,
            "batch": self.call.batch if self.call is not None else self.batch,
            "reads": list(self.reads),
            "carried": self.is_carried,
            "told": self.is_told,
        }
        if self.on is not None:
            result["on"] = self.on
        if self.carried is not None:
            result["run"] = {"rows": self.carried, "keys": 0}
        if self.call is not None:
            result["run"] = {
                "rows": self.call.rows,
                "keys": self.call.keys,
                "milliseconds": round(self.call.seconds * 1000, 3),
                "notes": [str(note) for note in self.call.notes],
            }
        result["below"] = [step.as_dict() for step in self.below]
        return result


def explained(
    plan: Plan, variables: VariableValues | None = None, trace: Trace | None = None
) -> list[Step]:
    """Return the look-ups of the root, each with those that follow from it.

    Args:
        plan: The plan.
        variables: Which the root's look-ups may depend on.
        trace: What a run of the plan did.
    """
    calls: dict[Field, Call] = {}
    for level in trace.levels if trace is not None else ():
        for call in level:
            calls |= {each: call for each in call.fields if each not in calls}
    return _Explainer(variables or VariableValues({}, {}), calls, trace).steps(plan.root, 1)


class _Explainer:
    def __init__(
        self, variables: VariableValues, calls: dict[Field, Call], trace: Trace | None
    ) -> None:
        self._variables = variables
        self._calls = calls
        self._trace = trace or Trace()

    def steps(self, region: Region, level: int) -> list[Step]:
        several = len(region.shape) > 1
        return [
            self._step(each, place, place.selection.type_name if several else None, level)
            for place in _places(region)
            for each in place.selection.lookups
        ]

    def _step(self, each: Field, place: _Place, on: str | None, level: int) -> Step:
        assert isinstance(each.spec, Lookup)
        assert each.region is not None
        told = 0 if place.told_by is None else self._trace.told[place.told_by]
        return Step(
            path=f"{place.path}{each.key}",
            on=on,
            type=str(each.type),
            level=level,
            batch=self._batch(each, each.spec, level),
            key=each.spec.key,
            reads=tuple(dict.fromkeys(_reads(each.region))),
            is_carried=each.columns is not None,
            carried=self._trace.carried.get(each, 0) + told or None,
            is_told=any(place.told_by is not None for place in _walked(each.region)),
            call=self._calls.get(each),
            below=self.steps(each.region, level + 1),
        )

    def _batch(self, each: Field, spec: Lookup, level: int) -> str | None:
        if spec.batch is not None:
            return name_of(spec.batch)
        if level > 1 or each.arguments is None:
            return None
        arguments = attempt(each.arguments.value, self._variables)
        ask = (
            arguments
            if isinstance(arguments, Exception)
            else attempt(ask_of, spec, None, arguments)
        )
        return None if ask is None or isinstance(ask, Exception) else name_of(ask.batch)


class _Place(NamedTuple):
    """A selection, the way to it, and the one around it of which rows may tell all, if any."""

    selection: Selection
    path: str
    told_by: Selection | None


def _places(region: Region) -> Iterator[_Place]:
    """Yield the places in a region that look further."""
    return (place for place in _walked(region) if place.selection.lookups)


def _walked(region: Region) -> Iterator[_Place]:
    for selection in region.shape.values():
        yield from _below(selection, "", None)


def _below(selection: Selection, path: str, told_by: Selection | None) -> Iterator[_Place]:
    told_by = told_by or (None if selection.told is None else selection)
    yield _Place(selection, path, told_by)
    for each in selection.fields:
        if each.region is None:
            for below in each.shape.values():
                yield from _below(below, f"{path}{each.key}.", told_by)


def _reads(region: Region) -> Iterator[str]:
    for selection in region.shape.values():
        yield from _read_of(selection, "")


def _read_of(selection: Selection, path: str) -> Iterator[str]:
    for each in selection.fields:
        if each.region is None and not each.shape:
            yield f"{path}{each.key}"
        elif each.region is None:
            for below in each.shape.values():
                yield from _read_of(below, f"{path}{each.key}.")


def tree(steps: list[Step], trace: Trace | None = None) -> str:
    """Return the steps as a tree for a terminal; with a trace, with what each of them took."""
    head = ("LOOK-UP", "BRINGS", "BY") + (("ROWS → KEYS", "TIME") if trace is not None else ())
    lines: list[_Line] = [head]
    for step in steps:
        lines += _drawn(step, "", "", analyzed=trace is not None)
    cells = [line for line in lines if isinstance(line, tuple)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    text = [line if isinstance(line, str) else _aligned(line, widths) for line in lines]
    return "\n".join([*text, "", *_summary(steps, trace)])


# Cells of the table, or a remark that takes no part in its columns.
_Line: TypeAlias = tuple[str, ...] | str


def _aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(c.ljust(width) for c, width in zip(cells, widths, strict=True)).rstrip()


def _drawn(step: Step, corner: str, indent: str, *, analyzed: bool) -> Iterator[_Line]:
    call = step.call
    by = call.batch if call is not None else step.batch or "what each row asks"
    cells = (
        f"{corner}{step.path}{f' on {step.on}' if step.on else ''}",
        step.type,
        by if step.key is None else f"{by} (by {step.key})",
    )
    if not analyzed:
        yield cells
    elif step.carried is not None:
        yield (*cells, f"{step.carried:,}, with the row", "")
    elif call is None:
        yield (*cells, "wanted by none", "")
    else:
        yield (*cells, f"{call.rows:,} → {call.keys:,}", f"{call.seconds * 1000:.1f} ms")
    bar = f"{indent}{'│' if step.below else ' '}  "
    told = [f"reads {', '.join(step.reads)}"] if step.reads else []
    told += ["as JSON with its row"] if step.is_carried else []
    told += ["each row as JSON"] if step.is_told else []
    if told:
        yield f"{bar}{', '.join(told)}"
    yield from (f"{bar}{note}" for note in (call.notes if call is not None else ()))
    for below in step.below:
        last = below is step.below[-1]
        branch, under = ("└─ ", "   ") if last else ("├─ ", "│  ")
        yield from _drawn(below, indent + branch, indent + under, analyzed=analyzed)


def _summary(steps: list[Step], trace: Trace | None) -> Iterator[str]:
    every = list(_all(steps))
    levels = max((step.level for step in every), default=0)
    yield f"{_many(len(every), 'look-up')} on {_many(levels, 'level')}"
    if trace is None:
        return
    calls = [call for level in trace.levels for call in level]
    yield (
        f"{_many(len(calls), 'call')} of batches for {sum(call.keys for call in calls):,} keys in "
        f"{trace.fetching * 1000:.1f} ms, the answer built in {trace.building * 1000:.1f} ms"
        + (", with errors" if trace.careful else "")
    )


def _all(steps: list[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from _all(step.below)


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
