-- How many interceptions have ended, by initiator and kind, so that nobody reads all of them to count
-- them. Statements are set apart by an empty line.
--
-- A count may have several rows, whose sum it is: a writer takes one that nobody holds, or adds one,
-- as for the counts of sessions (revision 0005). Each write adds what it changed itself, so no lock
-- is needed beyond that. Provider, model and so on are written out, so that a filter reads nothing else.
CREATE TABLE aibridge_interception_counts (
    id bigint GENERATED ALWAYS AS IDENTITY,
    initiator_id uuid NOT NULL,
    digest uuid NOT NULL,
    provider text NOT NULL,
    provider_name text NOT NULL,
    model text NOT NULL,
    client text NOT NULL,
    credential_kind text NOT NULL,
    interceptions bigint NOT NULL,
    CONSTRAINT pk_aibridge_interception_counts PRIMARY KEY (id)
) WITH (fillfactor = 80);

CREATE INDEX ix_aibridge_interception_counts_key
ON aibridge_interception_counts (initiator_id, digest, id);

-- A row that is written often has many versions behind it, which nobody can clear away while some
-- transaction is open. Read backward the index begins with the newest, and `ctid` leads to it.
CREATE FUNCTION aibridge_interception_counts_add(changes aibridge_interception_counts[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    change aibridge_interception_counts;
    place tid;
    number bigint;
BEGIN
    FOREACH change IN ARRAY changes LOOP
        change.digest := aibridge_kind(change.provider, change.provider_name, change.model,
            change.client, change.credential_kind);
        SELECT c.ctid INTO place
        FROM aibridge_interception_counts c
        WHERE c.initiator_id = change.initiator_id AND c.digest = change.digest
        ORDER BY c.id DESC
        LIMIT 1
        FOR NO KEY UPDATE SKIP LOCKED;
        UPDATE aibridge_interception_counts c
        SET interceptions = c.interceptions + change.interceptions
        WHERE c.ctid = place
        RETURNING c.ctid, c.interceptions INTO place, number;
        IF NOT FOUND THEN
            INSERT INTO aibridge_interception_counts (initiator_id, digest, provider, provider_name,
                model, client, credential_kind, interceptions)
            VALUES (change.initiator_id, change.digest, change.provider, change.provider_name,
                change.model, change.client, change.credential_kind, change.interceptions);
        ELSIF number = 0 THEN
            DELETE FROM aibridge_interception_counts c WHERE c.ctid = place;
        END IF;
    END LOOP;
END
$$;

CREATE FUNCTION aibridge_interceptions_counted()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off LANGUAGE plpgsql AS $$
DECLARE
    changes aibridge_interception_counts[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        changes := ARRAY(
            SELECT ROW(NULL, initiator_id, NULL, provider, provider_name, model,
                COALESCE(client, 'Unknown'), credential_kind::text,
                count(*))::aibridge_interception_counts
            FROM new_rows WHERE ended_at IS NOT NULL
            GROUP BY initiator_id, provider, provider_name, model, COALESCE(client, 'Unknown'),
                credential_kind
        );
    ELSIF TG_OP = 'DELETE' THEN
        changes := ARRAY(
            SELECT ROW(NULL, initiator_id, NULL, provider, provider_name, model,
                COALESCE(client, 'Unknown'), credential_kind::text,
                -count(*))::aibridge_interception_counts
            FROM old_rows WHERE ended_at IS NOT NULL
            GROUP BY initiator_id, provider, provider_name, model, COALESCE(client, 'Unknown'),
                credential_kind
        );
    ELSE
        changes := ARRAY(
            SELECT ROW(NULL, initiator_id, NULL, provider, provider_name, model, client,
                credential_kind::text, sum(number))::aibridge_interception_counts
            FROM (
                SELECT initiator_id, provider, provider_name, model,
                    COALESCE(client, 'Unknown') AS client, credential_kind, 1 AS number
                FROM new_rows WHERE ended_at IS NOT NULL
                UNION ALL
                SELECT initiator_id, provider, provider_name, model, COALESCE(client, 'Unknown'),
                    credential_kind, -1
                FROM old_rows WHERE ended_at IS NOT NULL
            ) c
            GROUP BY initiator_id, provider, provider_name, model, client, credential_kind
            HAVING sum(number) <> 0
        );
    END IF;
    -- The rollup, whose triggers fire later, demands it too: PostgreSQL itself would say less.
    IF cardinality(changes) > 0 AND TG_OP <> 'DELETE' THEN
        PERFORM aibridge_demand_read_committed();
    END IF;
    PERFORM aibridge_interception_counts_add(changes);
    RETURN NULL;
END
$$;

-- What replication writes comes row by row.
CREATE FUNCTION aibridge_interception_counted()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT
SET enable_seqscan = off LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.ended_at IS NOT NULL THEN
        PERFORM aibridge_interception_counts_add(ARRAY[ROW(NULL, OLD.initiator_id, NULL,
            OLD.provider, OLD.provider_name, OLD.model, COALESCE(OLD.client, 'Unknown'),
            OLD.credential_kind::text, -1)::aibridge_interception_counts]);
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.ended_at IS NOT NULL THEN
        PERFORM aibridge_interception_counts_add(ARRAY[ROW(NULL, NEW.initiator_id, NULL,
            NEW.provider, NEW.provider_name, NEW.model, COALESCE(NEW.client, 'Unknown'),
            NEW.credential_kind::text, 1)::aibridge_interception_counts]);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION aibridge_interceptions_uncounted()
RETURNS trigger SECURITY DEFINER SET search_path FROM CURRENT LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE aibridge_interception_counts;
    RETURN NULL;
END
$$;

-- They keep writers out until the end of this transaction.
CREATE TRIGGER aibridge_sessions_counted_inserted AFTER INSERT ON aibridge_interceptions
REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_interceptions_counted();

CREATE TRIGGER aibridge_sessions_counted_updated AFTER UPDATE ON aibridge_interceptions
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_interceptions_counted();

CREATE TRIGGER aibridge_sessions_counted_deleted AFTER DELETE ON aibridge_interceptions
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_interceptions_counted();

CREATE TRIGGER aibridge_sessions_counted_truncated AFTER TRUNCATE ON aibridge_interceptions
FOR EACH STATEMENT EXECUTE FUNCTION aibridge_interceptions_uncounted();

CREATE TRIGGER aibridge_sessions_counted_replicated
AFTER INSERT OR UPDATE OR DELETE ON aibridge_interceptions
FOR EACH ROW EXECUTE FUNCTION aibridge_interception_counted();

ALTER TABLE aibridge_interceptions
    ENABLE ALWAYS TRIGGER aibridge_sessions_counted_truncated,
    ENABLE REPLICA TRIGGER aibridge_sessions_counted_replicated;

INSERT INTO aibridge_interception_counts (initiator_id, digest, provider, provider_name, model,
    client, credential_kind, interceptions)
SELECT c.initiator_id,
    aibridge_kind(c.provider, c.provider_name, c.model, c.client, c.credential_kind),
    c.provider, c.provider_name, c.model, c.client, c.credential_kind, c.interceptions
FROM (
    SELECT initiator_id, provider, provider_name, model, COALESCE(client, 'Unknown') AS client,
        credential_kind::text AS credential_kind, count(*) AS interceptions
    FROM aibridge_interceptions
    WHERE ended_at IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5, 6
) c;

ANALYZE aibridge_interception_counts

-- Counts by times read an index alone, but for rows that no vacuum has seen: those of the last days,
-- which are asked for most, would wait for a fifth of the table.
ALTER TABLE aibridge_interceptions SET (
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_insert_scale_factor = 0.05
)
