"""Documents for differential tests: generated ones, made harder.

hypothesis-graphql generates valid operations, but without variables, directives or named fragments.
`harder` rewrites one into an equal or a similar document that has all of those.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from graphql import (
    ArgumentNode,
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLSchema,
    InlineFragmentNode,
    NamedTypeNode,
    NameNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

CONDITIONS = parse("query ($a: Boolean!, $b: Boolean = true) { x }").definitions[0]


def harder(schema: GraphQLSchema, document: DocumentNode, random: Random) -> DocumentNode:
    """Return the document with fragments, merged fields, aliases, `__typename` and conditions."""
    info = TypeInfo(schema)
    rewriter = _Rewriter(info, random)
    rewritten = visit(document, TypeInfoVisitor(info, rewriter))
    operation = rewritten.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    assert isinstance(CONDITIONS, OperationDefinitionNode)
    if rewriter.conditions:
        used = [
            definition
            for definition in CONDITIONS.variable_definitions or ()
            if definition.variable.name.value in rewriter.conditions
        ]
        operation = replace(operation, variable_definitions=tuple(used))
    # Printed and parsed again, so that every node has its place.
    return parse(print_ast(DocumentNode(definitions=(operation, *rewriter.fragments))))


class _Rewriter(Visitor):
    def __init__(self, info: TypeInfo, random: Random) -> None:
        super().__init__()
        self._info = info
        self._random = random
        self.fragments: list[FragmentDefinitionNode] = []
        self.conditions: set[str] = set()

    def leave_selection_set(self, node: SelectionSetNode, *_: Any) -> SelectionSetNode:
        parent = self._info.get_parent_type()
        assert parent is not None
        selections: list[SelectionNode] = []
        for selection in node.selections:
            selections += self._rewritten(selection)
        if self._random.random() < 0.2:
            selections.insert(
                self._random.randrange(len(selections) + 1),
                FieldNode(name=NameNode(value="__typename"), arguments=(), directives=()),
            )
        if len(selections) > 1 and self._random.random() < 0.3:
            cut = self._random.randrange(1, len(selections))
            selections = [*selections[:cut], self._fragment(parent, selections[cut:])]
        return SelectionSetNode(selections=tuple(selections))

    def _rewritten(self, selection: SelectionNode) -> list[SelectionNode]:
        if self._random.random() < 0.15:
            directives = (*(selection.directives or ()), self._condition())
            selection = replace(selection, directives=directives)
        again: list[SelectionNode] = []
        if isinstance(selection, FieldNode) and self._random.random() < 0.25:
            again = [selection]
            if self._random.random() < 0.5:
                alias = NameNode(value=f"alias{self._random.randrange(100)}")
                again = [replace(selection, alias=alias)]
        return [selection, *again]

    def _condition(self) -> DirectiveNode:
        name = self._random.choice(["skip", "include"])
        value: Any
        if self._random.random() < 0.4:
            value = BooleanValueNode(value=self._random.random() < 0.5)
        else:
            variable = self._random.choice(["a", "b"])
            self.conditions.add(variable)
            value = VariableNode(name=NameNode(value=variable))
        argument = ArgumentNode(name=NameNode(value="if"), value=value)
        return DirectiveNode(name=NameNode(value=name), arguments=(argument,))

    def _fragment(
        self, parent: GraphQLCompositeType, selections: list[SelectionNode]
    ) -> SelectionNode:
        body = SelectionSetNode(selections=tuple(selections))
        condition = NamedTypeNode(name=NameNode(value=parent.name))
        if self._random.random() < 0.5:
            return InlineFragmentNode(
                type_condition=self._random.choice([condition, None]),
                directives=(),
                selection_set=body,
            )
        name = NameNode(value=f"F{len(self.fragments)}")
        self.fragments.append(
            FragmentDefinitionNode(
                name=name,
                variable_definitions=(),
                type_condition=condition,
                directives=(),
                selection_set=body,
            )
        )
        return FragmentSpreadNode(name=name, arguments=(), directives=())
