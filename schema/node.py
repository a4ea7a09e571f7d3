"""The Node interface: every thing with a global id."""

from __future__ import annotations

import strawberry

from resolvers import nodes
from resolvers.carrying import GLOBAL_ID
from schema.fields import derived


@strawberry.interface(
    description="A thing that can be asked for again by its global id, with `node` or `nodes`."
)
class Node:
    """Relay's Node."""

    id: strawberry.ID = derived(
        nodes.global_id,
        ("id", "session_id", "initiator_id"),
        "The global id: opaque, the same for ever, unique over all types.",
        GLOBAL_ID,
    )
