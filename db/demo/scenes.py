"""A session as it happens: a person asks, an agent works in a loop, and rows are left behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from db.demo import counters
from db.demo.agents import INJECTED_TOOLS, MCP_SERVER, Agent
from db.demo.dice import Dice
from db.demo.people import Person
from db.demo.words import COMMENTARY, PROMPTS, THOUGHTS, TOOL_ERRORS
from db.importing.batches import Batch

# How often the agent goes on after an answer: 0.3 prompts an interception come of it.
_GOES_ON = 0.76

# How many tools an answer calls where the agent goes on.
_TOOLS = (1, 1, 1, 1, 2, 2, 3, 4)

# A long pause, to the next morning or after the weekend, after one prompt in twenty.
_LONG_PAUSE = 0.05


@dataclass(slots=True)
class Session:
    """What stays the same within one session, and where it has come to."""

    person: Person
    agent: Agent
    session_id: str | None
    model: str
    kind: str
    hint: str
    metadata: str
    now: datetime
    tokens: int = 4_000


@dataclass(slots=True)
class Scene:
    """Plays sessions into batches; nothing happens later than `until`."""

    dice: Dice
    until: datetime
    batch: Batch = field(default_factory=Batch)

    def play(self, session: Session, size: int) -> None:
        """Let a session of at most so many interceptions happen.

        A client that names no session leaves one thread. What is not over at `until` is in
        flight, and the last of its session.
        """
        goal = len(self.batch) + size
        while self._thread(session, goal) and session.agent.names_sessions:
            if len(self.batch) >= goal:
                return
            self._pause(session)

    def _pause(self, session: Session) -> None:
        dice = self.dice
        minutes = dice.around(900, 0.5) if dice.happens(_LONG_PAUSE) else dice.around(2, 1.0)
        session.now = min(session.now + timedelta(minutes=minutes), self.until)

    def _thread(self, session: Session, goal: int) -> bool:
        """Let a prompt and the loop that it sets off happen; say whether it came to its end."""
        root = parent = None
        goes_on = True
        while goes_on:
            goes_on = self.dice.happens(_GOES_ON) and len(self.batch) + 1 < goal
            made = self._interception(session, root, parent, goes_on=goes_on)
            if made is None:
                return False
            root, parent = root or made, made
        return True

    def _interception(
        self, session: Session, root: UUID | None, parent: UUID | None, *, goes_on: bool
    ) -> UUID | None:
        """Add one interception; None when it is still in flight."""
        dice, agent, began = self.dice, session.agent, session.now
        ended = began + timedelta(seconds=dice.around(6.0, 0.8))
        over = ended < self.until
        made = dice.uuid()
        self.batch.interceptions.append(
            (
                made,
                session.person.id,
                agent.provider,
                agent.provider_name,
                session.model,
                began,
                ended if over else None,
                session.metadata,
                session.person.key,
                agent.client,
                parent,
                root,
                session.session_id,
                session.kind,
                session.hint,
            )
        )
        answer = f"{_ANSWERS[agent.provider]}{dice.token(22)}"
        if root is None:
            self._prompt(session, made, answer if over else "", began)
        if not over:
            return None
        self._answer(session, made, answer, ended, goes_on=goes_on)
        session.now = ended + timedelta(seconds=dice.around(1.5, 0.7))
        return made

    def _prompt(self, session: Session, made: UUID, answer: str, at: datetime) -> None:
        dice, language = self.dice, session.person.language
        if language != "en" and dice.happens(0.6):
            language = "en"
        text = dice.pick(PROMPTS[language]) % dice
        self.batch.user_prompts.append((dice.uuid(), made, answer, text, "{}", at))

    def _answer(
        self, session: Session, made: UUID, answer: str, at: datetime, *, goes_on: bool
    ) -> None:
        dice = self.dice
        if dice.happens(session.agent.thinks):
            self._thoughts(made, at)
        if goes_on:
            for _ in range(dice.pick(_TOOLS)):
                self._tool(session, made, answer, at)
        self._tokens(session, made, answer, at)
        if dice.happens(0.2):
            # The bridge called the provider again, with what a tool of its own had found.
            self._injected_tool(made, answer, at)
            self._tokens(session, made, f"{answer[:-1]}2", at)

    def _thoughts(self, made: UUID, at: datetime) -> None:
        dice = self.dice
        text = dice.pick(THOUGHTS) % dice
        source = '{"source":"thinking"}'
        self.batch.model_thoughts.append((made, text, source, at))
        if dice.happens(0.2):
            text = dice.pick(COMMENTARY) % dice
            source = '{"source":"commentary"}'
            self.batch.model_thoughts.append((made, text, source, at))

    def _tokens(self, session: Session, made: UUID, answer: str, at: datetime) -> None:
        dice = self.dice
        new = dice.between(40, 1_800)
        row = counters.of_answer(dice, session.agent.provider, session.tokens, new)
        session.tokens = (session.tokens + new) % 180_000
        self.batch.token_usages.append((dice.uuid(), made, answer, *row, at))

    def _tool(self, session: Session, made: UUID, answer: str, at: datetime) -> None:
        dice = self.dice
        tool, template = dice.pick(session.agent.tools)
        call = f"call_{dice.token(20)}"
        self.batch.tool_usages.append(
            (dice.uuid(), made, answer, call, None, None, tool, template % dice, False, None,
             "{}", at)
        )  # fmt: skip

    def _injected_tool(self, made: UUID, answer: str, at: datetime) -> None:
        dice = self.dice
        tool, template = dice.pick(INJECTED_TOOLS)
        call = f"call_{dice.token(20)}"
        error = dice.pick(TOOL_ERRORS) % dice if dice.happens(0.15) else None
        self.batch.tool_usages.append(
            (dice.uuid(), made, answer, call, None, MCP_SERVER, tool, template % dice, True, error,
             "{}", at)
        )  # fmt: skip


# How the providers begin the ids of their answers.
_ANSWERS = {"anthropic": "msg_01", "openai": "resp_0", "copilot": "chatcmpl-"}
