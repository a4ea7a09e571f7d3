"""The targets that GraphQL has to reach beside its peers, and whether it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OURS = "compiled"
LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on one figure of ours, taken by itself or divided by that of a peer.

    Attributes:
        letter: What the specification calls it.
        workload: The workload.
        figure: `p50_ms` at one client, which is bounded above, or `per_second` at 16, below.
        peer: The peer that ours is divided by; None for the figure itself.
        bound: The target.
    """

    letter: str
    workload: str
    figure: str
    peer: str | None
    bound: float

    def line(self, results: Mapping[str, Any]) -> str | None:
        """Return the target, what is reached and whether it is met; None if it wasn't measured."""
        peers = results.get(self.workload, {})
        clients = "1" if self.figure == "p50_ms" else "16"
        if OURS not in peers or (self.peer and self.peer not in peers):
            return None
        reached = peers[OURS][clients][self.figure]
        if self.peer:
            reached /= peers[self.peer][clients][self.figure]
        unit = f"of {self.peer}" if self.peer else "ms"
        if self.figure == "p50_ms":
            told, met = f"p50 at 1 client at most {self.bound:g} {unit}", reached <= self.bound
        else:
            told, met = f"requests/s at 16 at least {self.bound:g} {unit}", reached >= self.bound
        verdict = "met" if met else "missed"
        return f"| {self.letter} | {self.workload} | {told} | {reached:.2f} | {verdict} |"


TARGETS = (
    Target("C", "nested", "p50_ms", LIMIT, 1.25),
    Target("C", "nested", "per_second", "postgraphile", 2),
    Target("C", "nested", "per_second", LIMIT, 0.7),
    Target("C", "nested", "per_second", "idiomatic", 30),
    Target("D", "sessions", "per_second", "postgraphile", 1.3),
    Target("D", "sessions", "per_second", LIMIT, 0.7),
    Target("D", "interceptions", "per_second", "postgraphile", 1.3),
    Target("D", "interceptions", "per_second", LIMIT, 0.7),
    Target("E", "node", "p50_ms", None, 3),
    Target("E", "node", "per_second", "postgraphile", 1.2),
    Target("E", "node", "per_second", LIMIT, 0.7),
    Target("F", "typename", "per_second", LIMIT, 0.6),
)


def table(results: Mapping[str, Any]) -> str:
    """Return the targets as a table of Markdown."""
    lines = (target.line(results) for target in TARGETS)
    head = ["| | workload | target | reached | |", "|---|---|---|---|---|"]
    return "\n".join(head + [line for line in lines if line])
