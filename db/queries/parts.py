"""What rows are to carry as JSON, or to tell of themselves: parts, and the members of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias


@dataclass(frozen=True, slots=True)
class Value:
    """The value of an attribute.

    Attributes:
        attribute: The attribute.
        is_trimmed: Whether it is a time that is told without zeros at the end of its fraction.
    """

    attribute: str
    is_trimmed: bool = False


@dataclass(frozen=True, slots=True)
class GlobalId:
    """The base64 of a prefix and the row's key, as it stands in URLs, without padding."""

    prefix: str


@dataclass(frozen=True, slots=True)
class Constant:
    """The same text in every object."""

    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """What an attribute holds: an object, or a list of them.

    Attributes:
        attribute: The attribute.
        members: Name and value of each member of its objects, in their order; none where it is no
            object.
    """

    attribute: str
    members: tuple[Member, ...] = ()

    @property
    def path(self) -> str:
        """The beginning of the names of its statement's parameters."""
        return f"carried_{self.attribute}"

    def nameless(self) -> Part:
        """Return it without the names that clients choose."""
        return Part(
            self.attribute,
            tuple(
                member._replace(
                    name="" if member.is_alias else member.name,
                    source=member.source.nameless()
                    if isinstance(member.source, Part)
                    else member.source,
                )
                for member in self.members
            ),
        )

    def texts(self, path: str) -> Iterator[tuple[str, str]]:
        """Yield what stands in front of its values, where clients chose it, by parameter."""
        for number, member in enumerate(self.members):
            name = below(path, number)
            if member.is_alias:
                yield name, member.text(number)
            if isinstance(member.source, Part):
                yield from member.source.texts(name)


# What a member of an object holds.
Source: TypeAlias = Value | GlobalId | Constant | Part


class Member(NamedTuple):
    """A member of an object.

    Attributes:
        name: Its name.
        source: What it holds.
        is_alias: Whether a client chose the name.
        is_optional: Whether it is left out where it would be null. Not for the first one, nor for
            what may not be told in JSON.
    """

    name: str
    source: Source
    is_alias: bool = False
    is_optional: bool = False

    def text(self, number: int) -> str:
        """Return what stands in front of its value; all of it, where the value is always the same.

        Args:
            number: Its place in the object, counted from 0.
        """
        constant = f'"{self.source.text}"' if isinstance(self.source, Constant) else ""
        return f'{"," if number else "{"}"{self.name}":{constant}'


# The attribute in which rows tell all that is asked of them.
TOLD = "told"


@dataclass(frozen=True, slots=True)
class Carrying:
    """All that rows carry."""

    parts: tuple[Part, ...] = ()

    def shape(self) -> Carrying:
        """Return what a statement for it is built by: it without the names that clients choose."""
        return Carrying(tuple(part.nameless() for part in self.parts))

    def parameters(self) -> dict[str, str]:
        """Return the values for the statement's parameters: names that clients choose.

        So they make no new statement. All other names stand in its text.
        """
        return {name: text for part in self.parts for name, text in part.texts(part.path)}


NOTHING = Carrying()


def below(path: str, number: int) -> str:
    """Return the path of a member, by that of its object."""
    return f"{path}_{number}"
