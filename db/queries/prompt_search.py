"""How prompts that contain a text are found: by an index, or by reading one after the other.

What is common is met soon on a walk along a list, and an index would bring all of it together
first; what is rare is looked up by an index, where there is one. Some of the newest prompts tell
which it is. A text that no index knows parts of is looked for by reading.

Only for those who may read all prompts: to others it would show, by statements and by time, what
the prompts of their colleagues contain.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TypeVar
from uuid import UUID

import sqlalchemy as sa

from db import filters, prompt_filter
from db.database import Snapshot
from db.filters import Filter, PromptCriteria
from db.models import user_prompts
from db.statement import Statement

C = TypeVar("C", bound=PromptCriteria)

# How many prompts are looked at, and how much of each: a few milliseconds, whatever they hold.
_SAMPLE = 1_000
_CHARACTERS = 2_000

# With more hits among them, a page is filled sooner by walking: about 25 rows of 2 million at 3 in
# a thousand. A count has no early end; there the index loses only where it brings a large part.
_MANY_FOR_A_PAGE = 3
_MANY_FOR_A_COUNT = 50

# pg_trgm knows the letters and digits of a text, three in a row.
_TRIGRAM = re.compile(r"[^\W_]{3}")

_INDEX = Statement(prompt_filter.WHICH_INDEX, (), {})

# A bitmap of prompts that outgrows this forgets which rows of a page it means, and PostgreSQL then
# computes the trigrams of all of them. 32 MB hold the pages of some 10 million prompts.
_WORK_MEM = "32MB"


async def planned(
    db: Snapshot, reader: UUID | None, filter_: Filter, *, for_count: bool = False
) -> Filter:
    """Return the same filter, with the prompts looked up by an index where that is faster."""
    parts = [await of_criteria(db, reader, part, for_count=for_count) for part in filter_.all_of]
    return Filter(tuple(parts))


async def of_criteria(
    db: Snapshot, reader: UUID | None, criteria: C, *, for_count: bool = False
) -> C:
    """Return the same criteria, with the prompts looked up by an index where that is faster."""
    text = criteria.prompt_contains
    if not text or reader is not None:
        return criteria
    seen, hits = await _sampled(db, criteria)
    if seen < _SAMPLE or hits > (_MANY_FOR_A_COUNT if for_count else _MANY_FOR_A_PAGE):
        return criteria
    for (index,) in await db.fetch(_INDEX):
        if index == "trgm" and _TRIGRAM.search(text):
            return criteria.by("trgm")
        if index == "grams" and (await db.fetch(_prepared(), {"text": text}))[0][0]:
            return criteria.by("grams")
    return criteria


async def is_rare(db: Snapshot, criteria: PromptCriteria) -> bool:
    """Say whether few prompts seem to contain the text, without regard to an index."""
    _, hits = await _sampled(db, criteria)
    return hits <= _MANY_FOR_A_PAGE


async def _sampled(db: Snapshot, criteria: PromptCriteria) -> tuple[int, int]:
    """Return how many of the newest prompts were looked at, and how many contain the text."""
    rows = await db.fetch(_sample(), filters.parameters(criteria))
    return rows[0][0], rows[0][1]


@cache
def _sample() -> Statement:
    prompt = sa.func.left(user_prompts.c.prompt, _CHARACTERS).label("prompt")
    newest = sa.select(prompt).order_by(user_prompts.c.created_at.desc()).limit(_SAMPLE).subquery()
    is_hit = filters.prompt_contains(newest, "u_")
    return Statement.of(sa.select(sa.func.count(), sa.func.count().filter(is_hit)))


@cache
def _prepared() -> Statement:
    """Ask whether our index knows parts of the text; have memory for it until the snapshot ends."""
    text = sa.bindparam("text", type_=sa.Text)
    knows_parts = sa.func.cardinality(sa.func.aibridge_grams(text)) > 0
    given = sa.func.pg_size_bytes(sa.func.current_setting("work_mem"))
    is_less = given < sa.func.pg_size_bytes(_WORK_MEM)
    memory = sa.case((is_less, sa.func.set_config("work_mem", _WORK_MEM, sa.true())))
    return Statement.of(sa.select(knows_parts, memory))
