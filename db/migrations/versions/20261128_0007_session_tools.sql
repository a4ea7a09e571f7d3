-- Which tools a session called, and how many sessions called a tool, kept with the rollup and by its
-- rules (see revision 0002). Statements are set apart by an empty line.
--
-- As a kind numbers a combination of columns, a *tool kind* numbers a tool and the kind of an
-- interception that called it. A session has the numbers of its own in `tool_kinds`: one look at it
-- decides a filter by a tool, also together with all that kinds decide.
-- * What is added is a union, so it may be added twice; but it is read behind the lock of the
--   session, since it must not be added after it went. All else makes the session be computed anew.
-- * The counts tell sessions by the tool, and by those kinds of interceptions that called it.
--
-- Writers wait from here to the end, so that none goes on with a function that is being replaced.
LOCK TABLE aibridge_interceptions, aibridge_token_usages, aibridge_user_prompts,
    aibridge_tool_usages, aibridge_sessions IN SHARE ROW EXCLUSIVE MODE;

CREATE TABLE aibridge_tool_kinds (
    id integer GENERATED ALWAYS AS IDENTITY,
    tool text NOT NULL,
    kind integer NOT NULL,
    CONSTRAINT pk_aibridge_tool_kinds PRIMARY KEY (id),
    CONSTRAINT uq_aibridge_tool_kinds_tool_kind UNIQUE (tool, kind)
);

CREATE TYPE aibridge_tool_call AS (session_id text, initiator_id uuid, tool text, kind integer);

