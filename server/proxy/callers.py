"""Who is calling, as far as the rate limit is concerned: a token, else an address."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.types import Scope

from server.proxy.headers import value_of

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]

_BEARER = b"bearer "

# A subscriber of IPv6 is given a network of 64 bits, and may use any address in it.
_IPV6_PREFIX = 64


def key_of(scope: Scope, trusted: Networks) -> str:
    """Return what the rate limit counts by; a token appears in it only as its digest."""
    token = _token(scope)
    if token:
        return "token:" + hashlib.sha256(token).hexdigest()
    return "address:" + _network(address_of(scope, trusted))


def address_of(scope: Scope, trusted: Networks) -> Address | None:
    """Return the caller's address: the peer's, or what a trusted peer says in X-Forwarded-For."""
    client = scope.get("client")
    address = _parsed(client[0]) if client else None
    if not trusted or not _is_trusted(address, trusted):
        return address
    listed = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    hops = b",".join(listed).decode("latin-1").split(",")
    # Each proxy appends the peer that it saw, so only the right end can be believed, and each
    # hop further left only while the one to its right is trusted too.
    for hop in reversed(hops):
        claimed = _parsed(hop.strip())
        if claimed is None:
            return address
        address = claimed
        if not _is_trusted(address, trusted):
            return address
    return address


def _token(scope: Scope) -> bytes | None:
    authorization = value_of(scope["headers"], b"authorization")
    if authorization and authorization[: len(_BEARER)].lower() == _BEARER:
        token = authorization[len(_BEARER) :].strip()
        if token:
            return token
    return (value_of(scope["headers"], b"x-api-key") or b"").strip() or None


def _parsed(name: str) -> Address | None:
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    try:
        address = ip_address(name)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_trusted(address: Address | None, trusted: Networks) -> bool:
    return address is not None and any(address in network for network in trusted)


def _network(address: Address | None) -> str:
    if address is None:
        return "unknown"
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address.packed[: _IPV6_PREFIX // 8] + bytes(8), _IPV6_PREFIX)))
    return str(address)
