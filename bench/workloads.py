"""What is asked of each server, and whether they all answer the same.

The nested query asks for the oldest sessions: the newest of the demo data have only just begun.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

NAMES = ("nested", "sessions", "interceptions", "node", "typename")

_TOKENS = "id inputTokens outputTokens createdAt"
_PROMPTS = "id prompt createdAt"
_TOOLS = "id tool input injected createdAt"
_THOUGHTS = "content createdAt"

_USAGES = f"""
  tokenUsages {{ {_TOKENS} }} userPrompts {{ {_PROMPTS} }}
  toolUsages {{ {_TOOLS} }} modelThoughts {{ {_THOUGHTS} }}"""

# No session has more than 200 interceptions: `first: 200` is all of them.
OURS = {
    "nested": f"""{{ sessions(first: 25, orderBy: STARTED_AT_ASC) {{
      edges {{ cursor node {{ id initiator {{ username }} startedAt threads(first: 10) {{
        edges {{ node {{ id interceptions(first: 200) {{
          nodes {{ id model {_USAGES} }} }} }} }} }} }} }}
      pageInfo {{ hasNextPage endCursor }} }} }}""",
    "sessions": """{ sessions(first: 25) {
      nodes { id sessionId initiator { username } providers models client metadata
        startedAt endedAt lastActiveAt lastPrompt threadCount interceptionCount
        tokenUsage { inputTokens outputTokens cacheReadInputTokens cacheWriteInputTokens
          metadata } }
      pageInfo { hasNextPage endCursor } } }""",
    "interceptions": f"""{{ interceptions(first: 50) {{
      nodes {{ id model startedAt {_USAGES} }} pageInfo {{ hasNextPage endCursor }} }} }}""",
    "node": "query ($id: ID!) { node(id: $id) { ... on Interception { id model startedAt } } }",
    "typename": "{ __typename }",
}

IDIOMATIC = {
    "nested": f"""{{ sessions(first: 25) {{ id initiator {{ username }} startedAt threads {{ id
      interceptions {{ id model {_USAGES} }} }} }} }}""",
}

_POSTGRAPHILE_USAGES = f"""
  tokenUsages: tokenUsagesList(orderBy: OLDEST) {{ {_TOKENS} }}
  userPrompts: userPromptsList(orderBy: OLDEST) {{ {_PROMPTS} }}
  toolUsages: toolUsagesList(orderBy: OLDEST) {{ {_TOOLS} }}
  modelThoughts: modelThoughtsList(orderBy: OLDEST) {{ {_THOUGHTS} }}"""

POSTGRAPHILE = {
    "nested": f"""{{ sessions: allAibridgeSessions(first: 25, orderBy: OLDEST) {{
      edges {{ cursor node {{ id initiator {{ username }} startedAt
        threads(first: 10, condition: {{isRoot: true, isEnded: true}}, orderBy: OLDEST) {{
          edges {{ node {{ id interceptions {{ id model {_POSTGRAPHILE_USAGES} }} }} }} }} }} }}
      pageInfo {{ hasNextPage endCursor }} }} }}""",
    "sessions": """{ sessions: allAibridgeSessions(first: 25, orderBy: NEWEST) {
      nodes { id sessionId initiator { username } providers models client metadata
        startedAt endedAt lastActiveAt lastPrompt: newestPrompt { prompt }
        threadCount interceptionCount
        tokenUsage_inputTokens: inputTokens tokenUsage_outputTokens: outputTokens
        tokenUsage_cacheReadInputTokens: cacheReadInputTokens
        tokenUsage_cacheWriteInputTokens: cacheWriteInputTokens
        tokenUsage_metadata: tokenMetadata }
      pageInfo { hasNextPage endCursor } } }""",
    "interceptions": f"""{{ interceptions: allAibridgeInterceptions(
        first: 50, condition: {{isEnded: true}}, orderBy: NEWEST) {{
      nodes {{ id model startedAt {_POSTGRAPHILE_USAGES} }}
      pageInfo {{ hasNextPage endCursor }} }} }}""",
    "node": """query ($id: ID!) {
      node(id: $id) { ... on AibridgeInterception { id model startedAt } } }""",
    "typename": "{ __typename }",
}

# Each server has its own.
_OPAQUE = {"id", "cursor", "endCursor"}


def data(answer: Any) -> Any:
    """Return what an answer tells, without the shape in which this server tells it.

    Connections become lists and objects keys of what holds them; ids and cursors are left out, and
    so is what is null or empty.
    """
    if isinstance(answer, list):
        return sorted((data(each) for each in answer), key=repr)
    if not isinstance(answer, dict):
        return answer
    found: dict[str, Any] = {}
    for key, value in answer.items():
        if key not in _OPAQUE and value not in (None, {}, []):
            found |= _told(key, value)
    return dict(sorted(found.items()))


def _told(key: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return _told_by_object(key, value)
    if isinstance(value, list):
        return {key: data(value)}
    if key.endswith("At"):
        return {key: datetime.fromisoformat(value)}
    # Numbers that may be large come as text from some.
    return {key: int(value) if key.endswith(("Tokens", "Count")) else value}


def _told_by_object(key: str, value: dict[str, Any]) -> dict[str, Any]:
    if "edges" in value:
        value = value | {"nodes": [edge["node"] for edge in value["edges"]]}
    if "nodes" in value:
        page = {f"pageInfo_{name}": told for name, told in data(value.get("pageInfo", {})).items()}
        return page | {key: data(value["nodes"])}
    if list(value) == ["prompt"]:
        return {key: value["prompt"]}
    return {f"{key}_{name}": told for name, told in data(value).items()}
