"""GraphiQL in a real browser, on the real process: it works, and it asks nobody else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from db import demo
from tests.programs import require
from tests.server.callers import Caller, make_caller
from tests.system.serving import Served, serving

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The page's largest file has 2.8 MB of script; the machine may be busy.
_PATIENCE_MS = 30_000


@dataclass(slots=True)
class Watch:
    """What the browser complained of, and whom else it asked."""

    address: str
    complaints: list[str] = field(default_factory=list)

    def follow(self, context: BrowserContext) -> None:
        context.on("request", lambda request: self._asked(request.url))
        context.on("console", lambda message: self._said(message.type, message.text))
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def _asked(self, url: str) -> None:
        if not url.startswith((f"{self.address}/", "data:", f"blob:{self.address}/")):
            self.complaints.append(f"asked {url}")

    def _said(self, kind: str, text: str) -> None:
        # Chromium reports a refusal by the content security policy here too.
        if kind in {"error", "warning"}:
            self.complaints.append(f"{kind}: {text}")


@pytest.fixture(scope="module")
async def caller(shared_database_url: str) -> Caller:
    await demo.load(shared_database_url, interceptions=120)
    return await make_caller(shared_database_url, "auditor", username="grace.auditor")


@pytest.fixture(scope="module")
async def served(
    shared_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    async with serving(shared_database_url, tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    chromium = require("chromium")
    expect.set_options(timeout=_PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
def watch(served: Served) -> Watch:
    return Watch(served.address)


@pytest.fixture
async def page(browser: Browser, watch: Watch) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(_PATIENCE_MS)
    watch.follow(context)
    yield await context.new_page()
    await context.close()


async def _answer_to(page: Page, button: str) -> dict[str, Any]:
    async with page.expect_response(lambda response: response.url.endswith("/graphql")) as info:
        await page.get_by_role("button", name=button).click()
    response = await info.value
    assert response.status == 200
    answer: dict[str, Any] = await response.json()
    return answer


async def test_the_sign_in_link_opens_graphiql_ready_to_ask(
    page: Page, served: Served, caller: Caller, watch: Watch
) -> None:
    await page.goto(f"{served.address}/signin?token={caller.token}")
    await expect(page).to_have_url(f"{served.address}/graphql")
    await expect(page.get_by_text("grace.auditor")).to_be_visible()
    await expect(page.locator(".graphiql-query-editor")).to_contain_text("NewestSessions")
    for name in ("OneSession", "FailedToolCalls", "SearchPrompts", "MyTokenUse"):
        await expect(page.get_by_role("tab", name=name)).to_be_visible()

    answer = await _answer_to(page, "Execute query")
    assert "errors" not in answer
    assert answer["data"]["sessions"]["totalCount"] > 0
    await expect(page.locator(".graphiql-response")).to_contain_text("totalCount")

    await page.get_by_label("Show Documentation Explorer").click()
    docs = page.get_by_label("Documentation Explorer", exact=True)
    await docs.get_by_role("link", name="Session", exact=True).click()
    await expect(docs).to_contain_text("threadCount")

    await page.get_by_label("Show Examples").click()
    await page.get_by_role("button", name="Tool calls that failed").click()
    answer = await _answer_to(page, "Execute query")
    assert "errors" not in answer
    assert answer["data"]["toolUsages"]["nodes"]

    assert watch.complaints == []
    assert caller.token.partition("-")[2] not in served.log.read_text()


async def test_without_a_token_the_page_says_how_to_sign_in(
    page: Page, served: Served, caller: Caller, watch: Watch
) -> None:
    await page.goto(served.address)
    card = page.get_by_role("dialog", name="Sign in to ask")
    await expect(card).to_be_visible()
    await expect(page.locator(".graphiql-response")).to_contain_text("Nobody is signed in")
    await card.get_by_label("Token").fill(caller.token)
    await card.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("grace.auditor")).to_be_visible()
    await expect(card).not_to_be_visible()

    await page.get_by_role("button", name="Sign out").click()
    await expect(card).to_be_visible()
    assert await page.context.cookies() == []
    assert watch.complaints == []


async def test_a_cookie_that_is_no_longer_good_brings_the_card_with_the_reason(
    page: Page, served: Served, caller: Caller, watch: Watch
) -> None:
    stale = caller.token[:-1] + "~"
    cookie = {"name": "coder_session_token", "value": stale, "url": served.address}
    await page.context.add_cookies([cookie])  # type: ignore[list-item]
    await page.goto(f"{served.address}/graphql")
    card = page.get_by_role("dialog", name="Sign in to ask")
    await expect(card.get_by_role("alert")).to_have_text("API key secret is invalid.")
    refused = re.compile(r"error: Failed to load resource: .* 401")
    assert all(refused.match(complaint) for complaint in watch.complaints)


async def test_the_documentation_of_rest_is_browsed_and_tried(
    page: Page, served: Served, caller: Caller, watch: Watch
) -> None:
    cookie = {"name": "coder_session_token", "value": caller.token, "url": served.address}
    await page.context.add_cookies([cookie])  # type: ignore[list-item]
    await page.goto(f"{served.address}/docs")
    endpoint = page.locator("[id='get-/api/v2/aibridge/models']")
    await expect(endpoint).to_contain_text("The distinct models, ascending")
    async with page.expect_response(lambda response: "/aibridge/models" in response.url) as info:
        await endpoint.get_by_role("button", name="TRY").click()
    response = await info.value
    assert response.status == 200
    assert watch.complaints == []
