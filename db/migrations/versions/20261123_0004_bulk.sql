-- What an import of thousands at once spends in these functions, cut by a third. Statements are set
-- apart by an empty line; what each function is for stands in the revision before.
DROP FUNCTION aibridge_token_sums(uuid[])

CREATE OR REPLACE FUNCTION aibridge_kinds_learn(ids uuid[])
RETURNS void LANGUAGE sql AS $$
INSERT INTO aibridge_kinds (digest, provider, provider_name, model, client, credential_kind)
SELECT n.digest, n.provider, n.provider_name, n.model, n.client, n.credential_kind
FROM (
    SELECT aibridge_kind(d.provider, d.provider_name, d.model, d.client, d.credential_kind)
            AS digest,
        d.*
    FROM (
        SELECT DISTINCT i.provider, i.provider_name, i.model,
            COALESCE(i.client, 'Unknown') AS client, i.credential_kind::text AS credential_kind
        FROM aibridge_interceptions i
        WHERE i.id = ANY (ids) AND i.ended_at IS NOT NULL
    ) d
) n
WHERE NOT EXISTS (SELECT FROM aibridge_kinds k WHERE k.digest = n.digest)
ORDER BY n.digest
ON CONFLICT (digest) DO NOTHING
$$;

-- What token usages of these interceptions add to each session: all of them, or those with these ids.
CREATE FUNCTION aibridge_token_sums(owners uuid[], ids uuid[])
RETURNS TABLE (
    session_id text, initiator_id uuid, input_tokens numeric, output_tokens numeric,
    cache_read_input_tokens numeric, cache_write_input_tokens numeric, token_metadata jsonb
) STABLE LANGUAGE sql AS $$
WITH RECURSIVE usages AS MATERIALIZED (
    SELECT i.session_id, i.initiator_id, t.input_tokens, t.output_tokens,
        t.cache_read_input_tokens, t.cache_write_input_tokens, t.metadata
    FROM aibridge_token_usages t JOIN aibridge_interceptions i ON i.id = t.interception_id
    -- The same twice, so that neither table is read as a whole.
    WHERE t.interception_id = ANY (owners) AND i.id = ANY (owners)
        AND (ids IS NULL OR t.id = ANY (ids)) AND i.ended_at IS NOT NULL
), flat(session_id, initiator_id, key, value, type) AS (
    SELECT u.session_id, u.initiator_id, e.key, e.value, jsonb_typeof(e.value)
    FROM usages u,
        jsonb_each(CASE WHEN jsonb_typeof(u.metadata) = 'object' THEN u.metadata END) e
    UNION ALL
    SELECT f.session_id, f.initiator_id, f.key || '.' || e.key, e.value, jsonb_typeof(e.value)
    FROM flat f, jsonb_each(CASE WHEN f.type = 'object' THEN f.value END) e
    WHERE f.type = 'object'
), integers AS (
    SELECT f.session_id, f.initiator_id, f.key, sum((f.value #>> '{}')::bigint) AS total
    FROM flat f
    WHERE CASE f.type
        -- 1.0 is no integer here: whoever wrote the point meant a fraction.
        WHEN 'number' THEN CASE WHEN scale(f.value::numeric) = 0
            THEN abs(f.value::numeric) <= 9007199254740991 ELSE false END
        WHEN 'string' THEN CASE WHEN f.value #>> '{}' ~ '^-?[0-9]{1,16}$'
            THEN abs((f.value #>> '{}')::bigint) <= 9007199254740991 ELSE false END
        ELSE false END
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

CREATE OR REPLACE FUNCTION aibridge_session_parts(ids uuid[])
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
        i.provider, i.provider_name, i.model, i.client, COALESCE(i.client, 'Unknown') AS client_name,
        i.credential_kind::text AS credential_kind, i.metadata
    FROM aibridge_interceptions i
    WHERE i.id = ANY (ids) AND i.ended_at IS NOT NULL
), kinds AS (
    SELECT d.*, k.id AS kind
    FROM (
        SELECT DISTINCT e.provider, e.provider_name, e.model, e.client_name, e.credential_kind
        FROM ended e
    ) d
    LEFT JOIN aibridge_kinds k ON k.digest = aibridge_kind(
        d.provider, d.provider_name, d.model, d.client_name, d.credential_kind)
), heads AS (
    SELECT e.session_id, e.initiator_id, min(e.started_at) AS started_at,
        max(e.ended_at) AS ended_at, max(e.started_at) AS last_started_at,
        count(*) FILTER (WHERE e.thread_root_id IS NULL) AS threads, count(*) AS interceptions,
        (array_agg(e.id ORDER BY e.started_at, e.id))[1] AS first_id,
        array_agg(DISTINCT e.provider COLLATE "C") AS providers,
        array_agg(DISTINCT e.model COLLATE "C") AS models,
        array_agg(DISTINCT k.kind) AS kinds
    FROM ended e
    LEFT JOIN kinds k ON k.provider = e.provider AND k.provider_name = e.provider_name
        AND k.model = e.model AND k.client_name = e.client_name
        AND k.credential_kind = e.credential_kind
    GROUP BY e.session_id, e.initiator_id
), tokens AS (
    SELECT * FROM aibridge_token_sums(ids, NULL)
), prompts AS (
    SELECT DISTINCT ON (e.session_id, e.initiator_id)
        e.session_id, e.initiator_id, p.created_at, p.id
    FROM ended e JOIN aibridge_user_prompts p ON p.interception_id = e.id
    WHERE p.interception_id = ANY (ids)
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

CREATE OR REPLACE FUNCTION aibridge_sessions_add(ids uuid[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    again aibridge_session_key[];
    own aibridge_session_key[];
    nested_loops text := current_setting('enable_nestloop');
BEGIN
    IF cardinality(ids) = 0 THEN
        RETURN;
    END IF;
    PERFORM aibridge_demand_read_committed();
    PERFORM pg_advisory_xact_lock_shared(1634296434, 1);
    PERFORM aibridge_plan_for(ids);
    -- Statistics of a table that has just begun to fill mislead: few rows are expected of many, and
    -- a nested loop over two lists of thousands takes seconds. All tables are read by these ids.
    IF cardinality(ids) > 50 THEN
        PERFORM set_config('enable_nestloop', 'off', true);
    END IF;
    PERFORM aibridge_kinds_learn(ids);
    -- Children written by this transaction may have triggers still to come, which must not add
    -- them again: those written no earlier than the end of their interception certainly have.
    SELECT array_agg(g.key) FILTER (WHERE g.is_pending OR EXISTS (
            SELECT FROM aibridge_sessions s
            WHERE s.session_id = (g.key).session_id AND s.initiator_id = (g.key).initiator_id
                AND s.recomputed_in = pg_current_xact_id()::text::bigint
        )),
        array_agg(g.key) FILTER (WHERE g.is_pending IS NOT NULL)
    INTO again, own
    FROM (
        SELECT ROW(i.session_id, i.initiator_id)::aibridge_session_key AS key,
            bool_or(c.written::text::bigint >= i.cmin::text::bigint) AS is_pending
        FROM aibridge_interceptions i
        LEFT JOIN (
            SELECT t.interception_id, t.xmin AS writer, t.cmin AS written
            FROM aibridge_token_usages t WHERE t.interception_id = ANY (ids)
            UNION ALL
            SELECT p.interception_id, p.xmin, p.cmin
            FROM aibridge_user_prompts p WHERE p.interception_id = ANY (ids)
        ) c ON c.interception_id = i.id AND c.writer = i.xmin
        WHERE i.id = ANY (ids)
        GROUP BY i.session_id, i.initiator_id
    ) g;
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
    PERFORM set_config('enable_nestloop', nested_loops, true);
    PERFORM aibridge_sessions_recompute(again);
END
$$;

CREATE OR REPLACE FUNCTION aibridge_sessions_add_tokens(ids uuid[], owners uuid[])
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
    FROM aibridge_token_sums(owners, ids) t
    WHERE s.session_id = t.session_id AND s.initiator_id = t.initiator_id
        AND ROW(s.session_id, s.initiator_id)::aibridge_session_key <> ALL (again);
    PERFORM aibridge_sessions_recompute(again);
END
$$;
