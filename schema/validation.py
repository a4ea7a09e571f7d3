"""The rules of the specification, at a bounded price.

All rules of graphql-core are linear in the document but one: it compares the fields that share a
response name pair by pair. That one has a budget here.
"""

from __future__ import annotations

from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OverlappingFieldsCanBeMergedRule,
    ValidationContext,
    specified_rules,
    validate,
)

from schema.limits import LimitError

# A person reads the first few; some messages quote a whole literal, so that many cost time.
_MAX_ERRORS = 10


class InvalidDocumentError(Exception):
    """The document is not valid for the schema.

    Attributes:
        errors: Why, ten reasons at most.
    """

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors


def check_valid(
    schema: GraphQLSchema, document: DocumentNode, max_comparisons: int, *, hide_suggestions: bool
) -> None:
    """Refuse a document that is not valid.

    Raises:
        InvalidDocumentError: It is not.
        LimitError: So many of its fields share names that telling would take too long.
    """
    errors = validate(
        schema,
        document,
        _rules(max_comparisons),
        max_errors=_MAX_ERRORS,
        hide_suggestions=hide_suggestions,
    )
    if any(error.message == "Validation aborted." for error in errors):
        raise LimitError(
            "number of comparisons between fields of one name",
            f"over {max_comparisons}",
            "max_comparisons",
            max_comparisons,
        )
    if errors:
        raise InvalidDocumentError(errors)


def _rules(max_comparisons: int) -> list[type[ASTValidationRule]]:
    class Bounded(OverlappingFieldsCanBeMergedRule):
        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            self.rule_context.remaining_complexity_budget = max_comparisons

    return [
        Bounded if rule is OverlappingFieldsCanBeMergedRule else rule for rule in specified_rules
    ]