-- A plan for any ids where they are few: planning would take longer than the work. Plans that were
-- kept for single rows, or since the tables were empty, would not do for a batch. The setting ends
-- with the function of the trigger, which names it.
CREATE OR REPLACE FUNCTION aibridge_plan_for(ids uuid[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('plan_cache_mode', CASE WHEN cardinality(ids) > 50
        THEN 'force_custom_plan' ELSE 'force_generic_plan' END, true);
END
$$;

-- What the ended ones of these interceptions called, by session and kind.
CREATE FUNCTION aibridge_tool_calls(ids uuid[])
RETURNS aibridge_tool_call[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN ARRAY(
        WITH called AS MATERIALIZED (
            SELECT DISTINCT i.session_id, i.initiator_id, u.tool, i.provider, i.provider_name,
                i.model, COALESCE(i.client, 'Unknown') AS client,
                i.credential_kind::text AS credential_kind
            FROM aibridge_tool_usages u JOIN aibridge_interceptions i ON i.id = u.interception_id
            -- The same twice, so that neither table is read as a whole.
            WHERE u.interception_id = ANY (ids) AND i.id = ANY (ids) AND i.ended_at IS NOT NULL
        ), kinds AS (
            SELECT d.*, k.id
            FROM (
                SELECT DISTINCT c.provider, c.provider_name, c.model, c.client, c.credential_kind
                FROM called c
            ) d
            JOIN aibridge_kinds k ON k.digest = aibridge_kind(
                d.provider, d.provider_name, d.model, d.client, d.credential_kind)
        )
        SELECT ROW(c.session_id, c.initiator_id, c.tool, k.id)::aibridge_tool_call
        FROM called c
        JOIN kinds k ON k.provider = c.provider AND k.provider_name = c.provider_name
            AND k.model = c.model AND k.client = c.client
            AND k.credential_kind = c.credential_kind
    );
END
$$;

-- Make the tool kinds of these calls known, whose kinds are.
CREATE FUNCTION aibridge_tool_kinds_learn(calls aibridge_tool_call[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO aibridge_tool_kinds (tool, kind)
    SELECT DISTINCT c.tool, c.kind
    FROM unnest(calls) c
    WHERE NOT EXISTS (
        SELECT FROM aibridge_tool_kinds t WHERE t.tool = c.tool AND t.kind = c.kind
    )
    ORDER BY c.tool, c.kind
    ON CONFLICT (tool, kind) DO NOTHING;
END
$$;

-- The tool kinds of these calls, by session.
CREATE FUNCTION aibridge_tool_kinds_of(calls aibridge_tool_call[])
RETURNS TABLE (session_id text, initiator_id uuid, tool_kinds integer[])
STABLE LANGUAGE sql AS $$
SELECT c.session_id, c.initiator_id, array_agg(DISTINCT t.id)
FROM unnest(calls) c
JOIN aibridge_tool_kinds t ON t.tool = c.tool AND t.kind = c.kind
GROUP BY c.session_id, c.initiator_id
$$;

-- The ended interceptions of these sessions.
CREATE FUNCTION aibridge_ended_of(keys aibridge_session_key[])
RETURNS uuid[] STABLE LANGUAGE sql AS $$
SELECT ARRAY(
    SELECT i.id
    FROM unnest(keys) k
    JOIN aibridge_interceptions i
        ON i.session_id = k.session_id AND i.initiator_id = k.initiator_id
    WHERE i.ended_at IS NOT NULL
)
$$;

-- Compute these sessions anew; those without an ended interception go.
CREATE OR REPLACE FUNCTION aibridge_sessions_recompute(keys aibridge_session_key[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    calls aibridge_tool_call[];
BEGIN
    IF keys IS NULL OR cardinality(keys) = 0 THEN
        RETURN;
    END IF;
    ids := aibridge_ended_of(keys);
    PERFORM aibridge_kinds_learn(ids);
    PERFORM aibridge_tool_kinds_learn(aibridge_tool_calls(ids));
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
    ids := aibridge_ended_of(keys);
    PERFORM aibridge_plan_for(ids);
    calls := aibridge_tool_calls(ids);
    UPDATE aibridge_sessions s SET
        started_at = p.started_at, ended_at = p.ended_at, last_started_at = p.last_started_at,
        last_prompt_at = p.last_prompt_at, last_prompt_id = p.last_prompt_id,
        threads = p.threads, interceptions = p.interceptions,
        input_tokens = p.input_tokens, output_tokens = p.output_tokens,
        cache_read_input_tokens = p.cache_read_input_tokens,
        cache_write_input_tokens = p.cache_write_input_tokens,
        token_metadata = p.token_metadata, first_id = p.first_id, client = p.client,
        metadata = p.metadata, providers = p.providers, models = p.models, kinds = p.kinds,
        tool_kinds = COALESCE(u.tool_kinds, '{}')
    FROM aibridge_session_parts(ids) p
    LEFT JOIN aibridge_tool_kinds_of(calls) u
        ON u.session_id = p.session_id AND u.initiator_id = p.initiator_id
    WHERE s.session_id = p.session_id AND s.initiator_id = p.initiator_id;
    DELETE FROM aibridge_sessions s
    USING unnest(keys) k
    WHERE s.session_id = k.session_id AND s.initiator_id = k.initiator_id
        AND s.interceptions = 0;
END
$$;

CREATE OR REPLACE FUNCTION aibridge_sessions_add(ids uuid[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    again aibridge_session_key[];
    own aibridge_session_key[];
    calls aibridge_tool_call[];
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
    calls := aibridge_tool_calls(ids);
    PERFORM aibridge_tool_kinds_learn(calls);
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
        metadata, providers, models, kinds, tool_kinds, recomputed_in
    )
    SELECT p.*, COALESCE(u.tool_kinds, '{}'), CASE
        WHEN ROW(p.session_id, p.initiator_id)::aibridge_session_key = ANY (own)
        THEN pg_current_xact_id()::text::bigint END
    FROM aibridge_session_parts(ids) p
    LEFT JOIN aibridge_tool_kinds_of(calls) u
        ON u.session_id = p.session_id AND u.initiator_id = p.initiator_id
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
        tool_kinds = aibridge_union(s.tool_kinds, excluded.tool_kinds),
        recomputed_in = COALESCE(excluded.recomputed_in, s.recomputed_in);
    PERFORM set_config('enable_nestloop', nested_loops, true);
    PERFORM aibridge_sessions_recompute(again);
END
$$;

-- Calls of these interceptions have come: add what their sessions have not, where they ended.
CREATE FUNCTION aibridge_sessions_add_tools(owners uuid[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    keys aibridge_session_key[] := aibridge_sessions_of(owners);
    again aibridge_session_key[];
    calls aibridge_tool_call[];
BEGIN
    PERFORM aibridge_demand_read_committed();
    IF COALESCE(cardinality(keys), 0) = 0 THEN
        RETURN;
    END IF;
    again := aibridge_sessions_lock(keys);
    -- Only now, or a call that somebody takes away meanwhile would come back.
    calls := aibridge_tool_calls(owners);
    PERFORM aibridge_tool_kinds_learn(calls);
    UPDATE aibridge_sessions s SET tool_kinds = aibridge_union(s.tool_kinds, t.tool_kinds)
    FROM aibridge_tool_kinds_of(calls) t
    WHERE s.session_id = t.session_id AND s.initiator_id = t.initiator_id
        AND NOT s.tool_kinds @> t.tool_kinds
        AND ROW(s.session_id, s.initiator_id)::aibridge_session_key <> ALL (again);
    PERFORM aibridge_sessions_recompute(again);
END
$$;

CREATE OR REPLACE FUNCTION aibridge_children_inserted()
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
    ELSIF TG_TABLE_NAME = 'aibridge_user_prompts' THEN
        PERFORM aibridge_sessions_add_prompts(ids, owners);
    ELSE
        PERFORM aibridge_sessions_add_tools(owners);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION aibridge_tool_usages_updated()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = auto SET work_mem = '64MB' SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    PERFORM aibridge_sessions_recompute(aibridge_sessions_of(ARRAY(
        SELECT interception_id FROM (
            SELECT id, interception_id, tool, true AS is_new FROM new_rows
            UNION ALL
            SELECT id, interception_id, tool, false FROM old_rows
        ) u
        GROUP BY id, interception_id, tool
        HAVING count(*) FILTER (WHERE is_new) <> count(*) FILTER (WHERE NOT is_new)
    )));
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION aibridge_children_truncated()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = auto SET work_mem = '64MB' SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'aibridge_token_usages' THEN
        UPDATE aibridge_sessions SET input_tokens = 0, output_tokens = 0,
            cache_read_input_tokens = 0, cache_write_input_tokens = 0, token_metadata = '{}';
    ELSIF TG_TABLE_NAME = 'aibridge_user_prompts' THEN
        UPDATE aibridge_sessions SET last_prompt_at = NULL, last_prompt_id = NULL;
    ELSE
        UPDATE aibridge_sessions SET tool_kinds = '{}';
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION aibridge_child_replicated()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = auto SET work_mem = '64MB' SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF TG_TABLE_NAME = 'aibridge_token_usages' THEN
            PERFORM aibridge_sessions_add_tokens(ARRAY[NEW.id], ARRAY[NEW.interception_id]);
        ELSIF TG_TABLE_NAME = 'aibridge_user_prompts' THEN
            PERFORM aibridge_sessions_add_prompts(ARRAY[NEW.id], ARRAY[NEW.interception_id]);
        ELSE
            PERFORM aibridge_sessions_add_tools(ARRAY[NEW.interception_id]);
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

CREATE TRIGGER aibridge_sessions_inserted AFTER INSERT ON aibridge_tool_usages
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_children_inserted();

CREATE TRIGGER aibridge_sessions_updated AFTER UPDATE ON aibridge_tool_usages
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_tool_usages_updated();

CREATE TRIGGER aibridge_sessions_deleted AFTER DELETE ON aibridge_tool_usages
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_children_deleted();

CREATE TRIGGER aibridge_sessions_truncated AFTER TRUNCATE ON aibridge_tool_usages
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_children_truncated();

CREATE TRIGGER aibridge_sessions_replicated AFTER INSERT OR UPDATE OR DELETE
ON aibridge_tool_usages
FOR EACH ROW EXECUTE FUNCTION aibridge_child_replicated();

ALTER TABLE aibridge_tool_usages
    ENABLE ALWAYS TRIGGER aibridge_sessions_truncated,
    ENABLE REPLICA TRIGGER aibridge_sessions_replicated;

-- How many sessions called a tool, by initiator and by the kinds of the interceptions that called it;
-- as `aibridge_session_counts` is kept, which revision 0005 tells.
CREATE TABLE aibridge_tool_counts (
    id bigint GENERATED ALWAYS AS IDENTITY,
    tool text NOT NULL,
    initiator_id uuid NOT NULL,
    kinds integer[] NOT NULL,
    sessions bigint NOT NULL,
    CONSTRAINT pk_aibridge_tool_counts PRIMARY KEY (id)
) WITH (fillfactor = 80);

CREATE INDEX ix_aibridge_tool_counts_key
ON aibridge_tool_counts (tool, initiator_id, hash_array(kinds));

-- Add these numbers of sessions, in one step for thousands; each combination is in it once. Nobody is
-- waited for: a row that another holds is passed over, and one that came to nothing is our own.
CREATE FUNCTION aibridge_tool_counts_add(changes aibridge_tool_counts[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(changes) = 0 THEN
        RETURN;
    END IF;
    WITH free AS MATERIALIZED (
        SELECT f.id, n.tool, n.initiator_id, n.kinds, n.sessions
        FROM unnest(changes) n
        LEFT JOIN LATERAL (
            SELECT c.id
            FROM aibridge_tool_counts c
            WHERE c.tool = n.tool AND c.initiator_id = n.initiator_id AND c.kinds = n.kinds
                AND hash_array(c.kinds) = hash_array(n.kinds)
            LIMIT 1
            FOR NO KEY UPDATE SKIP LOCKED
        ) f ON true
    ), taken AS (
        UPDATE aibridge_tool_counts c SET sessions = c.sessions + f.sessions
        FROM free f
        WHERE c.id = f.id
    )
    INSERT INTO aibridge_tool_counts (tool, initiator_id, kinds, sessions)
    SELECT f.tool, f.initiator_id, f.kinds, f.sessions FROM free f WHERE f.id IS NULL;
    IF EXISTS (SELECT FROM unnest(changes) n WHERE n.sessions < 0) THEN
        DELETE FROM aibridge_tool_counts c
        USING unnest(changes) n
        WHERE n.sessions < 0 AND c.tool = n.tool AND c.initiator_id = n.initiator_id
            AND c.kinds = n.kinds AND hash_array(c.kinds) = hash_array(n.kinds) AND c.sessions = 0;
    END IF;
END
$$;

-- These tool kinds by tool: the kinds of each.
CREATE FUNCTION aibridge_kinds_by_tool(ids integer[])
RETURNS TABLE (tool text, kinds integer[]) STABLE LANGUAGE sql AS $$
SELECT t.tool, array_agg(t.kind ORDER BY t.kind)
FROM aibridge_tool_kinds t
WHERE t.id = ANY (ids)
GROUP BY t.tool
$$;

CREATE FUNCTION aibridge_sessions_tools_inserted()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    PERFORM aibridge_tool_counts_add(ARRAY(
        SELECT ROW(NULL, t.tool, s.initiator_id, t.kinds, count(*))::aibridge_tool_counts
        FROM new_rows s CROSS JOIN LATERAL aibridge_kinds_by_tool(s.tool_kinds) t
        GROUP BY t.tool, s.initiator_id, t.kinds
    ));
    RETURN NULL;
END
$$;

CREATE FUNCTION aibridge_sessions_tools_updated()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    PERFORM aibridge_tool_counts_add(ARRAY(
        SELECT ROW(NULL, c.tool, c.initiator_id, c.kinds, sum(c.sessions))::aibridge_tool_counts
        FROM (
            SELECT o.tool, OLD.initiator_id, o.kinds, -1 AS sessions
            FROM aibridge_kinds_by_tool(OLD.tool_kinds) o
            UNION ALL
            SELECT n.tool, NEW.initiator_id, n.kinds, 1
            FROM aibridge_kinds_by_tool(NEW.tool_kinds) n
        ) c
        GROUP BY c.tool, c.initiator_id, c.kinds
        HAVING sum(c.sessions) <> 0
    ));
    RETURN NULL;
END
$$;

CREATE FUNCTION aibridge_sessions_tools_deleted()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    PERFORM aibridge_tool_counts_add(ARRAY(
        SELECT ROW(NULL, t.tool, s.initiator_id, t.kinds, -count(*))::aibridge_tool_counts
        FROM old_rows s CROSS JOIN LATERAL aibridge_kinds_by_tool(s.tool_kinds) t
        GROUP BY t.tool, s.initiator_id, t.kinds
    ));
    RETURN NULL;
END
$$;

CREATE FUNCTION aibridge_sessions_tools_truncated()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE aibridge_tool_counts;
    RETURN NULL;
END
$$;

-- What is there is filled in before the triggers that would count each session by itself.
CREATE TEMPORARY TABLE aibridge_calls_before ON COMMIT DROP AS
SELECT DISTINCT i.session_id, i.initiator_id, u.tool, k.id AS kind
FROM aibridge_tool_usages u
JOIN aibridge_interceptions i ON i.id = u.interception_id
JOIN aibridge_kinds k ON k.provider = i.provider AND k.provider_name = i.provider_name
    AND k.model = i.model AND k.client = COALESCE(i.client, 'Unknown')
    AND k.credential_kind = i.credential_kind::text
WHERE i.ended_at IS NOT NULL;

INSERT INTO aibridge_tool_kinds (tool, kind)
SELECT DISTINCT tool, kind FROM aibridge_calls_before ORDER BY tool, kind;

ANALYZE aibridge_calls_before, aibridge_tool_kinds;

UPDATE aibridge_sessions s SET tool_kinds = t.tool_kinds
FROM (
    SELECT c.session_id, c.initiator_id, array_agg(t.id ORDER BY t.id) AS tool_kinds
    FROM aibridge_calls_before c
    JOIN aibridge_tool_kinds t ON t.tool = c.tool AND t.kind = c.kind
    GROUP BY c.session_id, c.initiator_id
) t
WHERE s.session_id = t.session_id AND s.initiator_id = t.initiator_id;

INSERT INTO aibridge_tool_counts (tool, initiator_id, kinds, sessions)
SELECT c.tool, c.initiator_id, c.kinds, count(*)
FROM (
    SELECT tool, initiator_id, array_agg(kind ORDER BY kind) AS kinds
    FROM aibridge_calls_before
    GROUP BY session_id, initiator_id, tool
) c
GROUP BY c.tool, c.initiator_id, c.kinds;

CREATE TRIGGER aibridge_sessions_tools_inserted AFTER INSERT ON aibridge_sessions
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_sessions_tools_inserted();

CREATE TRIGGER aibridge_sessions_tools_updated AFTER UPDATE ON aibridge_sessions
FOR EACH ROW
WHEN (OLD.tool_kinds <> NEW.tool_kinds OR OLD.initiator_id <> NEW.initiator_id)
EXECUTE FUNCTION aibridge_sessions_tools_updated();

CREATE TRIGGER aibridge_sessions_tools_deleted AFTER DELETE ON aibridge_sessions
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_sessions_tools_deleted();

CREATE TRIGGER aibridge_sessions_tools_truncated AFTER TRUNCATE ON aibridge_sessions
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_sessions_tools_truncated();

ALTER TABLE aibridge_sessions
    ENABLE ALWAYS TRIGGER aibridge_sessions_tools_inserted,
    ENABLE ALWAYS TRIGGER aibridge_sessions_tools_updated,
    ENABLE ALWAYS TRIGGER aibridge_sessions_tools_deleted,
    ENABLE ALWAYS TRIGGER aibridge_sessions_tools_truncated;

CREATE INDEX ix_aibridge_sessions_tool_kinds ON aibridge_sessions USING gin (tool_kinds);

-- As for `kinds`, so that the planner knows what is rare for rare.
ALTER TABLE aibridge_sessions ALTER COLUMN tool_kinds SET STATISTICS 1000;

ANALYZE aibridge_sessions, aibridge_tool_counts
