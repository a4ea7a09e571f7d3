-- The rollup of sessions, kept by the database itself. Statements are set apart by an empty line.
--
-- How it stays exact (docs/adr: "The database keeps the rollup"):
-- * What is new is added to its session under the lock of the session's row, so that writers to one
--   session add up whatever their order. What changes or goes makes the session be computed anew,
--   under the same lock and with a snapshot taken behind it.
-- * An interception counts with its children. A child takes a share lock of its interception, and
--   who ends an interception holds that row: one of them waits, and then sees the other. A child
--   whose interception is not there waits for all who are ending one, and they for it.
-- * Once a transaction has computed a session anew, it does so again at each further change
--   (`recomputed_in`): triggers of one statement that are still to come may have been seen.
-- Locks are taken in one order: interceptions by id, the lock of orphans, sessions by key.
CREATE TYPE aibridge_session_key AS (session_id text, initiator_id uuid);

CREATE TABLE aibridge_sessions (
    session_id text NOT NULL,
    initiator_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    last_started_at timestamptz NOT NULL,
    last_prompt_at timestamptz,
    last_prompt_id uuid,
    last_active_at timestamptz NOT NULL
        GENERATED ALWAYS AS (COALESCE(last_prompt_at, started_at)) STORED,
    last_started_on date NOT NULL
        GENERATED ALWAYS AS ((last_started_at AT TIME ZONE 'UTC')::date) STORED,
    threads bigint NOT NULL,
    interceptions bigint NOT NULL,
    input_tokens numeric NOT NULL,
    output_tokens numeric NOT NULL,
    cache_read_input_tokens numeric NOT NULL,
    cache_write_input_tokens numeric NOT NULL,
    token_metadata jsonb NOT NULL,
    first_id uuid NOT NULL,
    client varchar(64),
    metadata jsonb,
    providers text[] NOT NULL,
    models text[] NOT NULL,
    kinds integer[] NOT NULL,
    recomputed_in bigint,
    CONSTRAINT pk_aibridge_sessions PRIMARY KEY (session_id, initiator_id)
) WITH (fillfactor = 80);

-- So that the planner knows rare kinds for rare: it samples all of some 300,000 sessions then.
ALTER TABLE aibridge_sessions ALTER COLUMN kinds SET STATISTICS 1000;

-- The combinations of provider, name, model, client and credential that occur: some hundreds. A
-- session tells by their ids which it has, so that every filter by such columns is one look at it.
CREATE TABLE aibridge_kinds (
    id integer GENERATED ALWAYS AS IDENTITY,
    digest uuid NOT NULL,
    provider text NOT NULL,
    provider_name text NOT NULL,
    model text NOT NULL,
    client text NOT NULL,
    credential_kind text NOT NULL,
    CONSTRAINT pk_aibridge_kinds PRIMARY KEY (id),
    CONSTRAINT uq_aibridge_kinds_digest UNIQUE (digest)
);

CREATE FUNCTION aibridge_kind(
    provider text, provider_name text, model text, client text, credential_kind text
) RETURNS uuid STABLE PARALLEL SAFE LANGUAGE sql AS $$
SELECT md5(ROW(provider, provider_name, model, COALESCE(client, 'Unknown'), credential_kind)::text
)::uuid
$$;

-- Make the kinds of these interceptions known.
CREATE FUNCTION aibridge_kinds_learn(ids uuid[])
RETURNS void LANGUAGE sql AS $$
INSERT INTO aibridge_kinds (digest, provider, provider_name, model, client, credential_kind)
SELECT * FROM (
    SELECT DISTINCT ON (digest) aibridge_kind(i.provider, i.provider_name, i.model, i.client,
            i.credential_kind::text) AS digest,
        i.provider, i.provider_name, i.model, COALESCE(i.client, 'Unknown') AS client,
        i.credential_kind::text
    FROM aibridge_interceptions i
    WHERE i.id = ANY (ids) AND i.ended_at IS NOT NULL
) new
WHERE NOT EXISTS (SELECT FROM aibridge_kinds k WHERE k.digest = new.digest)
ORDER BY digest
ON CONFLICT (digest) DO NOTHING
$$;

