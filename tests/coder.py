"""A database of the shape that Coder's has: our tables among more, with more columns and types."""

from __future__ import annotations

import os

import asyncpg

# With this in the environment the tests of GraphQL and REST run on such a database, attached.
IS_MEANT = os.environ.get("AIBRIDGE_TEST_DATABASE_SHAPE") == "coder"

_TYPES = """
CREATE TYPE user_status AS ENUM ('active', 'suspended', 'dormant');
CREATE TYPE login_type AS ENUM ('password', 'github', 'oidc', 'token', 'none');
CREATE TYPE api_key_scope AS ENUM ('all', 'application_connect', 'aibridge:use');
"""

_USERS = """
CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL,
    username text NOT NULL DEFAULT '',
    hashed_password bytea NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    status user_status NOT NULL DEFAULT 'dormant',
    rbac_roles text[] NOT NULL DEFAULT '{}',
    login_type login_type NOT NULL DEFAULT 'password',
    avatar_url text NOT NULL DEFAULT '',
    deleted boolean NOT NULL DEFAULT false,
    last_seen_at timestamp NOT NULL DEFAULT '0001-01-01 00:00:00',
    quiet_hours_schedule text NOT NULL DEFAULT '',
    name text NOT NULL DEFAULT '',
    github_com_user_id bigint,
    is_system boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX users_username_lower_idx ON users (lower(username)) WHERE NOT deleted;
"""

_VIEW = "CREATE VIEW visible_users AS SELECT id, username, name, avatar_url FROM users;"

_KEYS = """
CREATE TABLE api_keys (
    id text PRIMARY KEY,
    hashed_secret bytea NOT NULL,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    last_used timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    login_type login_type NOT NULL DEFAULT 'token',
    lifetime_seconds bigint NOT NULL DEFAULT 86400,
    ip_address inet NOT NULL DEFAULT '0.0.0.0',
    token_name text NOT NULL DEFAULT '',
    scopes api_key_scope[] NOT NULL DEFAULT '{all}',
    allow_list text[] NOT NULL DEFAULT '{*:*}'
);
"""

_TRAIL = """
CREATE TYPE credential_kind AS ENUM ('centralized', 'byok');
CREATE TABLE aibridge_interceptions (
    id uuid PRIMARY KEY,
    initiator_id uuid NOT NULL REFERENCES users (id),
    provider text NOT NULL,
    model text NOT NULL,
    started_at timestamptz NOT NULL,
    metadata jsonb,
    ended_at timestamptz,
    api_key_id text,
    client varchar(64) DEFAULT 'Unknown',
    thread_parent_id uuid,
    thread_root_id uuid,
    client_session_id varchar(256),
    session_id text NOT NULL GENERATED ALWAYS AS
        (coalesce(client_session_id, thread_root_id::text, id::text)) STORED,
    provider_name text NOT NULL DEFAULT '',
    credential_kind credential_kind NOT NULL DEFAULT 'centralized',
    credential_hint varchar(15) NOT NULL DEFAULT '',
    workspace_id uuid
);
CREATE INDEX ON aibridge_interceptions (initiator_id);
CREATE INDEX ON aibridge_interceptions (started_at DESC, id DESC);
CREATE INDEX ON aibridge_interceptions (thread_root_id);
CREATE INDEX ON aibridge_interceptions (session_id);
CREATE TABLE aibridge_token_usages (
    id uuid PRIMARY KEY,
    interception_id uuid NOT NULL,
    provider_response_id text NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    metadata jsonb,
    created_at timestamptz NOT NULL,
    cache_read_input_tokens bigint NOT NULL DEFAULT 0,
    cache_write_input_tokens bigint NOT NULL DEFAULT 0
);
CREATE TABLE aibridge_user_prompts (
    id uuid PRIMARY KEY,
    interception_id uuid NOT NULL,
    provider_response_id text NOT NULL,
    prompt text NOT NULL,
    metadata jsonb,
    created_at timestamptz NOT NULL
);
CREATE TABLE aibridge_tool_usages (
    id uuid PRIMARY KEY,
    interception_id uuid NOT NULL,
    provider_response_id text NOT NULL,
    server_url text,
    tool text NOT NULL,
    input text NOT NULL,
    injected boolean NOT NULL DEFAULT false,
    invocation_error text,
    metadata jsonb,
    created_at timestamptz NOT NULL,
    provider_tool_call_id text,
    provider_item_id text
);
CREATE TABLE aibridge_model_thoughts (
    interception_id uuid NOT NULL,
    content text NOT NULL,
    metadata jsonb,
    created_at timestamptz NOT NULL
);
CREATE INDEX ON aibridge_token_usages (interception_id);
CREATE INDEX ON aibridge_user_prompts (interception_id);
CREATE INDEX ON aibridge_tool_usages (interception_id);
CREATE INDEX ON aibridge_model_thoughts (interception_id);
"""

# Tables of other matters, which nobody may look at.
_OTHERS = "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL);"

# What a database of an older release did not have yet.
_OLDER = """
DROP VIEW visible_users;
DROP TABLE aibridge_model_thoughts;
ALTER TABLE users DROP COLUMN is_system;
ALTER TABLE aibridge_interceptions
    DROP COLUMN session_id, DROP COLUMN provider_name, DROP COLUMN credential_kind,
    DROP COLUMN credential_hint, DROP COLUMN thread_parent_id;
DROP TYPE credential_kind;
CREATE TYPE provider AS ENUM ('anthropic', 'openai', 'copilot');
ALTER TABLE aibridge_interceptions ALTER COLUMN provider TYPE provider USING provider::provider;
ALTER TABLE aibridge_token_usages
    DROP COLUMN cache_read_input_tokens, DROP COLUMN cache_write_input_tokens;
ALTER TABLE aibridge_tool_usages
    DROP COLUMN provider_tool_call_id, DROP COLUMN provider_item_id;
"""


async def create(url: str) -> None:
    """Make the tables of a current release in an empty database."""
    await _run(url, _TYPES + _USERS + _VIEW + _KEYS + _TRAIL + _OTHERS)


async def make_older(url: str) -> None:
    """Take from a database, rows and all, what an older release did not have."""
    await _run(url, _OLDER)


async def _run(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
