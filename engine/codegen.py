"""Generated code: for each region of a plan two Python functions, made for just this operation.

`build_…` makes the answer of a region's values, `gather_…` finds the objects that look further.
Both walk the values in the same order, so the completed values of a look-up are taken one after
the other. Generated code knows the usual case only; whatever deviates raises, and `engine.careful`
does the work again with an eye on every error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from graphql import (
    GraphQLLeafType,
    GraphQLList,
    GraphQLOutputType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.pyutils import Undefined, is_iterable
from orjson import Fragment

from engine.leaves import DeviationError, Inline, coercion
from engine.plan import Field, Plan, Region, Selection
from engine.planning import UncoveredError
from engine.spec import TOLD, Read

# Python refuses more than 20 nested loops and 100 levels of indentation.
_MAX_LOOPS = 16
_MAX_DEPTH = 80

_CHECK_LIST = "if type({v}) is not list: check_list({v})"
_CHECK_OBJECT = "if type({v}) not in known: check_object({v})"


class CodeGenerator:
    """Makes plans runnable.

    Args:
        type_of: Tells the GraphQL type of a row, where its field could return several.
        scalars: The inline code of scalars, by name.
    """

    def __init__(self, type_of: Callable[[Any], str | None], scalars: Mapping[str, Inline]) -> None:
        self._scalars = scalars
        self._names: dict[str, Any] = {
            "type_of": type_of,
            "known": _known,
            "check_object": _check_object,
            "check_list": _check_list,
            "DeviationError": DeviationError,
            "Fragment": Fragment,
        }
        for inline in scalars.values():
            for name, value in inline.names.items():
                if self._names.setdefault(name, value) is not value:
                    raise ValueError(f"Two scalars mean different things by {name}.")

    def finish(self, root: Region) -> Plan:
        """Generate and compile the code of all regions.

        Raises:
            UncoveredError: Python can't nest code as deep as this operation would need.
        """
        code = _Code(dict(self._names), self._scalars)
        regions = [region for level in Plan(root, "").levels() for region in level]
        sources = []
        for region in regions:
            code.build(region, is_root=region is root)
            if region.stops:
                code.gather(region, is_root=region is root)
            # Piece by piece: the compiler lets no other thread run.
            sources.append(code.taken())
            exec(compile(sources[-1], "<plan>", "exec"), code.names)  # noqa: S102
            region.build = code.names[f"build_{region.name}"]
            if region.stops:
                region.gather = code.names[f"gather_{region.name}"]
        return Plan(root, "".join(sources))


class _Code:
    """The text of a module in the making, and what its names stand for."""

    def __init__(self, names: dict[str, Any], scalars: Mapping[str, Inline]) -> None:
        self.names = names
        self._scalars = scalars
        self._lines: list[str] = []
        self._depth = 0
        self._loops = 0
        self._count = 0
        self._next: dict[Field, str] = {}

    def taken(self) -> str:
        """Return what was written since it was last taken."""
        text = "\n".join(self._lines) + "\n"
        self._lines.clear()
        return text

    # What is written

    def build(self, region: Region, *, is_root: bool) -> None:
        """Write the function that completes the values of a region."""
        self._count = 0
        lookups = list(region.lookups())
        self._next = {lookup: f"next_{i}_{lookup.key}" for i, lookup in enumerate(lookups)}
        parameters = ", ".join(["values", *self._next.values()])
        with self._block(f"def build_{region.name}({parameters}):"):
            self._line(f'"""{region.type}"""')
            self._line("result = []")
            with self._block("for value in values:", loop=True):
                if is_root:
                    completed = self._object(next(iter(region.shape.values())), "value")
                else:
                    completed = self._value(region.type, region.shape, "value")
                self._line(f"result.append({completed})")
            self._line("return result")
        self._line("")

    def gather(self, region: Region, *, is_root: bool) -> None:
        """Write the function that finds the objects in a region that look further."""
        self._count = 0
        found = {stop: f"found_{i}" for i, stop in enumerate(region.stops)}
        with self._block(f"def gather_{region.name}(values):"):
            for name in found.values():
                self._line(f"{name} = []")
            root = next(iter(region.shape.values())) if is_root else None
            if root in found:
                self._line(f"{found[root]} += values")
            if any(stop is not root for stop in found):
                with self._block("for value in values:", loop=True):
                    if root is not None:
                        self._gather_fields(root, "value", found)
                    else:
                        self._gather_value(region.type, region.shape, "value", found)
            self._line(f"return ({''.join(f'{name}, ' for name in found.values())})")
        self._line("")

    # Completing

    def _value(self, type_: GraphQLOutputType, shape: Mapping[str, Selection], var: str) -> str:
        """Write what completes the variable, and return the expression of the completed value."""
        if is_non_null_type(type_):
            return self._present(type_.of_type, shape, var)
        if is_leaf_type(type_):
            return self._leaf(type_, var, nullable=True)
        done = self._fresh("done")
        with self._block(f"if {var} is None:"):
            self._line(f"{done} = None")
        with self._block("else:"):
            completed = self._present(type_, shape, var)
            self._line(f"{done} = {completed}")
        return done

    def _present(self, type_: GraphQLOutputType, shape: Mapping[str, Selection], var: str) -> str:
        """Write what completes the variable, which deviates when it holds None."""
        if is_leaf_type(type_):
            return self._leaf(type_, var, nullable=False)
        if is_list_type(type_):
            return self._list(type_, shape, var)
        self._line(_CHECK_OBJECT.format(v=var))
        if not is_abstract_type(type_):
            return self._object(shape[get_named_type(type_).name], var)
        return self._abstract(shape, var)

    def _list(self, type_: GraphQLList[Any], shape: Mapping[str, Selection], var: str) -> str:
        done, item = self._fresh("list"), self._fresh("item")
        self._line(_CHECK_LIST.format(v=var))
        self._line(f"{done} = []")
        with self._block(f"for {item} in {var}:", loop=True):
            completed = self._value(type_.of_type, shape, item)
            self._line(f"{done}.append({completed})")
        return done

    def _abstract(self, shape: Mapping[str, Selection], var: str) -> str:
        done, name = self._fresh("done"), self._fresh("type")
        self._line(f"{name} = type_of({var})")
        for i, (type_name, selection) in enumerate(shape.items()):
            with self._block(f"{'elif' if i else 'if'} {name} == {type_name!r}:"):
                completed = self._object(selection, var)
                self._line(f"{done} = {completed}")
        with self._block("else:"):
            self._line("raise DeviationError")
        return done

    def _object(self, selection: Selection, var: str) -> str:
        if selection.told is None:
            return self._entries(selection, var)
        done = self._fresh("done")
        with self._block(f"if {var}.{TOLD} is not None:"):
            self._line(f"{done} = Fragment({var}.{TOLD})")
        with self._block("else:"):
            completed = self._entries(selection, var)
            self._line(f"{done} = {completed}")
        return done

    def _entries(self, selection: Selection, var: str) -> str:
        entries = [f'"{field.key}": {self._field(field, var)}' for field in selection.fields]
        return "{" + ", ".join(entries) + "}"

    def _field(self, field: Field, row: str) -> str:
        if field.spec is None:
            return repr(field.parent)
        var = self._fresh(field.key)
        if field in self._next:
            self._line(f"{var} = {self._next[field]}()")
            return var
        self._line(f"{var} = {self._read(field, row)}")
        return self._value(field.type, field.shape, var)

    def _read(self, field: Field, row: str) -> str:
        assert isinstance(field.spec, Read)
        if field.spec.attribute is not None:
            return f"{row}.{field.spec.attribute}"
        name = f"{field.name}_of_{field.parent}"
        self.names[name] = field.spec.get
        return f"{name}({row})"

    def _leaf(self, leaf: GraphQLLeafType, var: str, *, nullable: bool) -> str:
        coerce = f"as_{leaf.name}"
        if coerce not in self.names:
            self.names[coerce] = coercion(leaf)
        inline = self._scalars.get(leaf.name) or Inline("False")
        when, then = inline.when.format(v=var), inline.then.format(v=var)
        otherwise = f"{var} is not None" if nullable else ""
        if then != var:
            self._line(f"if {when}: {var} = {then}")
            self._line(f"{'elif ' + otherwise if nullable else 'else'}: {var} = {coerce}({var})")
        elif when != "False":
            unless = f"{otherwise} and not ({when})" if nullable else f"not ({when})"
            self._line(f"if {unless}: {var} = {coerce}({var})")
        elif nullable:
            self._line(f"if {otherwise}: {var} = {coerce}({var})")
        else:
            self._line(f"{var} = {coerce}({var})")
        return var

    # Gathering

    def _gather_value(
        self,
        type_: GraphQLOutputType,
        shape: Mapping[str, Selection],
        var: str,
        found: Mapping[Selection, str],
    ) -> None:
        if is_non_null_type(type_):
            type_ = type_.of_type
        with self._block(f"if {var} is not None:"):
            if is_list_type(type_):
                item = self._fresh("item")
                self._line(_CHECK_LIST.format(v=var))
                with self._block(f"for {item} in {var}:", loop=True):
                    self._gather_value(type_.of_type, shape, item, found)
                return
            self._line(_CHECK_OBJECT.format(v=var))
            if not is_abstract_type(type_):
                self._gather_object(next(iter(shape.values())), var, found)
            else:
                name = self._fresh("type")
                self._line(f"{name} = type_of({var})")
                for selection in shape.values():
                    if _leads_on(selection, found):
                        with self._block(f"if {name} == {selection.type_name!r}:"):
                            self._gather_object(selection, var, found)

    def _gather_object(
        self, selection: Selection, row: str, found: Mapping[Selection, str]
    ) -> None:
        if selection.told is None:
            self._gather_untold(selection, row, found)
            return
        with self._block(f"if {row}.{TOLD} is None:"):
            self._gather_untold(selection, row, found)

    def _gather_untold(
        self, selection: Selection, row: str, found: Mapping[Selection, str]
    ) -> None:
        if selection in found:
            self._line(f"{found[selection]}.append({row})")
        self._gather_fields(selection, row, found)

    def _gather_fields(
        self, selection: Selection, row: str, found: Mapping[Selection, str]
    ) -> None:
        for field in selection.fields:
            if field.region is None and any(_leads_on(s, found) for s in field.shape.values()):
                var = self._fresh(field.key)
                self._line(f"{var} = {self._read(field, row)}")
                self._gather_value(field.type, field.shape, var, found)

    # Text

    def _line(self, text: str) -> None:
        self._lines.append("    " * self._depth + text if text else "")

    @contextmanager
    def _block(self, head: str, *, loop: bool = False) -> Iterator[None]:
        self._line(head)
        self._depth += 1
        self._loops += loop
        if self._depth > _MAX_DEPTH or self._loops > _MAX_LOOPS:
            raise UncoveredError("its lists are nested deeper than Python's loops")
        yield
        self._depth -= 1
        self._loops -= loop

    def _fresh(self, stem: str) -> str:
        self._count += 1
        return f"v{self._count}_{stem}"


def _leads_on(selection: Selection, found: Mapping[Selection, str]) -> bool:
    return selection in found or any(
        _leads_on(below, found)
        for field in selection.fields
        if field.region is None
        for below in field.shape.values()
    )


# Classes of which an object was seen: it is no null, no error, and so are all others of its class.
_known: set[type] = set()


def _check_object(value: Any) -> None:
    if value is None or value is Undefined or isinstance(value, Exception):
        raise DeviationError
    _known.add(type(value))


def _check_list(value: Any) -> None:
    if not is_iterable(value):
        raise DeviationError
