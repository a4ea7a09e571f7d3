"""The `q` language of the REST endpoints and of GraphQL's `q` argument.

Tokens are split at spaces outside double quotes. A token with a `:` outside quotes is `key:value`;
all others are free text. Reading goes in two steps: `parse` knows only this grammar, `criteria` and
`prefix` check the keys and values that one list allows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from db.filters import InterceptionCriteria
from resolvers import wording
from resolvers.errors import BadUserInputError

# "me", an id or a username -> the user's id; None where there is no such user.
FindUser: TypeAlias = Callable[[str], Awaitable[UUID | None]]


@dataclass(frozen=True, slots=True)
class Validation:
    """What is wrong with one field of a question."""

    field: str
    detail: str


class SearchError(BadUserInputError):
    """A `q` is wrong; every fault found is in `validations`, and all of them in the message."""

    def __init__(self, validations: Iterable[Validation]) -> None:
        self.validations = tuple(validations)
        details = "; ".join(validation.detail for validation in self.validations)
        super().__init__(f"`q` is not understood: {details}.")


@dataclass(frozen=True, slots=True)
class Language:
    """The keys that the `q` of one list knows.

    Attributes:
        keys: In the order in which their values are checked.
        free_text: The key that free text stands for; None where there is no such key.
    """

    keys: tuple[str, ...]
    free_text: str | None


_TEXTS = ("provider", "provider_name", "model", "client")
_TIMES = ("started_after", "started_before")

INTERCEPTIONS = Language(("initiator", *_TEXTS, *_TIMES), free_text="initiator")
SESSIONS = Language(("initiator", *_TEXTS, "session_id", *_TIMES), free_text=None)
MODELS = Language(("model",), free_text="model")
CLIENTS = Language(("client",), free_text="client")

# Longer texts are nothing that a person or a script asks, and take long to take apart.
_MAX_LENGTH = 10_000

# Keys whose values are more than a text.
_READ_APART = ("initiator", *_TIMES)


@dataclass(frozen=True, slots=True)
class Terms:
    """A `q` taken apart; `str` puts it together again.

    Attributes:
        fields: Keys, in lower case, and their values, in the order given.
        words: The tokens of free text.
    """

    fields: tuple[tuple[str, str], ...] = ()
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        fields = (f"{_in_quotes(key)}:{_in_quotes(value)}" for key, value in self.fields)
        return " ".join([*fields, *map(_in_quotes, self.words)])


def parse(text: str) -> Terms:
    """Take a `q` apart.

    Raises:
        SearchError: A token holds a `:` in the wrong place, or the text is too long.
    """
    if len(text) > _MAX_LENGTH:
        raise _error("q", f"Query must not be longer than {_MAX_LENGTH} characters")
    fields, words = [], []
    for token in _split(text, " "):
        if token.startswith(":") or token.endswith(":"):
            raise _error("q", f"Query element {wording.quoted(token)} cannot start or end with ':'")
        match [part.strip('"') for part in _split(token, ":")]:
            case [word]:
                words += [word] if word else []
            case [key, value]:
                fields.append((key.lower(), value))
            case _:
                raise _error("q", f"Query element {wording.quoted(token)} can only contain 1 ':'")
    return Terms(tuple(fields), tuple(words))


async def criteria(text: str, language: Language, find_user: FindUser) -> InterceptionCriteria:
    """Return what a `q` asks of interceptions.

    Args:
        text: The `q`; empty for everything.
        language: INTERCEPTIONS or SESSIONS.
        find_user: How to look an initiator up.

    Raises:
        SearchError: With every fault found.
    """
    values = _values(parse(text), language)
    faults: list[Validation] = []
    initiator = _single(values, "initiator", faults)
    initiator_id = None
    if initiator:
        initiator_id = None if _is_unstorable(initiator) else await find_user(initiator)
        if initiator_id is None:
            faults.append(_unknown_user(initiator))
    texts = {key: _text(values, key, faults) for key in language.keys if key not in _READ_APART}
    after, before = (_time(values, key, faults) for key in _TIMES)
    if after and before and before <= after:
        faults.append(_EMPTY_RANGE)
    _refuse(faults, values, language)
    return InterceptionCriteria(
        initiator_id=initiator_id,
        providers=texts["provider"],
        provider_names=texts["provider_name"],
        models=texts["model"],
        clients=texts["client"],
        session_ids=texts.get("session_id"),
        started_after=after,
        started_before=before,
    )


def prefix(text: str, language: Language) -> str:
    """Return the prefix that a `q` of MODELS or CLIENTS asks for; empty for all.

    Raises:
        SearchError: With every fault found.
    """
    values = _values(parse(text), language)
    faults: list[Validation] = []
    (key,) = language.keys
    found = _text(values, key, faults)
    _refuse(faults, values, language)
    return found[0] if found else ""


_EMPTY_RANGE = Validation(
    "started_before",
    'Query param "started_before" has invalid value: '
    '"started_before" must be after "started_after" if set',
)


def provided_more_than_once(name: str, times: int) -> str:
    """Return the sentence for a parameter that may stand only once."""
    return (
        f"Query param {wording.quoted(name)} provided more than once, found {times} times. "
        "Only provide 1 instance of this query param."
    )


def _error(field: str, detail: str) -> SearchError:
    return SearchError([Validation(field, detail)])


def _unknown_user(name: str) -> Validation:
    return Validation(
        "initiator",
        f'Query param "initiator" has invalid value: user {wording.quoted(name)} either does not '
        "exist, or you are unauthorized to view them",
    )


def _split(text: str, delimiter: str) -> list[str]:
    """Split at a delimiter outside double quotes, which stay.

    Spaces in a row count as one; two colons in a row have nothing between them.
    """
    parts = [""]
    for number, stretch in enumerate(text.split('"')):
        # Every other stretch stands inside quotes.
        first, *others = [stretch] if number % 2 else stretch.split(delimiter)
        parts[-1] += first if number == 0 else f'"{first}'
        parts += others
    return [part for part in parts if part] if delimiter == " " else parts


def _in_quotes(part: str) -> str:
    """Return a key, value or word so that `parse` reads just it.

    A part may itself hold quotes. All its spaces and colons were inside quotes when it was read,
    so one quote in front, or none, puts them inside again; one behind closes what is open.
    """
    if not part:
        return '""'
    outside = "".join(part.split('"')[::2])
    front = '"' if " " in outside or ":" in outside else ""
    return front + part + '"' * ((front + part).count('"') % 2)


def _values(terms: Terms, language: Language) -> Mapping[str, list[str]]:
    values: dict[str, list[str]] = defaultdict(list)
    for key, value in terms.fields:
        values[key].append(value)
    if terms.words:
        if language.free_text is None:
            raise _error("q", "no search key specified")
        values[language.free_text].append(" ".join(terms.words))
    return values


def _single(values: Mapping[str, list[str]], key: str, faults: list[Validation]) -> str:
    """Return the value of a key; empty where it is absent or stands there twice."""
    given = values.get(key, [])
    if len(given) > 1:
        faults.append(Validation(key, provided_more_than_once(key, len(given))))
        return ""
    return given[0] if given else ""


def _text(
    values: Mapping[str, list[str]], key: str, faults: list[Validation]
) -> tuple[str, ...] | None:
    value = _single(values, key, faults)
    if _is_unstorable(value):
        detail = "text must be valid Unicode without NUL"
        faults.append(Validation(key, f'Query param "{key}" has invalid value: {detail}'))
    return (value,) if value else None


def _is_unstorable(text: str) -> bool:
    """Say whether PostgreSQL can't hold the text, so that it is no value of anything."""
    return "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)


def _time(values: Mapping[str, list[str]], key: str, faults: list[Validation]) -> datetime | None:
    value = _single(values, key, faults)
    try:
        return wording.time_of(value) if value else None
    except ValueError as error:
        detail = f'Query param "{key}" must be a valid date format ({wording.TIME_LAYOUT}): {error}'
        faults.append(Validation(key, detail))
        return None


def _refuse(faults: list[Validation], values: Mapping[str, list[str]], language: Language) -> None:
    """Raise what was found wrong, keys that the language does not know last."""
    unknown = [
        Validation(key, f"{wording.quoted(key)} is not a valid query param")
        for key in values
        if key not in language.keys
    ]
    if faults or unknown:
        raise SearchError([*faults, *unknown])