CREATE FUNCTION aibridge_add_integers(a jsonb, b jsonb)
RETURNS jsonb IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
SELECT CASE WHEN b = '{}' THEN a WHEN a = '{}' THEN b ELSE (
    SELECT jsonb_object_agg(s.key, s.total) FROM (
        SELECT e.key, sum(e.value::numeric) AS total
        FROM (SELECT * FROM jsonb_each_text(a) UNION ALL SELECT * FROM jsonb_each_text(b)) e
        GROUP BY e.key
    ) s
) END
$$;

CREATE FUNCTION aibridge_union(a text[], b text[])
RETURNS text[] IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
SELECT CASE WHEN a @> b THEN a ELSE
    ARRAY(SELECT DISTINCT e COLLATE "C" FROM unnest(a || b) e ORDER BY 1)
END
$$;

CREATE FUNCTION aibridge_union(a integer[], b integer[])
RETURNS integer[] IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
SELECT CASE WHEN a @> b THEN a ELSE ARRAY(SELECT DISTINCT e FROM unnest(a || b) e ORDER BY 1) END
$$;

-- What these token usages add to each session: the four sums, and those of the integers in their
-- metadata by key, nested objects flattened with dots. An integer in quotes counts; none counts
-- that JSON could not tell exactly.
CREATE FUNCTION aibridge_token_sums(ids uuid[])
RETURNS TABLE (
    session_id text, initiator_id uuid, input_tokens numeric, output_tokens numeric,
    cache_read_input_tokens numeric, cache_write_input_tokens numeric, token_metadata jsonb
) STABLE LANGUAGE sql AS $$
WITH RECURSIVE usages AS MATERIALIZED (
    SELECT i.session_id, i.initiator_id, t.input_tokens, t.output_tokens,
        t.cache_read_input_tokens, t.cache_write_input_tokens, t.metadata
    FROM aibridge_token_usages t JOIN aibridge_interceptions i ON i.id = t.interception_id
    WHERE t.id = ANY (ids) AND i.ended_at IS NOT NULL
), nested(session_id, initiator_id, key, value) AS (
    SELECT u.session_id, u.initiator_id, e.key, e.value
    FROM usages u,
        jsonb_each(CASE WHEN jsonb_typeof(u.metadata) = 'object' THEN u.metadata END) e
    -- Few have an object within: looking for its brace spares the others this way.
    WHERE strpos(substr(u.metadata::text, 2), '{') > 0 AND jsonb_typeof(e.value) = 'object'
    UNION ALL
    SELECT n.session_id, n.initiator_id, n.key || '.' || e.key, e.value
    FROM nested n, jsonb_each(CASE WHEN jsonb_typeof(n.value) = 'object' THEN n.value END) e
), flat AS (
    SELECT u.session_id, u.initiator_id, e.key, e.value
    FROM usages u,
        jsonb_each_text(CASE WHEN jsonb_typeof(u.metadata) = 'object' THEN u.metadata END) e
    UNION ALL
    SELECT n.session_id, n.initiator_id, n.key, n.value #>> '{}'
    FROM nested n
), integers AS (
    SELECT f.session_id, f.initiator_id, f.key, sum(f.value::bigint) AS total
    FROM flat f
    WHERE CASE WHEN f.value ~ '^-?[0-9]{1,16}$'
        THEN abs(f.value::bigint) <= 9007199254740991 ELSE false END
    GROUP BY f.session_id, f.initiator_id, f.key
), collected AS (
    SELECT n.session_id, n.initiator_id, jsonb_object_agg(n.key, n.total) AS token_metadata
    FROM integers n
    GROUP BY n.session_id, n.initiator_id
), sums AS (
    SELECT u.session_id, u.initiator_id, sum(u.input_tokens) AS input_tokens,
        sum(u.output_tokens) AS output_tokens,
        sum(u.cache_read_input_tokens) AS cache_read_input_tokens,
        sum(u.cache_write_input_tokens) AS cache_write_input_tokens
    FROM usages u
    GROUP BY u.session_id, u.initiator_id
)
SELECT s.*, COALESCE(c.token_metadata, '{}')
FROM sums s
LEFT JOIN collected c ON c.session_id = s.session_id AND c.initiator_id = s.initiator_id
$$;

