from __future__ import annotations

import doctest
from ipaddress import ip_network
from typing import Any

import pytest

from server.proxy import callers, headers, target

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("::1/128"))


def scope(*pairs: tuple[str, str], client: str | None = "10.0.0.1") -> dict[str, Any]:
    return {
        "type": "http",
        "headers": [(name.encode(), value.encode()) for name, value in pairs],
        "client": (client, 1) if client else None,
    }


def test_examples_hold() -> None:
    assert doctest.testmod(headers).failed == doctest.testmod(target).failed == 0
    assert doctest.testmod(headers).attempted == doctest.testmod(target).attempted == 1


@pytest.mark.parametrize(
    ("cookies", "kept"),
    [
        ("coder_session_token=s", ""),
        ("coder_session_token=s; a=1", "a=1"),
        ("a=1; coder_session_token=s", "a=1"),
        ('a="1;coder_session_token=s;b=2', 'a="1;b=2'),
        (" coder_session_token =s;coder_session_token=t", ""),
        ("Coder_Session_Token=other; a", "Coder_Session_Token=other; a"),
        ("a=coder_session_token=s", "a=coder_session_token=s"),
    ],
)
def test_only_our_own_cookie_is_taken_out(cookies: str, kept: str) -> None:
    assert headers.without_session_cookie(cookies.encode()) == kept.encode()


@pytest.mark.parametrize(
    ("hops", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.6, 192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, 10.9.9.9", "192.0.2.7"),
        ("192.0.2.7:4711, ::1", "192.0.2.7"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
        ("nonsense, 10.2.2.2", "10.2.2.2"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", "10.0.0.1"),
    ],
)
def test_a_trusted_peer_is_believed_from_the_right(hops: str, address: str) -> None:
    assert str(callers.address_of(scope(("x-forwarded-for", hops)), TRUSTED)) == address


def test_any_other_peer_is_not_believed() -> None:
    forged = scope(("x-forwarded-for", "192.0.2.7"), client="192.0.2.1")
    assert str(callers.address_of(forged, TRUSTED)) == "192.0.2.1"
    assert str(callers.address_of(scope(("x-forwarded-for", "192.0.2.7")), ())) == "10.0.0.1"


def test_a_token_is_only_kept_as_its_digest() -> None:
    keys = {
        callers.key_of(scope(("authorization", "Bearer SECRET")), ()),
        callers.key_of(scope(("authorization", "bearer   SECRET")), ()),
        callers.key_of(scope(("x-api-key", "SECRET")), ()),
        callers.key_of(scope(("authorization", "Basic x"), ("x-api-key", "SECRET")), ()),
    }
    assert len(keys) == 1
    assert "SECRET" not in keys.pop()


@pytest.mark.parametrize(
    ("client", "key"),
    [
        ("192.0.2.1", "address:192.0.2.1"),
        ("2001:db8:0:1:2:3:4:5", "address:2001:db8:0:1::/64"),
        (None, "address:unknown"),
    ],
)
def test_without_a_token_callers_are_told_apart_by_network(client: str | None, key: str) -> None:
    assert callers.key_of(scope(client=client), ()) == key


def test_an_encoded_slash_in_the_base_path_is_no_base_path() -> None:
    asked = {"type": "http", "path": "/api/v2/aibridge/x", "query_string": b""}
    assert target.rest_of(asked | {"raw_path": b"/api%2Fv2/aibridge/x"}) is None
    assert target.rest_of(asked | {"raw_path": b"/api/v2/%61ibridge/x"}) == "/x"
    assert target.rest_of(asked) == "/x"
    below = {"root_path": "/tools", "raw_path": b"/tools/api/v2/aibridge/x"}
    assert target.rest_of(asked | below) == "/x"
