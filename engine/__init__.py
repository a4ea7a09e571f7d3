"""A breadth-first, compiling executor for GraphQL, beside the one of graphql-core.

Every field says in one line how its value comes about (`engine.spec`): a *read* of its parent row,
or a *look-up* that many rows share. From that alone the engine compiles an operation into a plan,
and `engine.reference` derives resolvers for graphql-core, so that both answer the same.

This package knows graphql-core and orjson, and nothing of what is asked.
"""

from engine.engine import Engine, Request
from engine.execution import Limits
from engine.leaves import Inline
from engine.plan import Plan
from engine.planning import UncoveredError
from engine.spec import EXTENSION, TOLD, Ask, Batch, Lookup, Read
from engine.trace import Trace
from engine.variables import InvalidVariablesError

__all__ = [
    "EXTENSION",
    "TOLD",
    "Ask",
    "Batch",
    "Engine",
    "Inline",
    "InvalidVariablesError",
    "Limits",
    "Lookup",
    "Plan",
    "Read",
    "Request",
    "Trace",
    "UncoveredError",
]