-- What the ended ones of these interceptions, with their children, are of each session.
CREATE FUNCTION aibridge_session_parts(ids uuid[])
RETURNS TABLE (
    session_id text, initiator_id uuid, started_at timestamptz, ended_at timestamptz,
    last_started_at timestamptz, last_prompt_at timestamptz, last_prompt_id uuid,
    threads bigint, interceptions bigint,
    input_tokens numeric, output_tokens numeric,
    cache_read_input_tokens numeric, cache_write_input_tokens numeric, token_metadata jsonb,
    first_id uuid, client varchar, metadata jsonb,
    providers text[], models text[], kinds integer[]
) STABLE LANGUAGE sql AS $$
WITH ended AS MATERIALIZED (
    SELECT i.id, i.session_id, i.initiator_id, i.started_at, i.ended_at, i.thread_root_id,
        i.provider, i.model, i.client, i.metadata, k.id AS kind
    FROM aibridge_interceptions i
    LEFT JOIN aibridge_kinds k ON k.digest = aibridge_kind(
        i.provider, i.provider_name, i.model, i.client, i.credential_kind::text)
    WHERE i.id = ANY (ids) AND i.ended_at IS NOT NULL
), heads AS (
    SELECT e.session_id, e.initiator_id, min(e.started_at) AS started_at,
        max(e.ended_at) AS ended_at, max(e.started_at) AS last_started_at,
        count(*) FILTER (WHERE e.thread_root_id IS NULL) AS threads, count(*) AS interceptions,
        (array_agg(e.id ORDER BY e.started_at, e.id))[1] AS first_id,
        array_agg(DISTINCT e.provider COLLATE "C") AS providers,
        array_agg(DISTINCT e.model COLLATE "C") AS models,
        array_agg(DISTINCT e.kind) AS kinds
    FROM ended e
    GROUP BY e.session_id, e.initiator_id
), tokens AS (
    SELECT * FROM aibridge_token_sums(ARRAY(
        SELECT t.id FROM aibridge_token_usages t WHERE t.interception_id = ANY (ids)
    ))
), prompts AS (
    SELECT DISTINCT ON (e.session_id, e.initiator_id)
        e.session_id, e.initiator_id, p.created_at, p.id
    FROM ended e JOIN aibridge_user_prompts p ON p.interception_id = e.id
    ORDER BY e.session_id, e.initiator_id, p.created_at DESC, p.id DESC
)
SELECT h.session_id, h.initiator_id, h.started_at, h.ended_at, h.last_started_at,
    p.created_at, p.id, h.threads, h.interceptions,
    COALESCE(t.input_tokens, 0), COALESCE(t.output_tokens, 0),
    COALESCE(t.cache_read_input_tokens, 0), COALESCE(t.cache_write_input_tokens, 0),
    COALESCE(t.token_metadata, '{}'), h.first_id, f.client, f.metadata,
    h.providers, h.models, h.kinds
FROM heads h
JOIN ended f ON f.id = h.first_id
LEFT JOIN tokens t ON t.session_id = h.session_id AND t.initiator_id = h.initiator_id
LEFT JOIN prompts p ON p.session_id = h.session_id AND p.initiator_id = h.initiator_id
$$;

