"""Load the demo data into an empty database, once; a load that was stopped is finished later."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import asyncpg

from db.demo import story
from db.demo.loading import load
from db.url import for_asyncpg


@dataclass(frozen=True, slots=True)
class Plan:
    """Which demo data the database holds, kept beside it: the same plan makes the same rows."""

    interceptions: int
    seed: int
    until: str
    done: bool = False


async def load_once(
    url: str,
    plan_file: Path,
    *,
    interceptions: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Load the demo data, unless the database holds them or anything else."""
    plan = _read(plan_file)
    if plan is None and await _is_empty(url):
        plan = Plan(interceptions, seed, story.last_full_hour().isoformat())
        _write(plan_file, plan)
    if plan is None or plan.done:
        return
    await load(
        url,
        interceptions=plan.interceptions,
        seed=plan.seed,
        until=datetime.fromisoformat(plan.until),
        progress=progress,
    )
    _write(plan_file, Plan(plan.interceptions, plan.seed, plan.until, done=True))


async def _is_empty(url: str) -> bool:
    connection = await asyncpg.connect(for_asyncpg(url))
    try:
        return not await connection.fetchval("SELECT EXISTS (SELECT FROM aibridge_interceptions)")
    finally:
        await connection.close()


def _read(plan_file: Path) -> Plan | None:
    try:
        return Plan(**json.loads(plan_file.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _write(plan_file: Path, plan: Plan) -> None:
    plan_file.write_text(json.dumps(asdict(plan)))
