"""Types of settings that say in one sentence what is wrong with a value."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

_URL_FORM = "must be a URL of the form http://host:port/path or https://…"


def _upstream_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(_URL_FORM) from None
    if not is_usable or any(character.isspace() for character in value):
        raise ValueError(_URL_FORM)
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or password; the bridge authenticates by itself")
    if parts.query or parts.fragment:
        raise ValueError("must not hold a query or a fragment")
    return value.rstrip("/")


UpstreamUrl = Annotated[str, AfterValidator(_upstream_url)]

_LIMITS_STORAGES = ("memory", "redis", "rediss", "valkey", "valkeys")


def _limits_storage(value: SecretStr) -> SecretStr:
    if urlsplit(value.get_secret_value()).scheme not in _LIMITS_STORAGES:
        raise ValueError("must begin with memory://, redis://, rediss://, valkey:// or valkeys://")
    return value


LimitsStorage = Annotated[SecretStr, AfterValidator(_limits_storage)]


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = [name.strip() for name in value.split(",") if name.strip()]
    try:
        return tuple(ip_network(name) for name in names)
    except ValueError:
        raise ValueError(
            "must be addresses or networks, joined by commas, as in 10.0.0.0/8,::1"
        ) from None


Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)]

# As browsers send it: no slash at the end, no path.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s,]+")


def _origins(value: str) -> str:
    for origin in value.split(","):
        if origin.strip() and not _ORIGIN.fullmatch(origin.strip()):
            raise ValueError(
                f"must be origins as browsers send them, joined by commas, such as "
                f"https://example.com or http://localhost:3000; {origin.strip()!r} is none"
            )
    return value


Origins = Annotated[str, AfterValidator(_origins)]