-- Compute these sessions anew; those without an ended interception go.
CREATE FUNCTION aibridge_sessions_recompute(keys aibridge_session_key[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF keys IS NULL OR cardinality(keys) = 0 THEN
        RETURN;
    END IF;
    PERFORM aibridge_kinds_learn(ARRAY(
        SELECT i.id
        FROM unnest(keys) k
        JOIN aibridge_interceptions i
            ON i.session_id = k.session_id AND i.initiator_id = k.initiator_id
        WHERE i.ended_at IS NOT NULL
    ));
    -- The lock first, also of a session that has no row yet; then a new snapshot reads the truth.
    INSERT INTO aibridge_sessions AS s (
        session_id, initiator_id, started_at, ended_at, last_started_at, threads, interceptions,
        input_tokens, output_tokens, cache_read_input_tokens, cache_write_input_tokens,
        token_metadata, first_id, providers, models, kinds, recomputed_in
    )
    SELECT DISTINCT k.session_id, k.initiator_id, timestamptz '-infinity',
        timestamptz '-infinity', timestamptz '-infinity', 0, 0, 0, 0, 0, 0, jsonb '{}',
        k.initiator_id, '{}'::text[], '{}'::text[], '{}'::integer[],
        pg_current_xact_id()::text::bigint
    FROM unnest(keys) k
    ORDER BY k.session_id, k.initiator_id
    ON CONFLICT (session_id, initiator_id) DO UPDATE
    SET interceptions = 0, recomputed_in = excluded.recomputed_in;
    UPDATE aibridge_sessions s SET
        started_at = p.started_at, ended_at = p.ended_at, last_started_at = p.last_started_at,
        last_prompt_at = p.last_prompt_at, last_prompt_id = p.last_prompt_id,
        threads = p.threads, interceptions = p.interceptions,
        input_tokens = p.input_tokens, output_tokens = p.output_tokens,
        cache_read_input_tokens = p.cache_read_input_tokens,
        cache_write_input_tokens = p.cache_write_input_tokens,
        token_metadata = p.token_metadata, first_id = p.first_id, client = p.client,
        metadata = p.metadata, providers = p.providers, models = p.models, kinds = p.kinds
    FROM aibridge_session_parts(ARRAY(
        SELECT i.id
        FROM unnest(keys) k
        JOIN aibridge_interceptions i
            ON i.session_id = k.session_id AND i.initiator_id = k.initiator_id
        WHERE i.ended_at IS NOT NULL
    )) p
    WHERE s.session_id = p.session_id AND s.initiator_id = p.initiator_id;
    DELETE FROM aibridge_sessions s
    USING unnest(keys) k
    WHERE s.session_id = k.session_id AND s.initiator_id = k.initiator_id
        AND s.interceptions = 0;
END
$$;

-- Plans that were kept for single rows, or since the tables were empty, would not do for a batch.
-- The setting ends with the function of the trigger, which names it.
CREATE FUNCTION aibridge_plan_for(ids uuid[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(ids) > 50 THEN
        PERFORM set_config('plan_cache_mode', 'force_custom_plan', true);
    END IF;
END
$$;

-- A writer with an older snapshot can't see what it has to add up with.
CREATE FUNCTION aibridge_demand_read_committed()
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'the audit trail must be written in READ COMMITTED transactions, not %',
            upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'invalid_transaction_state',
            HINT = 'The rollup aibridge_sessions could not be kept right otherwise.';
    END IF;
END
$$;

-- These interceptions have ended: add them, with the children that are there.
CREATE FUNCTION aibridge_sessions_add(ids uuid[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    again aibridge_session_key[];
    own aibridge_session_key[];
BEGIN
    IF cardinality(ids) = 0 THEN
        RETURN;
    END IF;
    PERFORM aibridge_demand_read_committed();
    PERFORM pg_advisory_xact_lock_shared(1634296434, 1);
    PERFORM aibridge_plan_for(ids);
    PERFORM aibridge_kinds_learn(ids);
    -- Children written by this transaction may have triggers still to come, which must not add
    -- them again: those written no earlier than the end of their interception certainly have.
    SELECT
        array_agg(DISTINCT o.key) FILTER (WHERE o.is_recomputed OR o.is_pending),
        array_agg(DISTINCT o.key) FILTER (WHERE o.is_pending IS NOT NULL)
    INTO again, own
    FROM (
        SELECT ROW(i.session_id, i.initiator_id)::aibridge_session_key AS key,
            EXISTS (
                SELECT FROM aibridge_sessions s
                WHERE s.session_id = i.session_id AND s.initiator_id = i.initiator_id
                    AND s.recomputed_in = pg_current_xact_id()::text::bigint
            ) AS is_recomputed,
            (
                SELECT bool_or(c.written::text::bigint >= i.cmin::text::bigint)
                FROM (
                    SELECT t.cmin AS written FROM aibridge_token_usages t
                    WHERE t.interception_id = i.id AND t.xmin = i.xmin
                    UNION ALL
                    SELECT p.cmin FROM aibridge_user_prompts p
                    WHERE p.interception_id = i.id AND p.xmin = i.xmin
                ) c
            ) AS is_pending
        FROM aibridge_interceptions i
        WHERE i.id = ANY (ids)
    ) o;
    INSERT INTO aibridge_sessions AS s (
        session_id, initiator_id, started_at, ended_at, last_started_at, last_prompt_at,
        last_prompt_id, threads, interceptions, input_tokens, output_tokens,
        cache_read_input_tokens, cache_write_input_tokens, token_metadata, first_id, client,
        metadata, providers, models, kinds, recomputed_in
    )
    SELECT p.*, CASE
        WHEN ROW(p.session_id, p.initiator_id)::aibridge_session_key = ANY (own)
        THEN pg_current_xact_id()::text::bigint END
    FROM aibridge_session_parts(ids) p
    WHERE again IS NULL OR ROW(p.session_id, p.initiator_id)::aibridge_session_key <> ALL (again)
    ORDER BY p.session_id, p.initiator_id
    ON CONFLICT (session_id, initiator_id) DO UPDATE SET
        started_at = LEAST(s.started_at, excluded.started_at),
        ended_at = GREATEST(s.ended_at, excluded.ended_at),
        last_started_at = GREATEST(s.last_started_at, excluded.last_started_at),
        (last_prompt_at, last_prompt_id) = (
            SELECT newest.at, newest.id
            FROM (VALUES (s.last_prompt_at, s.last_prompt_id),
                (excluded.last_prompt_at, excluded.last_prompt_id)) newest(at, id)
            ORDER BY newest.at DESC NULLS LAST, newest.id DESC NULLS LAST LIMIT 1
        ),
        threads = s.threads + excluded.threads,
        interceptions = s.interceptions + excluded.interceptions,
        input_tokens = s.input_tokens + excluded.input_tokens,
        output_tokens = s.output_tokens + excluded.output_tokens,
        cache_read_input_tokens = s.cache_read_input_tokens + excluded.cache_read_input_tokens,
        cache_write_input_tokens = s.cache_write_input_tokens + excluded.cache_write_input_tokens,
        token_metadata = aibridge_add_integers(s.token_metadata, excluded.token_metadata),
        (first_id, client, metadata) = (
            SELECT first.id, first.client, first.metadata
            FROM (VALUES (s.started_at, s.first_id, s.client, s.metadata),
                (excluded.started_at, excluded.first_id, excluded.client, excluded.metadata)
            ) first(at, id, client, metadata)
            ORDER BY first.at, first.id LIMIT 1
        ),
        providers = aibridge_union(s.providers, excluded.providers),
        models = aibridge_union(s.models, excluded.models),
        kinds = aibridge_union(s.kinds, excluded.kinds),
        recomputed_in = COALESCE(excluded.recomputed_in, s.recomputed_in);
    PERFORM aibridge_sessions_recompute(again);
END
$$;

-- Lock these interceptions against a change of state; return the sessions of those that ended.
CREATE FUNCTION aibridge_sessions_of(ids uuid[])
RETURNS aibridge_session_key[] LANGUAGE plpgsql AS $$
DECLARE
    known uuid[];
    missing uuid[];
    keys aibridge_session_key[];
BEGIN
    PERFORM aibridge_plan_for(ids);
    SELECT array_agg(l.id),
        array_agg(DISTINCT ROW(l.session_id, l.initiator_id)::aibridge_session_key)
            FILTER (WHERE l.ended_at IS NOT NULL)
    INTO known, keys
    FROM (
        SELECT i.id, i.session_id, i.initiator_id, i.ended_at
        FROM aibridge_interceptions i
        WHERE i.id = ANY (ids) ORDER BY i.id FOR SHARE
    ) l;
    IF COALESCE(cardinality(known), 0) = cardinality(ids) THEN
        RETURN keys;
    END IF;
    missing := ARRAY(SELECT unnest(ids) EXCEPT SELECT unnest(known));
    IF cardinality(missing) = 0 THEN
        RETURN keys;
    END IF;
    PERFORM pg_advisory_xact_lock(1634296434, 1);
    RETURN (
        SELECT keys || array_agg(DISTINCT ROW(l.session_id, l.initiator_id)::aibridge_session_key)
            FILTER (WHERE l.ended_at IS NOT NULL)
        FROM (
            SELECT i.session_id, i.initiator_id, i.ended_at
            FROM aibridge_interceptions i
            WHERE i.id = ANY (missing) ORDER BY i.id FOR SHARE
        ) l
    );
END
$$;

-- Lock the sessions' rows. Return those that can't be added to: this transaction has computed them
-- anew before, or the trigger that makes them is still to come.
CREATE FUNCTION aibridge_sessions_lock(keys aibridge_session_key[])
RETURNS aibridge_session_key[] LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM aibridge_sessions s
    WHERE (s.session_id, s.initiator_id) IN (SELECT k.session_id, k.initiator_id FROM unnest(keys) k)
    ORDER BY s.session_id, s.initiator_id
    FOR NO KEY UPDATE;
    RETURN ARRAY(
        SELECT k::aibridge_session_key
        FROM unnest(keys) k
        LEFT JOIN aibridge_sessions s
            ON s.session_id = k.session_id AND s.initiator_id = k.initiator_id
        WHERE s.session_id IS NULL OR s.recomputed_in = pg_current_xact_id()::text::bigint
    );
END
$$;

-- What the triggers of a statement and of a replicated row have in common. They run as the owner
-- of the tables, whoever writes.
CREATE FUNCTION aibridge_sessions_add_tokens(ids uuid[], owners uuid[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    keys aibridge_session_key[] := aibridge_sessions_of(owners);
    again aibridge_session_key[];
BEGIN
    PERFORM aibridge_demand_read_committed();
    IF COALESCE(cardinality(keys), 0) = 0 THEN
        RETURN;
    END IF;
    again := aibridge_sessions_lock(keys);
    UPDATE aibridge_sessions s SET
        input_tokens = s.input_tokens + t.input_tokens,
        output_tokens = s.output_tokens + t.output_tokens,
        cache_read_input_tokens = s.cache_read_input_tokens + t.cache_read_input_tokens,
        cache_write_input_tokens = s.cache_write_input_tokens + t.cache_write_input_tokens,
        token_metadata = aibridge_add_integers(s.token_metadata, t.token_metadata)
    FROM aibridge_token_sums(ids) t
    WHERE s.session_id = t.session_id AND s.initiator_id = t.initiator_id
        AND ROW(s.session_id, s.initiator_id)::aibridge_session_key <> ALL (again);
    PERFORM aibridge_sessions_recompute(again);
END
$$;

CREATE FUNCTION aibridge_sessions_add_prompts(ids uuid[], owners uuid[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    keys aibridge_session_key[] := aibridge_sessions_of(owners);
    again aibridge_session_key[];
BEGIN
    PERFORM aibridge_demand_read_committed();
    IF COALESCE(cardinality(keys), 0) = 0 THEN
        RETURN;
    END IF;
    again := aibridge_sessions_lock(keys);
    UPDATE aibridge_sessions s SET last_prompt_at = n.created_at, last_prompt_id = n.id
    FROM (
        SELECT DISTINCT ON (i.session_id, i.initiator_id)
            i.session_id, i.initiator_id, p.created_at, p.id
        FROM aibridge_user_prompts p
        JOIN aibridge_interceptions i ON i.id = p.interception_id
        WHERE p.id = ANY (ids) AND i.ended_at IS NOT NULL
        ORDER BY i.session_id, i.initiator_id, p.created_at DESC, p.id DESC
    ) n
    WHERE s.session_id = n.session_id AND s.initiator_id = n.initiator_id
        AND ROW(s.session_id, s.initiator_id)::aibridge_session_key <> ALL (again)
        AND (s.last_prompt_at IS NULL
            OR (s.last_prompt_at, s.last_prompt_id) < (n.created_at, n.id));
    PERFORM aibridge_sessions_recompute(again);
END
$$;

CREATE FUNCTION aibridge_interceptions_inserted()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = auto SET work_mem = '64MB' SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    PERFORM aibridge_sessions_add(ARRAY(SELECT id FROM new_rows WHERE ended_at IS NOT NULL));
    RETURN NULL;
END
$$;

CREATE FUNCTION aibridge_interceptions_updated()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = auto SET work_mem = '64MB' SET enable_seqscan = off LANGUAGE plpgsql AS $$
DECLARE
    ended uuid[];
    changed aibridge_session_key[];
BEGIN
    ended := ARRAY(
        SELECT n.id FROM new_rows n LEFT JOIN old_rows o ON o.id = n.id
        WHERE n.ended_at IS NOT NULL AND o.ended_at IS NULL
    );
    changed := ARRAY(
        SELECT ROW(o.session_id, o.initiator_id)::aibridge_session_key
        FROM old_rows o LEFT JOIN new_rows n ON n.id = o.id
        WHERE o.ended_at IS NOT NULL AND (
            n.id IS NULL OR ROW(o.session_id, o.initiator_id, o.started_at, o.ended_at,
                o.thread_root_id, o.provider, o.provider_name, o.model, o.client, o.metadata,
                o.credential_kind)
            IS DISTINCT FROM ROW(n.session_id, n.initiator_id, n.started_at, n.ended_at,
                n.thread_root_id, n.provider, n.provider_name, n.model, n.client, n.metadata,
                n.credential_kind)
        )
        UNION
        SELECT ROW(n.session_id, n.initiator_id)::aibridge_session_key
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE o.ended_at IS NOT NULL AND n.ended_at IS NOT NULL
            AND (o.session_id, o.initiator_id) IS DISTINCT FROM (n.session_id, n.initiator_id)
    );
    -- What changed comes first: who is in both then takes the safe way.
    PERFORM aibridge_sessions_recompute(changed);
    PERFORM aibridge_sessions_add(ended);
    RETURN NULL;
END
$$;

CREATE FUNCTION aibridge_interceptions_deleted()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = auto SET work_mem = '64MB' SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    PERFORM aibridge_sessions_recompute(ARRAY(
        SELECT DISTINCT ROW(session_id, initiator_id)::aibridge_session_key
        FROM old_rows WHERE ended_at IS NOT NULL
    ));
    RETURN NULL;
END
$$;

CREATE FUNCTION aibridge_interceptions_truncated()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = auto SET work_mem = '64MB' SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE aibridge_sessions;
    RETURN NULL;
END
$$;

CREATE FUNCTION aibridge_children_inserted()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = auto SET work_mem = '64MB' SET enable_seqscan = off LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    owners uuid[];
BEGIN
    SELECT array_agg(id), array_agg(DISTINCT interception_id) INTO ids, owners FROM new_rows;
    IF ids IS NULL THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME = 'aibridge_token_usages' THEN
        PERFORM aibridge_sessions_add_tokens(ids, owners);
    ELSE
        PERFORM aibridge_sessions_add_prompts(ids, owners);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION aibridge_token_usages_updated()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = auto SET work_mem = '64MB' SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    PERFORM aibridge_sessions_recompute(aibridge_sessions_of(ARRAY(
        SELECT interception_id FROM (
            SELECT id, interception_id, input_tokens, output_tokens, cache_read_input_tokens,
                cache_write_input_tokens, metadata, true AS is_new FROM new_rows
            UNION ALL
            SELECT id, interception_id, input_tokens, output_tokens, cache_read_input_tokens,
                cache_write_input_tokens, metadata, false FROM old_rows
        ) u
        GROUP BY id, interception_id, input_tokens, output_tokens, cache_read_input_tokens,
            cache_write_input_tokens, metadata
        HAVING count(*) FILTER (WHERE is_new) <> count(*) FILTER (WHERE NOT is_new)
    )));
    RETURN NULL;
END
$$;

CREATE FUNCTION aibridge_user_prompts_updated()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = auto SET work_mem = '64MB' SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    PERFORM aibridge_sessions_recompute(aibridge_sessions_of(ARRAY(
        SELECT interception_id FROM (
            SELECT id, interception_id, created_at, true AS is_new FROM new_rows
            UNION ALL
            SELECT id, interception_id, created_at, false FROM old_rows
        ) u
        GROUP BY id, interception_id, created_at
        HAVING count(*) FILTER (WHERE is_new) <> count(*) FILTER (WHERE NOT is_new)
    )));
    RETURN NULL;
END
$$;

CREATE FUNCTION aibridge_children_deleted()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = auto SET work_mem = '64MB' SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    PERFORM aibridge_sessions_recompute(aibridge_sessions_of(ARRAY(
        SELECT DISTINCT interception_id FROM old_rows
    )));
    RETURN NULL;
END
$$;

CREATE FUNCTION aibridge_children_truncated()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = auto SET work_mem = '64MB' SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'aibridge_token_usages' THEN
        UPDATE aibridge_sessions SET input_tokens = 0, output_tokens = 0,
            cache_read_input_tokens = 0, cache_write_input_tokens = 0, token_metadata = '{}';
    ELSE
        UPDATE aibridge_sessions SET last_prompt_at = NULL, last_prompt_id = NULL;
    END IF;
    RETURN NULL;
END
$$;

-- Logical replication fires the triggers of rows only.
CREATE FUNCTION aibridge_interception_replicated()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = auto SET work_mem = '64MB' SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.ended_at IS NOT NULL THEN
        PERFORM aibridge_sessions_recompute(
            ARRAY[ROW(OLD.session_id, OLD.initiator_id)::aibridge_session_key]);
        IF TG_OP = 'UPDATE' AND NEW.ended_at IS NOT NULL THEN
            PERFORM aibridge_sessions_recompute(
                ARRAY[ROW(NEW.session_id, NEW.initiator_id)::aibridge_session_key]);
        END IF;
    ELSIF TG_OP <> 'DELETE' AND NEW.ended_at IS NOT NULL THEN
        PERFORM aibridge_sessions_add(ARRAY[NEW.id]);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION aibridge_child_replicated()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = auto SET work_mem = '64MB' SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF TG_TABLE_NAME = 'aibridge_token_usages' THEN
            PERFORM aibridge_sessions_add_tokens(ARRAY[NEW.id], ARRAY[NEW.interception_id]);
        ELSE
            PERFORM aibridge_sessions_add_prompts(ARRAY[NEW.id], ARRAY[NEW.interception_id]);
        END IF;
    ELSIF TG_OP = 'UPDATE' THEN
        PERFORM aibridge_sessions_recompute(
            aibridge_sessions_of(ARRAY[OLD.interception_id, NEW.interception_id]));
    ELSE
        PERFORM aibridge_sessions_recompute(aibridge_sessions_of(ARRAY[OLD.interception_id]));
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER aibridge_sessions_inserted AFTER INSERT ON aibridge_interceptions
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_interceptions_inserted();

CREATE TRIGGER aibridge_sessions_updated AFTER UPDATE ON aibridge_interceptions
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_interceptions_updated();

CREATE TRIGGER aibridge_sessions_deleted AFTER DELETE ON aibridge_interceptions
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_interceptions_deleted();

CREATE TRIGGER aibridge_sessions_truncated AFTER TRUNCATE ON aibridge_interceptions
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_interceptions_truncated();

CREATE TRIGGER aibridge_sessions_replicated AFTER INSERT OR UPDATE OR DELETE
ON aibridge_interceptions
FOR EACH ROW EXECUTE FUNCTION aibridge_interception_replicated();

ALTER TABLE aibridge_interceptions
    ENABLE ALWAYS TRIGGER aibridge_sessions_truncated,
    ENABLE REPLICA TRIGGER aibridge_sessions_replicated;

CREATE TRIGGER aibridge_sessions_inserted AFTER INSERT ON aibridge_token_usages
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_children_inserted();

CREATE TRIGGER aibridge_sessions_updated AFTER UPDATE ON aibridge_token_usages
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_token_usages_updated();

CREATE TRIGGER aibridge_sessions_deleted AFTER DELETE ON aibridge_token_usages
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_children_deleted();

CREATE TRIGGER aibridge_sessions_truncated AFTER TRUNCATE ON aibridge_token_usages
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_children_truncated();

CREATE TRIGGER aibridge_sessions_replicated AFTER INSERT OR UPDATE OR DELETE
ON aibridge_token_usages
FOR EACH ROW EXECUTE FUNCTION aibridge_child_replicated();

ALTER TABLE aibridge_token_usages
    ENABLE ALWAYS TRIGGER aibridge_sessions_truncated,
    ENABLE REPLICA TRIGGER aibridge_sessions_replicated;

CREATE TRIGGER aibridge_sessions_inserted AFTER INSERT ON aibridge_user_prompts
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_children_inserted();

CREATE TRIGGER aibridge_sessions_updated AFTER UPDATE ON aibridge_user_prompts
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_user_prompts_updated();

CREATE TRIGGER aibridge_sessions_deleted AFTER DELETE ON aibridge_user_prompts
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_children_deleted();

CREATE TRIGGER aibridge_sessions_truncated AFTER TRUNCATE ON aibridge_user_prompts
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_children_truncated();

CREATE TRIGGER aibridge_sessions_replicated AFTER INSERT OR UPDATE OR DELETE
ON aibridge_user_prompts
FOR EACH ROW EXECUTE FUNCTION aibridge_child_replicated();

ALTER TABLE aibridge_user_prompts
    ENABLE ALWAYS TRIGGER aibridge_sessions_truncated,
    ENABLE REPLICA TRIGGER aibridge_sessions_replicated;
