-- How many sessions there are, by initiator and kinds, so that nobody reads all of them to count them.
-- Statements are set apart by an empty line.
--
-- The triggers stand on the rollup, not on what it is made of: whatever changes a session's row, the
-- counts change in the same transaction. Writers never wait here for one another: a count may have
-- several rows, whose sum it is, and a writer takes one that nobody holds, or adds one.
CREATE TABLE aibridge_session_counts (
    id bigint GENERATED ALWAYS AS IDENTITY,
    initiator_id uuid NOT NULL,
    kinds integer[] NOT NULL,
    sessions bigint NOT NULL,
    CONSTRAINT pk_aibridge_session_counts PRIMARY KEY (id)
) WITH (fillfactor = 80);

-- By their hash, since there is no limit to the kinds of a session, and one to a row of an index.
CREATE INDEX ix_aibridge_session_counts_key
ON aibridge_session_counts (initiator_id, hash_array(kinds));

CREATE FUNCTION aibridge_session_counts_add(initiator uuid, combination integer[], number bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    free bigint;
BEGIN
    SELECT c.id INTO free
    FROM aibridge_session_counts c
    WHERE c.initiator_id = initiator AND c.kinds = combination
        AND hash_array(c.kinds) = hash_array(combination)
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED;
    IF free IS NULL THEN
        INSERT INTO aibridge_session_counts (initiator_id, kinds, sessions)
        VALUES (initiator, combination, number);
    ELSE
        UPDATE aibridge_session_counts SET sessions = sessions + number WHERE id = free;
        IF number < 0 THEN
            DELETE FROM aibridge_session_counts WHERE id = free AND sessions = 0;
        END IF;
    END IF;
END
$$;

-- A session that is about to be computed for the first time has no kinds yet, and is not counted.
CREATE FUNCTION aibridge_sessions_inserted()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    PERFORM aibridge_session_counts_add(n.initiator_id, n.kinds, n.sessions)
    FROM (
        SELECT initiator_id, kinds, count(*) AS sessions
        FROM new_rows WHERE kinds <> '{}' GROUP BY initiator_id, kinds
    ) n;
    RETURN NULL;
END
$$;

CREATE FUNCTION aibridge_sessions_updated()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.kinds <> '{}' THEN
        PERFORM aibridge_session_counts_add(OLD.initiator_id, OLD.kinds, -1);
    END IF;
    IF NEW.kinds <> '{}' THEN
        PERFORM aibridge_session_counts_add(NEW.initiator_id, NEW.kinds, 1);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION aibridge_sessions_deleted()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    PERFORM aibridge_session_counts_add(o.initiator_id, o.kinds, -o.sessions)
    FROM (
        SELECT initiator_id, kinds, count(*) AS sessions
        FROM old_rows WHERE kinds <> '{}' GROUP BY initiator_id, kinds
    ) o;
    RETURN NULL;
END
$$;

CREATE FUNCTION aibridge_sessions_truncated()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE aibridge_session_counts;
    RETURN NULL;
END
$$;

CREATE TRIGGER aibridge_sessions_inserted AFTER INSERT ON aibridge_sessions
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_sessions_inserted();

-- For each row, so that most updates of a session cost no more than this comparison.
CREATE TRIGGER aibridge_sessions_updated AFTER UPDATE ON aibridge_sessions
FOR EACH ROW
WHEN (OLD.kinds <> NEW.kinds OR OLD.initiator_id <> NEW.initiator_id)
EXECUTE FUNCTION aibridge_sessions_updated();

CREATE TRIGGER aibridge_sessions_deleted AFTER DELETE ON aibridge_sessions
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_sessions_deleted();

CREATE TRIGGER aibridge_sessions_truncated AFTER TRUNCATE ON aibridge_sessions
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_sessions_truncated();

-- Also where replication writes: the rollup is written by triggers there too.
ALTER TABLE aibridge_sessions
    ENABLE ALWAYS TRIGGER aibridge_sessions_inserted,
    ENABLE ALWAYS TRIGGER aibridge_sessions_updated,
    ENABLE ALWAYS TRIGGER aibridge_sessions_deleted,
    ENABLE ALWAYS TRIGGER aibridge_sessions_truncated;

-- The triggers keep writers out until the end of this transaction.
INSERT INTO aibridge_session_counts (initiator_id, kinds, sessions)
SELECT initiator_id, kinds, count(*) FROM aibridge_sessions GROUP BY initiator_id, kinds;

ANALYZE aibridge_session_counts
