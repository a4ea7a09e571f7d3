"""Audits of GraphQL over HTTP that others wrote, against the running endpoint, in both profiles.

The official ones come from npm; ours follow what the newest draft of the specification changed.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.programs import node_packages, require
from tests.server.graphql.listening import listening
from tests.server.graphql.serving import TOKEN, serving_app

# Under the newest draft these audits demand what it no longer allows: 400 instead of 422 for a
# request that is not well-formed or whose variables do not fit, 200 for request errors in JSON.
DRAFT_DIFFERS = {
    "423L", "3E3A", "86EE", "572B", "FDE2", "7B9B",
    "LKJ0", "LKJ1", "LKJ2", "LKJ3", "6C00", "6C01", "6C02", "6C03",
    "4760", "4761", "4762", "4763", "58B0", "58B1", "58B2", "58B3",
}  # fmt: skip

# And these of the draft demand the statuses that only AIBRIDGE_HTTP_PROFILE=draft gives.
AUDIT_DIFFERS = {
    "no query: 422",
    "variables are a list: 422",
    "operationName is a number: 422",
    "extensions are a string: 422",
    "the document is not valid: 422",
    "the document is not valid, read as JSON: 4xx",
    "the operation is ambiguous: 422",
    "the operation is unknown: 422",
    "a variable does not fit: 422",
    "a field fails: 294",
}

_OFFICIAL = 61
_DRAFT = 29


async def _audited(url: str, script: str, *arguments: str) -> list[dict[str, Any]]:
    folder = await asyncio.to_thread(node_packages)
    process = await asyncio.create_subprocess_exec(
        require("node"), script, f"{url}/graphql", TOKEN, *arguments, cwd=folder, stdout=-1
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    return [json.loads(line) for line in output.splitlines()]


async def official(url: str) -> list[dict[str, Any]]:
    audits = await _audited(url, "audit_http.mjs")
    assert len(audits) == _OFFICIAL
    return audits


async def of_the_draft(url: str) -> list[dict[str, Any]]:
    audits = await _audited(url, "audit_http_draft.mjs", "missing { name }")
    assert len(audits) == _DRAFT
    return audits


async def test_all_official_audits_pass(database_url: str) -> None:
    async with serving_app(database_url) as app, listening(app) as url:
        audits = await official(url)
    assert [audit for audit in audits if not audit["ok"]] == []


async def test_under_the_draft_only_the_audits_that_it_contradicts_fail(database_url: str) -> None:
    async with serving_app(database_url, http_profile="draft") as app, listening(app) as url:
        audits = await official(url)
    assert {audit["id"] for audit in audits if not audit["ok"]} == DRAFT_DIFFERS


async def test_all_audits_of_the_draft_pass_under_its_profile(database_url: str) -> None:
    async with serving_app(database_url, http_profile="draft") as app, listening(app) as url:
        audits = await of_the_draft(url)
    assert [audit for audit in audits if not audit["ok"]] == []


async def test_by_default_only_the_new_statuses_of_the_draft_are_missing(database_url: str) -> None:
    async with serving_app(database_url) as app, listening(app) as url:
        audits = await of_the_draft(url)
    assert {audit["name"] for audit in audits if not audit["ok"]} == AUDIT_DIFFERS
