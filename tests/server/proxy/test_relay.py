"""What crosses the passthrough, compared byte for byte with what was sent."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.server.proxy.running import Running, ask, eventually, metric, new_id, request

SSE = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


async def reached(gateway: Running, sent: bytes) -> dict[str, Any]:
    status, _, body = await ask(gateway, sent)
    assert status == 200, body
    result: dict[str, Any] = json.loads(body)
    return result


def header_lines(record: dict[str, Any]) -> list[str]:
    lines: list[str] = record["head"].split("\r\n")[1:-2]
    return lines


@pytest.mark.parametrize(
    ("written", "arrives"),
    [
        ("/anthropic/v1/messages", "/base/anthropic/v1/messages"),
        ("/a%2Fb/%41?x=%2f&y=a+b&x=", "/base/a%2Fb/%41?x=%2f&y=a+b&x="),
        ("/a/../b/./c//d", "/base/a/../b/./c//d"),
        ("/../../x", "/base/../../x"),
        ("/%2e%2e/x", "/base/%2e%2e/x"),
        ("//evil.example/x", "/base//evil.example/x"),
        (
            "/x?url=http://a/b?c&coder_session_token=t",
            "/base/x?url=http://a/b?c&coder_session_token=t",
        ),
        ("/", "/base/"),
        ("", "/base"),
    ],
)
async def test_path_and_query_arrive_as_written(
    gateway: Running, written: str, arrives: str
) -> None:
    record = await reached(gateway, request(written))
    assert record["head"].split("\r\n")[0] == f"GET {arrives} HTTP/1.1"


async def test_the_alias_is_stripped_too(gateway: Running) -> None:
    sent = request("/openai/v1/responses").replace(b"/aibridge", b"/ai-gateway")
    record = await reached(gateway, sent)
    assert record["head"].startswith("GET /base/openai/v1/responses HTTP/1.1\r\n")


async def test_management_endpoints_are_not_relayed_but_their_other_methods_are(
    gateway: Running,
) -> None:
    _, _, body = await ask(gateway, request("/sessions"))
    assert "taken" in json.loads(body)
    record = await reached(gateway, request("/sessions", method="POST", body=b"x"))
    assert record["head"].startswith("POST /base/sessions HTTP/1.1\r\n")


async def test_headers_arrive_unchanged_and_nothing_is_added_but_the_forwarding(
    gateway: Running, upstream: Running
) -> None:
    ours = [
        "session_id: 0199-a",
        "originator: codex_cli_rs",
        "x-cursor-client-version: 1.7.52",
        "x-claude-code-session-id: c0ffee",
        "anthropic-version: 2023-06-01",
        "anthropic-beta: a,b",
        "anthropic-beta: c",
        "x-stainless-lang: js",
        "authorization: Bearer bridge-token",
        "x-api-key: k",
        "accept-encoding: gzip, br, zstd",
        "x-title: caf\u00c3\u00a9",
        "x-empty: ",
    ]
    record = await reached(gateway, request("/x", *ours))
    assert header_lines(record) == [
        f"Host: 127.0.0.1:{upstream.port}",
        *ours,
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-forwarded-host: gateway.example",
        "via: 1.1 aibridge-graphql",
    ]


async def test_user_agent_is_passed_as_sent(gateway: Running) -> None:
    record = await reached(gateway, request("/x", "User-Agent: claude-cli/2.0 (external, cli)"))
    lines = [line for line in header_lines(record) if line.lower().startswith("user-agent")]
    assert lines == ["user-agent: claude-cli/2.0 (external, cli)"]


async def test_hop_by_hop_headers_do_not_cross(gateway: Running) -> None:
    record = await reached(
        gateway,
        request(
            "/x",
            "Connection: keep-alive, X-Private",
            "Keep-Alive: timeout=5",
            "X-Private: 1",
            "TE: trailers",
            "Trailer: X-T",
            "Proxy-Authorization: Basic eA==",
            "Proxy-Connection: keep-alive",
            "Upgrade: h2c",
        ),
    )
    names = {line.partition(":")[0].lower() for line in header_lines(record)}
    assert names == {"host", "via", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"}


async def test_forwarding_headers_are_appended_to_those_that_came(gateway: Running) -> None:
    record = await reached(
        gateway,
        request(
            "/x",
            "X-Forwarded-For: 192.0.2.1",
            "X-Forwarded-For: 192.0.2.2, 192.0.2.3",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: agents.example",
            "Via: 2 edge",
        ),
    )
    assert header_lines(record)[1:] == [
        "x-forwarded-for: 192.0.2.1, 192.0.2.2, 192.0.2.3, 127.0.0.1",
        "x-forwarded-proto: https, http",
        "x-forwarded-host: agents.example, gateway.example",
        "via: 2 edge, 1.1 aibridge-graphql",
    ]


async def test_our_session_never_goes_upstream(gateway: Running) -> None:
    record = await reached(
        gateway,
        request(
            "/x",
            "Cookie: a=1;coder_session_token=SECRET;  b = 2 ;c",
            "Cookie: coder_session_token=SECRET",
            "Cookie: coder_session_token_old=kept",
            "Coder-Session-Token: SECRET",
        ),
    )
    assert "SECRET" not in record["head"]
    cookies = [line for line in header_lines(record) if line.startswith("cookie")]
    assert cookies == ["cookie: a=1;  b = 2 ;c", "cookie: coder_session_token_old=kept"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS"])
async def test_a_body_arrives_whole(gateway: Running, method: str) -> None:
    body = bytes(range(256)) * 4096
    record = await reached(gateway, request("/x", method=method, body=body))
    assert record["body_size"] == len(body)
    assert record["body_sha256"] == hashlib.sha256(body).hexdigest()
    assert f"content-length: {len(body)}" in header_lines(record)


async def test_a_chunked_body_arrives_chunked(gateway: Running) -> None:
    pieces = [b"a" * 70_000, b"b", b"c" * 300_000]
    body = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    sent = request("/x", "Transfer-Encoding: chunked", method="POST") + body
    record = await reached(gateway, sent + b"0\r\nX-Trailer: 1\r\n\r\n")
    assert record["body_size"] == 370_001
    assert record["body_sha256"] == hashlib.sha256(b"".join(pieces)).hexdigest()
    assert "X-Trailer" not in record["head"]


async def test_status_headers_and_body_come_back_as_they_are(gateway: Running) -> None:
    answer = (
        "HTTP/1.1 429 Too Many Requests\r\n"
        "Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n"
        "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nRetry-After: 7\r\nRequest-Id: req_\u00e9\r\n"
        "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nServer: bridge\r\n"
        "Keep-Alive: timeout=3\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\r\n"
        "\x1f\x8b\x00\xff\n\r"
    )
    status, headers, body = await ask(gateway, request("/x", script=[["write", answer]]))
    assert (status, body) == (429, b"\x1f\x8b\x00\xff\n\r")
    assert headers == {
        "content-type": ["application/json"],
        "content-encoding": ["gzip"],
        "content-length": ["6"],
        "set-cookie": ["a=1", "b=2"],
        "retry-after": ["7"],
        "request-id": ["req_\u00e9"],
        "date": ["Thu, 01 Jan 1970 00:00:00 GMT"],
        "server": ["bridge"],
        "connection": ["close"],
    }


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 500, 503, 529])
async def test_no_status_is_followed_or_changed(gateway: Running, status: int) -> None:
    answer = (
        f"HTTP/1.1 {status} X\r\nLocation: http://elsewhere.example/\r\nContent-Length: 2\r\n\r\nno"
    )
    got, headers, body = await ask(gateway, request("/x", script=[["write", answer]]))
    assert (got, headers["location"], body) == (status, ["http://elsewhere.example/"], b"no")


@pytest.mark.parametrize(
    "head",
    [
        "204 No Content\r\n",
        "204 No Content\r\nContent-Length: 3\r\n",
        "304 Not Modified\r\nETag: x\r\nContent-Length: 123\r\n",
    ],
)
async def test_answers_without_a_body_have_none(gateway: Running, head: str) -> None:
    script = [["write", f"HTTP/1.1 {head}\r\n"]]
    status, headers, body = await ask(gateway, request("/x", script=script))
    assert (str(status), body) == (head[:3], b"")
    assert "content-length" not in headers
    assert "transfer-encoding" not in headers


async def test_head_has_the_length_and_no_body(gateway: Running) -> None:
    script = [["write", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nX-A: 1\r\n\r\n"]]
    status, headers, body = await ask(gateway, request("/x", method="HEAD", script=script))
    assert (status, headers["content-length"], headers["x-a"], body) == (200, ["5000"], ["1"], b"")


async def test_interim_answers_and_trailers_are_dropped(gateway: Running) -> None:
    script = [
        ["write", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"],
        ["write", SSE.replace("\r\n\r\n", "\r\nTrailer: X-Sum\r\n\r\n")],
        ["write", "6\r\ndata: \r\n3\r\n1\n\n\r\n0\r\nX-Sum: abc\r\n\r\n"],
    ]
    status, headers, body = await ask(gateway, request("/x", script=script))
    assert status == 200
    assert "trailer" not in headers
    assert "link" not in headers
    assert body in {b"9\r\ndata: 1\n\n\r\n0\r\n\r\n", b"6\r\ndata: \r\n3\r\n1\n\n\r\n0\r\n\r\n"}


async def test_an_answer_that_ends_with_the_connection_is_relayed(gateway: Running) -> None:
    script = [["write", "HTTP/1.1 200 OK\r\n\r\nall of it"], ["close"]]
    status, headers, body = await ask(gateway, request("/x", script=script))
    assert (status, headers["transfer-encoding"]) == (200, ["chunked"])
    assert body == b"9\r\nall of it\r\n0\r\n\r\n"


async def test_all_bytes_of_a_stream_are_in_its_line_of_the_log(gateway: Running) -> None:
    """Those too that went to the client past the middleware that writes the line."""
    head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    event = ["write", "9\r\ndata: 1\n\n\r\n"]
    script = [["write", head], event, ["pause", 0.05], event, ["write", "0\r\n\r\n"]]
    path = f"/{new_id()}"
    await ask(gateway, request(path, script=script))

    def line() -> str | None:
        lines = gateway.log.read_text().splitlines()
        return next((line for line in lines if path in line), None)

    assert json.loads(await eventually(line))["bytes"] == 18


async def test_the_added_time_is_told_finer_than_a_millisecond(gateway: Running) -> None:
    """It is less than one; the event loop's own clock goes in steps of one."""
    name = "aibridge_passthrough_added_seconds"

    def told() -> tuple[float, float]:
        return metric(gateway, f"{name}_count"), metric(gateway, f"{name}_sum")

    count, seconds = told()
    for _ in range(5):
        await reached(gateway, request("/x"))
    later, longer = told()
    assert later - count == 5
    milliseconds = (longer - seconds) * 1000
    assert milliseconds > 0
    assert abs(milliseconds - round(milliseconds)) > 1e-6
