"""The providers' own clients get the same through the passthrough as directly."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.server.proxy.replay import RECORDINGS, Replay, replaying, request_of, sections
from tests.server.proxy.running import BASE, Running, front

# The recordings are of models that the client by now advises against.
pytestmark = pytest.mark.filterwarnings("ignore:The model '.*' is deprecated:DeprecationWarning")

# A base URL, a request and whether it streams → all that the client handed out, in order.
Call = Callable[[str, dict[str, Any], bool], Awaitable[list[Any]]]


@pytest.fixture(scope="module")
async def replay() -> AsyncIterator[Replay]:
    async with replaying() as replay:
        yield replay


@pytest.fixture(scope="module")
def gateway(replay: Replay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("clients") / "log"
    with front(log, AIBRIDGE_UPSTREAM_URL=f"http://127.0.0.1:{replay.port}") as server:
        yield server


def anthropic_http() -> anthropic.DefaultAsyncHttpxClient:
    # Without TLS the certificates need not be read, which takes longer than a test.
    return anthropic.DefaultAsyncHttpxClient(verify=False, timeout=10)


def openai_http() -> openai.DefaultAsyncHttpxClient:
    return openai.DefaultAsyncHttpxClient(verify=False, timeout=10)


async def messages(base_url: str, given: dict[str, Any], streams: bool) -> list[Any]:
    async with anthropic.AsyncAnthropic(
        base_url=base_url, api_key="k", max_retries=0, http_client=anthropic_http()
    ) as client:
        return await handed_out(client.messages.create(**given, stream=streams), streams)


async def chat(base_url: str, given: dict[str, Any], streams: bool) -> list[Any]:
    async with openai.AsyncOpenAI(
        base_url=base_url, api_key="k", max_retries=0, http_client=openai_http()
    ) as client:
        return await handed_out(client.chat.completions.create(**given, stream=streams), streams)


async def responses(base_url: str, given: dict[str, Any], streams: bool) -> list[Any]:
    async with openai.AsyncOpenAI(
        base_url=base_url, api_key="k", max_retries=0, http_client=openai_http()
    ) as client:
        return await handed_out(client.responses.create(**given, stream=streams), streams)


async def handed_out(answer: Any, streams: bool) -> list[Any]:
    result: list[Any] = []
    try:
        if streams:
            # One by one: an error in mid-stream must not take with it what came before.
            async for event in await answer:
                result.append(event.model_dump(warnings=False))  # noqa: PERF401
        else:
            result.append((await answer).model_dump(warnings=False))
    except (anthropic.APIError, openai.APIError) as error:
        status = getattr(error, "status_code", None)
        result.append((type(error).__name__, status, error.message, error.body))
    return result


def sse(*events: dict[str, Any], named: bool = True) -> bytes:
    lines = [
        (f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event)}\n\n"
        for event in events
    ]
    return "".join(lines).encode() + (b"" if named else b"data: [DONE]\n\n")


MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "Guten Tag \U0001f600"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 5},
}
DELTAS = [
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": f"w\u00f6rd {number} "},
    }
    for number in range(200)
]
MESSAGE_EVENTS = sse(
    {"type": "message_start", "message": MESSAGE | {"content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    *DELTAS,
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 400},
    },
    {"type": "message_stop"},
)
CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x"}
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-x",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "hello"},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
CHUNKS = sse(
    *(
        CHUNK | {"choices": [{"index": 0, "delta": {"content": str(number)}}]}
        for number in range(200)
    ),
    named=False,
)
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-x",
    "status": "completed",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
RESPONSE_EVENTS = sse(
    {"type": "response.created", "sequence_number": 0, "response": RESPONSE},
    *(
        {
            "type": "response.output_text.delta",
            "sequence_number": number,
            "item_id": "i",
            "output_index": 0,
            "content_index": 0,
            "delta": "x",
            "logprobs": [],
        }
        for number in range(1, 200)
    ),
    {"type": "response.completed", "sequence_number": 200, "response": RESPONSE},
)
ASKED = [{"role": "user", "content": "Hi"}]
WRITTEN: dict[str, tuple[Call, dict[str, Any], bytes, Any]] = {
    "messages": (
        messages,
        {"model": "claude-x", "max_tokens": 9, "messages": ASKED},
        MESSAGE_EVENTS,
        MESSAGE,
    ),
    "chat": (chat, {"model": "gpt-x", "messages": ASKED}, CHUNKS, COMPLETION),
    "responses": (responses, {"model": "gpt-x", "input": "Hi"}, RESPONSE_EVENTS, RESPONSE),
}


async def both_ways(
    call: Call, given: dict[str, Any], streams: bool, gateway: Running, replay: Replay
) -> list[Any]:
    """Ask directly and through us, and return what both gave."""
    before = replay.requests
    direct = await call(f"http://127.0.0.1:{replay.port}/v1", given, streams)
    through = await call(f"{gateway.url}{BASE}/provider/v1", given, streams)
    assert replay.requests == before + 2
    assert through == direct
    return through


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("name", WRITTEN)
async def test_answers_are_the_same(
    name: str, streams: bool, gateway: Running, replay: Replay
) -> None:
    call, given, replay.streamed, whole = WRITTEN[name]
    replay.whole = json.dumps(whole).encode()
    got = await both_ways(call, given, streams, gateway, replay)
    assert len(got) >= (200 if streams else 1)


@pytest.mark.parametrize("status", [400, 401, 429, 529])
@pytest.mark.parametrize("name", WRITTEN)
async def test_errors_are_the_same(
    name: str, status: int, gateway: Running, replay: Replay
) -> None:
    call, given, *_ = WRITTEN[name]
    error = json.dumps({"type": "error", "error": {"type": "x", "message": "no"}}).encode()
    replay.streamed = replay.whole = (
        f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
        f"Content-Length: {len(error)}\r\n\r\n"
    ).encode() + error
    got = await both_ways(call, given, True, gateway, replay)
    assert got[0][1] == status


def recorded() -> list[Any]:
    found = [
        pytest.param(path, section, id=f"{path.parent.name}/{path.stem}:{section}")
        for path in sorted(RECORDINGS.rglob("*.txtar"))
        for section in sections(path)
        if section != "request"
    ]
    missing = pytest.mark.skip(reason=f"needs the recordings of real traffic in {RECORDINGS}")
    return found or [pytest.param(RECORDINGS, "", marks=missing)]


@pytest.mark.parametrize(("path", "section"), recorded())
async def test_recorded_answers_are_the_same(
    path: Path, section: str, gateway: Running, replay: Replay
) -> None:
    folders = path.relative_to(RECORDINGS).parts
    call = messages if folders[0] == "anthropic" else chat
    if "responses" in folders:
        call = responses
    replay.streamed = replay.whole = sections(path)[section]
    given = request_of(path)
    given.pop("stream", None)
    known = {"stream_options", "model", "messages", "max_tokens", "input", "tools"}
    options = {key: value for key, value in given.items() if key in known}
    extra = {key: value for key, value in given.items() if key not in known}
    await both_ways(
        call, options | {"extra_body": extra}, section.startswith("streaming"), gateway, replay
    )
