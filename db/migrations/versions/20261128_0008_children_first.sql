-- Lock these interceptions against a change of state; return the sessions of those that ended.
CREATE OR REPLACE FUNCTION aibridge_sessions_of(ids uuid[])
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
    -- Whoever says so writes these interceptions next, in this transaction: nobody else can end them
    -- without a clash of keys, and their own end finds the children.
    IF current_setting('aibridge.interceptions_follow', true) = 'on' THEN
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
