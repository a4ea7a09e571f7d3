"""Tokens, `<id>-<secret>`: how they are made, read and compared."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from dataclasses import dataclass

_ID_LENGTH = 10
_SECRET_LENGTH = 22
_PARTS = 2
_ALPHABET = string.ascii_letters + string.digits


class TokenFormatError(ValueError):
    """The text is no token; the message says which part is wrong."""


@dataclass(frozen=True, slots=True)
class Token:
    """The two parts of a token. Only the hash of the secret is ever stored."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"Token({self.id}-…)"

    @property
    def text(self) -> str:
        """The token as its owner keeps it."""
        return f"{self.id}-{self.secret}"

    @property
    def hashed_secret(self) -> bytes:
        """The SHA-256 of the secret. It holds 130 random bits, so no slow hash is called for."""
        return hashlib.sha256(self.secret.encode()).digest()

    def matches(self, hashed_secret: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.hashed_secret, hashed_secret)


def new() -> Token:
    """Return a fresh random token."""
    return Token(_random(_ID_LENGTH), _random(_SECRET_LENGTH))


def parse(text: str) -> Token:
    """Take a token apart.

    Raises:
        TokenFormatError: It does not have the form of a token.
    """
    parts = text.split("-")
    if len(parts) != _PARTS:
        raise TokenFormatError(f"incorrect amount of API key parts, expected 2 got {len(parts)}")
    key_id, secret = parts
    if len(key_id) != _ID_LENGTH:
        raise TokenFormatError(f"invalid API key ID length, expected 10 got {len(key_id)}")
    if len(secret) != _SECRET_LENGTH:
        raise TokenFormatError(f"invalid API key secret length, expected 22 got {len(secret)}")
    return Token(key_id, secret)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
