"""The prompts that contain a text, looked up by an index: ours of trigrams, or one of pg_trgm."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa

from db.models import user_prompts

# Ours, of `aibridge_grams`, or one that PostgreSQL's extension pg_trgm makes.
PromptIndex: TypeAlias = Literal["grams", "trgm"]

# Which there are; ours before one of pg_trgm, for it also knows parts of two Chinese characters.
WHICH_INDEX = """
SELECT DISTINCT CASE WHEN x.indexprs IS NULL THEN 'trgm' ELSE 'grams' END
FROM pg_index x
JOIN pg_opclass o ON o.oid = x.indclass[0]
LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0]
WHERE x.indrelid = to_regclass('aibridge_user_prompts') AND x.indisvalid AND x.indpred IS NULL
    AND (pg_get_expr(x.indexprs, x.indrelid) = 'aibridge_grams(prompt)'
        OR (a.attname = 'prompt' AND o.opcname IN ('gin_trgm_ops', 'gist_trgm_ops')))
ORDER BY 1
"""


@cache
def found(index: PromptIndex, prefix: str) -> sa.CTE:
    """Return the prompts with the text, to be looked up before anything else: their two ids.

    Left to itself the planner takes each trigram for a matter of chance, and what is common for
    rare. Parameters, after the prefix: `prompt_contains`, a LIKE pattern, and `prompt_text`.
    """
    u = user_prompts.alias()
    pattern = sa.bindparam(f"{prefix}prompt_contains", type_=sa.Text)
    conditions: list[sa.ColumnElement[bool]] = [u.c.prompt.ilike(pattern, escape="\\")]
    if index == "grams":
        conditions.append(_may_contain(u, sa.bindparam(f"{prefix}prompt_text", type_=sa.Text)))
    prompts = sa.select(u.c.id, u.c.interception_id).where(*conditions)
    return prompts.cte(f"{prefix}prompts").prefix_with("MATERIALIZED")


def _may_contain(u: Any, text: sa.BindParameter[str]) -> sa.ColumnElement[bool]:
    """Return what holds of each prompt with the text, and of some others."""
    # By their full names: the extension intarray has operators of these names that our index does
    # not serve. -1 stands for a long prompt; by `=` the planner knows how many there are.
    grams = sa.func.aibridge_grams(u.c.prompt)
    contains, equals = (grams.bool_op(f"OPERATOR(pg_catalog.{name})") for name in ("@>", "="))
    return sa.or_(contains(sa.func.aibridge_grams(text)), equals(sa.literal_column("ARRAY[-1]")))
