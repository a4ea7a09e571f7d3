"""Token counts of one answer, in the way of each provider."""

from __future__ import annotations

from db.demo.dice import Dice

# Input, output, cache read, cache write, and the other counters as JSON.
Counters = tuple[int, int, int, int, str]

# OpenAI's cache holds whole blocks of so many tokens.
_BLOCK = 128


def of_answer(dice: Dice, provider: str, known: int, new: int) -> Counters:
    """Return what one answer took, where `known` tokens were sent before and `new` come along."""
    output = 20 + int(dice.around(180, 0.9))
    if provider == "anthropic":
        return 3 + new % 9, output, known, new, _anthropic(dice, new)
    cached = known - known % _BLOCK
    reasoning = output // 3 if output % 2 else 0
    total = known + new + output
    return known + new - cached, output, cached, 0, _openai(cached, reasoning, total)


def _anthropic(dice: Dice, written: int) -> str:
    searches = int(dice.happens(0.02))
    return (
        f'{{"cache_creation":{{"ephemeral_5m_input_tokens":{written},'
        f'"ephemeral_1h_input_tokens":0}},"server_tool_use":{{"web_search_requests":{searches}}},'
        '"service_tier":"standard"}'
    )


def _openai(cached: int, reasoning: int, total: int) -> str:
    return (
        f'{{"input_cached":{cached},"output_reasoning":{reasoning},"total_tokens":{total},'
        '"service_tier":"default"}'
    )
