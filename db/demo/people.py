"""The people of the demo: invented, from many places, each with a name and a language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

_NAMESPACE = uuid5(NAMESPACE_URL, "https://aibridge.example/demo")


@dataclass(frozen=True, slots=True)
class Person:
    """One user; `language` is that of some of their prompts, `key` the id of their API key."""

    id: UUID
    username: str
    name: str
    language: str = "en"
    key: str = ""

    @property
    def avatar_url(self) -> str:
        """Return where a picture would be."""
        return f"https://avatars.example.com/{self.username}.png"


def _person(username: str, name: str, language: str = "en") -> Person:
    user_id = uuid5(_NAMESPACE, username)
    return Person(user_id, username, name, language, key=user_id.hex[:10])


PEOPLE: Final = (
    _person("noor.haddad", "نور حداد", "ar"),
    _person("amelie-b", "Amélie Bérubé", "fr"),
    _person("kenji", "佐藤 健二", "ja"),
    _person("liwei", "李伟", "zh"),
    _person("oluwaseun", "Olúwaṣeun Adébáyọ̀"),
    _person("tal.mizrahi", "טל מזרחי", "he"),
    _person("grace.okafor", "Grace Okafor"),
    _person("jonas-k", "Jonas Kühn", "de"),
    _person("sofia.rossi", "Sofia Rossi"),
    _person("dmitri", "Dmitri Sokolov"),
    _person("pat", ""),
    _person("release-bot", "Release automation"),
)

_FIRST = ("ada", "bo", "chen", "dana", "emil", "farah", "gus", "hana", "ivo", "jun")
_LAST = ("ito", "moreau", "nkosi", "perez", "quist", "rahman", "silva", "tanaka")


def people(count: int) -> tuple[Person, ...]:
    """Return so many people: the twelve first, then as many more as are asked for."""
    more = (
        _person(f"{first}.{last}", f"{first.title()} {last.title()}")
        for last in _LAST
        for first in _FIRST
    )
    return (*PEOPLE, *more)[:count]
