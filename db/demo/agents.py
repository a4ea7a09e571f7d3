"""The coding agents of the demo: which models they call, how they name things, which tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Arguments of a tool call by the tool's name; JSON, to be filled by `template % dice`.
_FILE_TOOLS: Final = (
    ("Read", '{"file_path":"/workspace/%(file)s","offset":%(line)s,"limit":120}'),
    ("Grep", '{"pattern":"%(word)s","path":"/workspace","output_mode":"files_with_matches"}'),
    ("Edit", ('{"file_path":"/workspace/%(file)s","old_string":"%(name)s(%(word)s)",'
             '"new_string":"%(name)s(%(word)s, deadline)"}')),
    ("Bash", '{"command":"%(check)s","description":"Run the checks"}'),
    ("Bash", '{"command":"git log --oneline -5 -- %(file)s"}'),
    ("TodoWrite", ('{"todos":[{"content":"Read %(file)s","status":"completed"},'
                  '{"content":"Fix %(name)s","status":"in_progress"}]}')),
)  # fmt: skip
_SHELL_TOOLS: Final = (
    ("shell", '{"command":["bash","-lc","rg -n %(word)s /workspace"],"timeout_ms":10000}'),
    ("shell", '{"command":["bash","-lc","sed -n 1,%(line)sp %(file)s"]}'),
    ("apply_patch", ('"*** Begin Patch\\n*** Update File: %(file)s\\n@@\\n-  %(name)s()\\n'
                    '+  %(name)s(%(word)s)\\n*** End Patch"')),
    ("update_plan", '{"plan":[{"step":"Reproduce %(ticket)s","status":"in_progress"}]}'),
)  # fmt: skip
_EDITOR_TOOLS: Final = (
    ("read_file", '{"path":"%(file)s","start_line":%(line)s}'),
    ("codebase_search", '{"query":"where is %(name)s used"}'),
    ("edit_file", '{"path":"%(file)s","instructions":"rename %(word)s"}'),
    ("run_terminal_cmd", '{"command":"%(check)s","is_background":false}'),
)
INJECTED_TOOLS: Final = (
    ("coder_list_workspaces", '{"owner":"me"}'),
    ("coder_workspace_bash", '{"workspace":"%(host)s","command":"%(check)s"}'),
    ("coder_get_template", '{"template_id":"%(ticket)s"}'),
    ("coder_report_task", '{"summary":"%(ticket)s is ready for review","state":"idle"}'),
)
MCP_SERVER: Final = "https://coder.example.com/api/experimental/mcp/http"


@dataclass(frozen=True, slots=True)
class Agent:
    """A client as it shows in the records.

    Args:
        client: As the bridge detects it; None where it does not.
        models: The commonest first: each comes up about twice as often as the next.
        names_sessions: Whether it sends a session id; else each thread is a session.
        shares_sessions: Whether two people may work in one session.
    """

    client: str | None
    provider: str
    provider_name: str
    user_agent: str
    models: tuple[str, ...]
    tools: tuple[tuple[str, str], ...]
    weight: int
    thinks: float = 0.0
    names_sessions: bool = True
    shares_sessions: bool = False


_CLAUDE = ("claude-sonnet-4-5", "claude-opus-4-5", "claude-haiku-4-5")
_GPT = ("gpt-5.2-codex", "gpt-5.2", "gpt-5-mini", "gpt-4.1")
_COPILOT = ("gpt-5-mini", "claude-sonnet-4", "gpt-4o", "grok-code-fast-1")

AGENTS: Final = (
    Agent("Claude Code", "anthropic", "anthropic", "claude-cli/2.1.90 (external, cli)",
          _CLAUDE, _FILE_TOOLS, weight=34, thinks=0.6),
    Agent("Codex", "openai", "openai", "codex_cli_rs/0.87.0 (Linux 6.8; x86_64)",
          _GPT, _SHELL_TOOLS, weight=20, thinks=0.5),
    Agent("Cursor", "openai", "openai-eu", "connect-es/1.6.1",
          ("gpt-5.2", "gpt-4.1", "o4-mini"), _EDITOR_TOOLS, weight=12, names_sessions=False),
    Agent("Zed", "anthropic", "anthropic-eu", "Zed/1.14.2 (linux; x86_64)",
          ("claude-sonnet-4-5", "claude-3-7-sonnet-latest"), _EDITOR_TOOLS, weight=7,
          thinks=0.4, names_sessions=False),
    Agent("Mux", "anthropic", "anthropic", "mux/0.19.0",
          _CLAUDE, _FILE_TOOLS, weight=8, thinks=0.5, shares_sessions=True),
    Agent("GitHub Copilot (VS Code)", "copilot", "copilot", "GitHubCopilotChat/0.36.1",
          _COPILOT, _EDITOR_TOOLS, weight=10),
    Agent("Coder Agents", "openai", "openai-eu", "coder-agents/v2.30.0 (linux/amd64)",
          ("gpt-5.2", "gpt-5-mini"), INJECTED_TOOLS, weight=6, thinks=0.3),
    Agent("Unknown", "openai", "openai", "",
          ("gpt-4.1", "o4-mini"), _SHELL_TOOLS, weight=1, names_sessions=False),
    Agent(None, "openai", "openai", "python-httpx/0.28.1",
          ("gpt-5-mini", "gpt-4.1"), _SHELL_TOOLS, weight=2, names_sessions=False),
)  # fmt: skip
