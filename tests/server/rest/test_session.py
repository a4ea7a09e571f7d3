"""One session: what the contract says of each, its pages, and how it is addressed."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import pytest

from tests.server.rest import contract
from tests.server.rest.world import Interception, World


def path_of(session_id: str) -> str:
    return f"/api/v2/aibridge/sessions/{quote(session_id, safe='')}"


async def ask(rest: httpx.AsyncClient, session_id: str, **params: Any) -> httpx.Response:
    return await rest.get(httpx.URL(rest.base_url.join(path_of(session_id))), params=params)


async def get(rest: httpx.AsyncClient, key: tuple[str, UUID], **params: Any) -> Any:
    response = await ask(rest, key[0], initiator=key[1], **params)
    assert response.status_code == 200, response.text
    return response.json()


def keys(world: World) -> list[tuple[str, UUID]]:
    return sorted({i.session_key for i in world.ended})


async def test_every_session_is_told(rest: httpx.AsyncClient, told: World) -> None:
    for key in keys(told):
        expected = contract.session(told, key, contract.threads(told, key))
        answer = await get(rest, key, limit=200)
        assert answer == expected
        assert list(answer) == list(expected)
        for thread, expected_thread in zip(answer["threads"], expected["threads"], strict=True):
            assert list(thread) == list(expected_thread)


async def test_pages_go_on_in_both_directions(rest: httpx.AsyncClient, told: World) -> None:
    for key in keys(told):
        roots = contract.threads(told, key)
        for n, root in enumerate(roots):
            after = await get(rest, key, after_id=root.id, limit=2)
            assert after == contract.session(told, key, roots[n + 1 : n + 3])
            before = await get(rest, key, before_id=root.id, limit=2)
            assert before == contract.session(told, key, roots[max(0, n - 2) : n])


async def test_a_cursor_may_be_any_interception_of_the_session(
    rest: httpx.AsyncClient, told: World
) -> None:
    def place(i: Interception) -> tuple[Any, UUID]:
        return i.started_at, i.id

    for one in told.ended:
        if one.thread_root_id is not None:
            roots = contract.threads(told, one.session_key)
            after = await get(rest, one.session_key, after_id=one.id)
            behind = [root for root in roots if place(root) > place(one)]
            assert after == contract.session(told, one.session_key, behind)


async def test_the_newest_session_answers_where_users_share_an_id(
    rest: httpx.AsyncClient, told: World
) -> None:
    listed = [(s["id"], UUID(s["initiator"]["id"])) for s in contract.sessions(told)]
    shared = {one for one, _ in listed if sum(one == other for other, _ in listed) > 1}
    assert shared
    for session_id in shared:
        newest = next(key for key in listed if key[0] == session_id)
        answer = (await ask(rest, session_id)).json()
        assert answer == contract.session(told, newest, contract.threads(told, newest))


async def test_an_initiator_is_chosen_by_id_or_name(rest: httpx.AsyncClient, told: World) -> None:
    for session_id, initiator_id in keys(told):
        name = next(user.username for user in told.users if user.id == initiator_id)
        for initiator in (str(initiator_id), name, name.upper()):
            answer = (await ask(rest, session_id, initiator=initiator)).json()
            assert answer["initiator"]["id"] == str(initiator_id)


@pytest.mark.parametrize(
    ("params", "status", "body"),
    [
        (
            {"after_id": "abc", "before_id": "x", "limit": "0"},
            400,
            {
                "message": "Invalid after_id query parameter.",
                "detail": "invalid UUID length: 3",
            },
        ),
        (
            {"before_id": "g" * 32, "limit": "0"},
            400,
            {"message": "Invalid before_id query parameter.", "detail": "invalid UUID format"},
        ),
        (
            {"after_id": UUID(int=1), "before_id": UUID(int=2), "limit": "0"},
            400,
            {"message": "Cannot use both after_id and before_id in the same request."},
        ),
        *(
            (
                {"limit": limit, "initiator": "nobody"},
                400,
                {
                    "message": "Invalid limit query parameter.",
                    "detail": "Limit must be between 1 and 200.",
                },
            )
            for limit in ("0", "201", "-1", "x", "99999999999")
        ),
        *(
            (
                {"initiator": initiator, "after_id": UUID(int=1)},
                404,
                {"message": "Session not found."},
            )
            for initiator in ("nobody", "\0", str(UUID(int=1)))
        ),
        *(
            (
                {name: UUID(int=1)},
                400,
                {
                    "message": "Invalid pagination cursor.",
                    "detail": f"{name}: interception {UUID(int=1)} not found: "
                    "invalid pagination cursor",
                },
            )
            for name in ("after_id", "before_id")
        ),
    ],
)
async def test_refusals_come_in_the_contracts_order(
    rest: httpx.AsyncClient, params: dict[str, Any], status: int, body: dict[str, str]
) -> None:
    response = await ask(rest, "s1", **params)
    assert (response.status_code, response.json()) == (status, body)


async def test_a_cursor_of_another_session_is_refused(rest: httpx.AsyncClient, told: World) -> None:
    key = next(key for key in keys(told) if key[0] == "s1")
    foreign = next(i for i in told.ended if i.session_key != key)
    response = await ask(rest, "s1", initiator=key[1], after_id=foreign.id)
    assert response.json()["detail"] == (
        f"after_id: interception {foreign.id} does not belong to session s1: "
        "invalid pagination cursor"
    )


async def test_a_cursor_in_flight_is_not_found(rest: httpx.AsyncClient, told: World) -> None:
    flying = next(i for i in told.interceptions if i.ended_at is None)
    response = await ask(rest, "s1", after_id=flying.id)
    assert response.json()["detail"].endswith("not found: invalid pagination cursor")


@pytest.mark.parametrize("limit", ["", "50", "%2B50"])
async def test_a_limit_may_be_left_empty(rest: httpx.AsyncClient, limit: str) -> None:
    url = rest.base_url.join(path_of("s1")).copy_with(query=f"limit={limit}".encode())
    assert (await rest.get(url)).status_code == 200


@pytest.mark.parametrize(
    "session_id", ["nothing", "\0", "a", "a%2Fb c", "..%2F", " ", "%", "%zz", "\udcff"]
)
async def test_other_ids_are_not_found(rest: httpx.AsyncClient, session_id: str) -> None:
    path = quote(session_id, safe="", errors="surrogateescape")
    url = httpx.URL(rest.base_url.join("/api/v2/aibridge/sessions/")).copy_with(
        raw_path=f"/api/v2/aibridge/sessions/{path}".encode()
    )
    response = await rest.get(url)
    assert (response.status_code, response.json()) == (404, {"message": "Session not found."})
