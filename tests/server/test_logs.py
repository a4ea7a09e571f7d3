"""What the log says of a request, and what it never says."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from server import logs
from server.settings import load_settings
from tests.server.running import client_of, running_app

SECRET = "a-very-secret-prompt"


async def _fails(request: Request) -> Response:
    raise RuntimeError(f"{SECRET} {await request.body()!r}")


async def _breaks_off(_: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError(SECRET)

    return StreamingResponse(body())


async def _works(request: Request) -> Response:
    log = logs.of(request)
    log.operation, log.statements, log.rows, log.caller = "Sessions", 2, 30, "somebody"
    return JSONResponse({})


@pytest.fixture(scope="module")
async def client(shared_database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with running_app(shared_database_url) as app:
        app.router.routes.extend(
            [
                Route("/fails", _fails, methods=["GET", "POST"]),
                Route("/breaks-off", _breaks_off),
                Route("/works", _works),
            ]
        )
        async with client_of(app) as client:
            yield client


@pytest.fixture(autouse=True)
def stderr() -> Iterator[io.StringIO]:
    """What is logged; the configuration of the test run comes back afterwards."""
    handlers, level = logging.root.handlers[:], logging.root.level
    stream = io.StringIO()
    logs.configure(load_settings(log_format="json"), stream)
    yield stream
    structlog.reset_defaults()
    logging.basicConfig(handlers=handlers, level=level, force=True)


def _lines(stderr: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stderr.getvalue().splitlines()]


async def test_a_request_is_one_line_without_its_query_string(
    client: httpx.AsyncClient, stderr: io.StringIO
) -> None:
    await client.get("/works", params={"coder_session_token": SECRET})
    [line] = _lines(stderr)
    assert line.pop("duration_ms") is not None
    assert line.pop("timestamp")
    assert line.pop("id")
    assert line == {
        "event": "request",
        "level": "info",
        "method": "GET",
        "path": "/works",
        "status": 200,
        "bytes": 2,
        "operation": "Sessions",
        "statements": 2,
        "rows": 30,
        "caller": "somebody",
    }


async def test_an_unexpected_error_is_one_sentence_with_an_id_that_the_log_has(
    client: httpx.AsyncClient, stderr: io.StringIO
) -> None:
    response = await client.post("/fails", content=SECRET)
    error, line = _lines(stderr)
    assert response.status_code == 500
    sentence = "Something went wrong on our side. Please report it with this id:"
    assert response.json() == {"message": f"{sentence} {error['id']}."}
    assert (error["event"], error["error"]) == ("unexpected error", "RuntimeError")
    assert "_fails" in str(error["trace"])
    assert (line["id"], line["status"]) == (error["id"], 500)
    assert SECRET not in json.dumps([error, line])


async def test_an_answer_that_breaks_off_is_logged(
    client: httpx.AsyncClient, stderr: io.StringIO
) -> None:
    # httpx insists on an end, which the answer must not have.
    with pytest.raises(AssertionError):
        await client.get("/breaks-off")
    error, line = _lines(stderr)
    assert (error["event"], line["status"]) == ("unexpected error", 200)
    assert SECRET not in json.dumps([error, line])


async def test_an_unknown_path_and_a_wrong_method_are_json(client: httpx.AsyncClient) -> None:
    unknown = await client.get("/nowhere")
    assert (unknown.status_code, unknown.json()) == (404, {"message": "Not Found."})
    wrong = await client.post("/works")
    assert (wrong.status_code, wrong.json()) == (405, {"message": "Method Not Allowed."})
    assert "GET" in wrong.headers["allow"]


async def test_probes_are_not_logged(client: httpx.AsyncClient, stderr: io.StringIO) -> None:
    await client.get("/healthz")
    await client.get("/readyz")
    assert _lines(stderr) == []


async def test_a_terminal_gets_lines_for_people(
    client: httpx.AsyncClient, stderr: io.StringIO
) -> None:
    logs.configure(load_settings(log_format="console"), stderr)
    await client.get("/works")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", stderr.getvalue())
    assert "[info     ] request" in plain
    assert "path=/works" in plain


def test_lines_of_libraries_go_the_same_way(stderr: io.StringIO) -> None:
    logging.getLogger("alembic.runtime.migration").info("Running upgrade %s", "0001")
    logging.getLogger("uvicorn.error").info("Started server process")
    [line] = _lines(stderr)
    assert (line["event"], line["logger"]) == ("Running upgrade 0001", "alembic.runtime.migration")
