"""All sessions of the demo, one after the other, in the order in which they began."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson

from db.demo.agents import AGENTS, Agent
from db.demo.calendar import Calendar
from db.demo.dice import Dice
from db.demo.people import PEOPLE, Person, people
from db.demo.scenes import Scene, Session
from db.demo.words import POOLS
from db.importing.batches import Batch, user_row

# So many interceptions at a time are held in memory.
BATCH = 2_000

# The demo of a person who tries the product: twelve people, some weeks. Larger ones are for
# measuring, and have fifty people in a quarter.
_SMALL = 50_000
_SMALL_DAYS, _LARGE_DAYS = 24, 90
_LARGE_PEOPLE = 50

# Sessions have 1 to 200 interceptions, about nine on average.
_MAX_SESSION = 200

# So many at the end begin a minute before it, so that some are in flight.
_TAIL = 12

_WEIGHTED_AGENTS = tuple(agent for agent in AGENTS for _ in range(agent.weight))


def last_full_hour() -> datetime:
    """Return the default end of the demo's time."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def batches(*, interceptions: int, seed: int, until: datetime) -> Iterator[Batch]:
    """Yield exactly so many interceptions; the same for the same arguments."""
    large = interceptions > _SMALL
    crowd = people(_LARGE_PEOPLE) if large else PEOPLE
    calendar = Calendar(until, _LARGE_DAYS if large else _SMALL_DAYS)
    dice = Dice(seed, POOLS)
    scene = Scene(dice, until, _batch(crowd))
    done = 0
    while done < interceptions:
        missing = interceptions - done
        start = calendar.at((done + dice.fraction()) / interceptions)
        if missing <= _TAIL:
            start = until - timedelta(seconds=dice.between(2, 60))
        before = len(scene.batch)
        for session in _sessions(dice, crowd, start):
            left = missing - (len(scene.batch) - before)
            if left:
                scene.play(session, min(_size(dice), left))
        done += len(scene.batch) - before
        if len(scene.batch) >= BATCH or done == interceptions:
            yield scene.batch
            scene.batch = _batch(crowd)


def _batch(crowd: tuple[Person, ...]) -> Batch:
    return Batch(users={p.id: user_row(p.id, p.username, p.name, p.avatar_url) for p in crowd})


def _size(dice: Dice) -> int:
    return min(1 + int(dice.around(6.0, 1.1)), _MAX_SESSION)


def _sessions(dice: Dice, crowd: tuple[Person, ...], start: datetime) -> Iterator[Session]:
    """Yield the session that begins now: two where two people share a session id."""
    # The first one does a quarter of all work.
    person = crowd[0] if dice.happens(0.25) else dice.pick(crowd[1:])
    agent = AGENTS[-1] if person.username == "release-bot" else dice.pick(_WEIGHTED_AGENTS)
    session_id = str(dice.uuid()) if agent.names_sessions else None
    yield _session(dice, person, agent, session_id, start)
    if agent.shares_sessions and dice.happens(0.5):
        other = dice.pick(tuple(p for p in crowd if p is not person))
        yield _session(dice, other, agent, session_id, start)


def _session(
    dice: Dice, person: Person, agent: Agent, session_id: str | None, start: datetime
) -> Session:
    rank = min(int(dice.around(0.8, 0.8)), len(agent.models) - 1)
    own_key = dice.happens(0.12)
    metadata = {"Username": person.username, "request_user_agent": agent.user_agent}
    return Session(
        person=person,
        agent=agent,
        session_id=session_id,
        model=agent.models[rank],
        kind="byok" if own_key else "centralized",
        hint=f"sk-{'u' if own_key else 'a'}...{dice.token(4)}",
        metadata=orjson.dumps(metadata).decode(),
        now=start,
    )
