"""Plots of what was measured: `python -m bench.plots 100k [graphql]` draws that size's results."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

from bench.data import SIZES
from bench.growth import RESULTS

_GRAPHQL = Path(__file__).parents[1] / "docs" / "performance"
_NAMES = {"sql": "ours, in SQL", "http": "ours, over HTTP", "grouped": "all interceptions grouped"}
_PEERS = {
    "compiled": "ours",
    "postgraphile": "PostGraphile",
    "limit": "the limit",
    "idiomatic": "idiomatic",
}
_TARGETS = {"page": ("A: a page of 25 sessions", 5), "count": ("B: the count of all", 25)}


def growth(size: str) -> Path:
    """Draw how the list of sessions and its count grow with the data."""
    found: dict[str, Any] = json.loads((RESULTS / f"growth_{size}.json").read_text())
    x = [SIZES[name] for name in found]
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for panel, (name, (title, target)) in zip(panels, _TARGETS.items(), strict=True):
        for key, label in _NAMES.items():
            panel.loglog(x, [row[name][key] for row in found.values()], marker="o", label=label)
        panel.axhline(target, color="grey", linestyle=":", label=f"target at 2m, SQL: {target} ms")
        panel.set(title=title, xlabel="interceptions", ylabel="milliseconds, median")
        panel.grid(visible=True, alpha=0.3)
        panel.legend(fontsize="small")
    return _saved(figure, RESULTS / f"growth_{size}.png")


def graphql(size: str) -> Path:
    """Draw how many requests a second GraphQL answers, beside its peers."""
    found = json.loads((_GRAPHQL / f"graphql-{size}.json").read_text())["results"]
    figure, panels = plt.subplots(1, len(found), figsize=(3 * len(found), 4), layout="constrained")
    for panel, (workload, servers) in zip(panels, found.items(), strict=True):
        for number, (server, label) in enumerate(_PEERS.items()):
            if row := servers.get(server):
                bar = panel.bar(label, row["16"]["per_second"], color=f"C{number}")
                panel.bar_label(bar, fmt="{:,.0f}")
        panel.set(title=workload, ylabel="requests/s, 16 clients")
        panel.tick_params(axis="x", rotation=30)
    return _saved(figure, _GRAPHQL / f"graphql-{size}.png")


def _saved(figure: Any, target: Path) -> Path:
    figure.savefig(target, dpi=110)
    plt.close(figure)
    return target


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else "1m"
    names = sys.argv[2:] or ("growth", "graphql")
    for draw in (growth, graphql):
        if draw.__name__ in names:
            print(draw(wanted))
