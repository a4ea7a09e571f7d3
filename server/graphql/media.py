"""Content negotiation: what the caller can read, by the q-values of RFC 9110."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

# `json` is application/json as older clients know it, `graphql` the media type of GraphQL over
# HTTP; they differ in the status of an answer without data.
MediaType: TypeAlias = Literal["json", "graphql"]

CONTENT_TYPES: dict[MediaType, str] = {
    "json": "application/json; charset=utf-8",
    "graphql": "application/graphql-response+json; charset=utf-8",
}

# In the order in which the server prefers them where the caller has no preference.
_OFFERS: tuple[tuple[MediaType, str, str], ...] = (
    ("graphql", "application", "graphql-response+json"),
    ("json", "application", "json"),
)


@dataclass(frozen=True, slots=True)
class Range:
    """One element of an `Accept` header: `type/subtype;q=…`."""

    type: str
    subtype: str
    quality: float

    def matches(self, type_: str, subtype: str) -> int:
        """Return how closely the range names the type: 0 not at all, 3 exactly."""
        if (self.type, self.subtype) == (type_, subtype):
            return 3
        if (self.type, self.subtype) == (type_, "*"):
            return 2
        return 1 if (self.type, self.subtype) == ("*", "*") else 0


def quality(accepted: Sequence[Range], type_: str, subtype: str) -> tuple[float, int]:
    """Return the quality that the closest range gives a type, and how close it is."""
    closest, value = 0, 0.0
    for element in accepted:
        closeness = element.matches(type_, subtype)
        if closeness > closest:
            closest, value = closeness, element.quality
    return value, closest


# Clients send few distinct headers; the bound keeps a hostile one from filling memory.
@lru_cache(maxsize=256)
def answer_type(accept: str) -> MediaType | None:
    """Choose the media type of an answer; None where the caller can read neither.

    >>> answer_type(""), answer_type("*/*"), answer_type("image/png")
    ('json', 'json', None)
    >>> answer_type("application/json;q=0.5, application/graphql-response+json")
    'graphql'
    """
    if not accept.strip():
        return "json"
    accepted = parse(accept)
    best: tuple[float, int] = (0.0, 0)
    chosen: MediaType | None = None
    for offer, type_, subtype in _OFFERS:
        candidate = quality(accepted, type_, subtype)
        # A wildcard says nothing about GraphQL: then the type that every client reads is given.
        better = candidate > best or (candidate == best and candidate[1] < 3)  # noqa: PLR2004
        if candidate[0] > 0 and better:
            best, chosen = candidate, offer
    return chosen


@lru_cache(maxsize=256)
def prefers_html(accept: str) -> bool:
    """Say whether a browser asks for a page: HTML is named, and nothing of ours is liked better.

    >>> prefers_html("text/html,application/xml;q=0.9,*/*;q=0.8")
    True
    >>> prefers_html("application/json, text/html;q=0.5"), prefers_html("*/*")
    (False, False)
    """
    accepted = parse(accept)
    html, closeness = quality(accepted, "text", "html")
    named = closeness == 3  # noqa: PLR2004
    return named and html > 0 and all(quality(accepted, t, s)[0] <= html for _, t, s in _OFFERS)


def parse(accept: str) -> tuple[Range, ...]:
    """Return the elements of an `Accept` header; malformed ones are left out."""
    elements = (_range(element) for element in accept.split(","))
    return tuple(element for element in elements if element is not None)


def _range(element: str) -> Range | None:
    name, *parameters = (part.strip().lower() for part in element.split(";"))
    type_, slash, subtype = name.partition("/")
    if not slash or not type_ or not subtype:
        return None
    value = 1.0
    for parameter in parameters:
        key, _, text = parameter.partition("=")
        if key == "q":
            value = parse_quality(text)
        elif key == "charset" and text.strip('"') not in {"utf-8", "utf8"}:
            return None
    return Range(type_, subtype, value)


def parse_quality(text: str) -> float:
    """Return a q-value between 0 and 1; what is no number counts as 0."""
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0
