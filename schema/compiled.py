"""The engine over the one schema: how its operations are executed when speed matters."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from engine import EXTENSION, TOLD, Engine, Inline, Plan
from resolvers.carrying import TELLING, Readings
from resolvers.context import Context
from schema.build import graphql_core, schema, type_of

# What orjson writes as our scalars would (with OPT_UTC_Z), it may have as it is.
_SCALARS = {
    "BigInt": Inline("type({v}) is int and -0x1FFFFFFFFFFFFF <= {v} <= 0x1FFFFFFFFFFFFF"),
    "DateTime": Inline(
        "type({v}) is datetime and {v}.tzinfo is UTC", names={"datetime": datetime, "UTC": UTC}
    ),
    "JSON": Inline("type({v}) is dict"),
    "UUID": Inline("isinstance({v}, UUID)", "str({v})", names={"UUID": UUID}),
}


def _tell(context: Context, plan: Plan) -> None:
    if plan.brief is None:
        plan.brief = Readings(plan.reads, plan.carries, plan.tells, alone=plan.is_single)
    context.readings = plan.brief


_core = graphql_core(schema)
for name in TELLING:
    _core.type_map[name].extensions[EXTENSION] = TOLD

engine = Engine(_core, type_of=type_of, scalars=_SCALARS, on_plan=_tell)
