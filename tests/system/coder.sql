-- The tables that we follow, in the shape of another program's: columns in another order, columns
-- that we do not know, and enum types where ours are text.
CREATE TYPE login_type AS ENUM ('password', 'github', 'oidc', 'token', 'none');
CREATE TYPE user_status AS ENUM ('active', 'suspended', 'dormant');
CREATE TYPE credential_kind AS ENUM ('centralized', 'byok');
CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL,
    username text NOT NULL,
    hashed_password bytea NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    status user_status NOT NULL DEFAULT 'dormant',
    rbac_roles text[] NOT NULL DEFAULT '{}',
    login_type login_type NOT NULL DEFAULT 'password',
    avatar_url text NOT NULL DEFAULT '',
    deleted boolean NOT NULL DEFAULT false,
    last_seen_at timestamptz NOT NULL DEFAULT '0001-01-01',
    name text NOT NULL DEFAULT '',
    github_com_user_id bigint,
    is_system boolean NOT NULL DEFAULT false
);
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
    token_name text NOT NULL DEFAULT ''
);
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
        (COALESCE(client_session_id, thread_root_id::text, id::text)) STORED,
    provider_name text NOT NULL DEFAULT '',
    credential_kind credential_kind NOT NULL DEFAULT 'centralized',
    credential_hint varchar(15) NOT NULL DEFAULT '',
    not_ours text
);
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
