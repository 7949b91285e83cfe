-- What the lab and the processes' gates say to each other.

-- name: arm^
-- Arm a fault, and tell whoever listens.
WITH listed AS (UPDATE lab.fault_list SET version = version + 1 RETURNING version),
armed AS (
    INSERT INTO lab.faults
        (kind, step, side, order_id, attempt, probability, seed, seconds, times, times_per_order, owner)
    VALUES (:kind, nullif(:step, ''), nullif(:side, ''), :order_id, :attempt, :probability, :seed, :seconds, :times,
            :times_per_order, :owner)
    RETURNING id
)
SELECT armed.id, listed.version, pg_notify('lab_faults', '') FROM armed, listed;

-- name: disarm^
-- Take a fault away, or all of them, and release whoever is halted by them.
WITH listed AS (UPDATE lab.fault_list SET version = version + 1 RETURNING version),
gone AS (DELETE FROM lab.faults WHERE :fault_id::bigint IS NULL OR id = :fault_id RETURNING id),
released AS (
    UPDATE lab.halts SET released_at = clock_timestamp(), reason = 'its fault was taken away'
    WHERE released_at IS NULL AND (:fault_id::bigint IS NULL OR fault_id = :fault_id)
)
SELECT version, pg_notify('lab_faults', ''), pg_notify('lab_releases', '') FROM listed;

-- name: behind
-- Processes that listen and have not taken in this version of the list. A connection that is gone listens no more.
SELECT process, pid FROM lab.listeners WHERE version < :version AND lab.is_connected(backend, server);

-- name: listening
-- Processes that listen.
SELECT DISTINCT process FROM lab.listeners WHERE lab.is_connected(backend, server) ORDER BY process;

-- name: armed
-- The faults that can still fire, in the order in which they were armed.
SELECT id, kind, step, side, order_id, attempt, probability, seed, seconds, times, times_per_order, fired
FROM lab.faults WHERE times IS NULL OR fired < times ORDER BY id;

-- name: take_in^
-- A process has the list as of now: it says so, and gets it.
WITH gone AS (
    DELETE FROM lab.listeners WHERE backend <> pg_backend_pid() AND NOT lab.is_connected(backend, server)
), listed AS (SELECT version FROM lab.fault_list),
told AS (
    INSERT INTO lab.listeners (backend, server, process, pid, life, version)
    SELECT pg_backend_pid(), pg_postmaster_start_time(), :process, :pid, :life, version FROM listed
    ON CONFLICT (backend) DO UPDATE SET server = EXCLUDED.server, process = EXCLUDED.process, pid = EXCLUDED.pid,
        life = EXCLUDED.life, version = EXCLUDED.version
)
SELECT coalesce(jsonb_agg(to_jsonb(f) ORDER BY f.id) FILTER (WHERE f.id IS NOT NULL), '[]') AS faults,
       pg_notify('lab_acks', '') FROM listed
LEFT JOIN lab.faults f ON f.times IS NULL OR f.fired < f.times;

-- name: fire^
-- Take one of a fault's firings, if one is left, and record it.
SELECT lab.fire(:fault_id, :order_id, :step, :side, :attempt, :process, :pid, :unwritten);

-- name: record_firing!
-- What was done to a process or a server.
INSERT INTO lab.firings (kind, process) VALUES (:kind, :process);

-- name: firings
-- What has fired, oldest first.
SELECT id, kind, order_id, step, side, attempt, process, pid, fired_at FROM lab.firings
WHERE :order_id::text IS NULL OR order_id = :order_id ORDER BY id;

-- name: fired_at_order^
-- What has fired at an order, as the API tells it.
SELECT lab.fired_at_order(:order_id);

-- name: halt^
-- An order is halted here.
WITH halted AS (
    INSERT INTO lab.halts (fault_id, order_id, step, side, attempt, process, pid, life, pending)
    VALUES (:fault_id, :order_id, :step, :side, :attempt, :process, :pid, :life, :pending) RETURNING id
)
SELECT id, pg_notify('lab_halts', id::text) FROM halted;

-- name: halts
-- Orders that are halted now, by the numbers of their steps.
SELECT id, fault_id, order_id, step, side, attempt, process, pid, pending, halted_at FROM lab.halted
WHERE alive AND (:order_id::text IS NULL OR order_id = :order_id)
ORDER BY substring(step from '^\d+')::integer, step, id;

-- name: release^
-- Let a halted order go on.
WITH released AS (
    UPDATE lab.halts SET released_at = clock_timestamp(), reason = :reason
    WHERE id = :halt_id AND released_at IS NULL RETURNING id
)
SELECT count(*) AS released, pg_notify('lab_releases', '') FROM released;

-- name: released
-- Which of these halts are over.
SELECT id FROM lab.halts WHERE id = ANY(:halts) AND released_at IS NOT NULL;

-- name: abandoned^
-- Whether whoever armed a fault is gone; its halts end then, and it fires no more.
WITH gone AS (
    UPDATE lab.faults SET times = fired
    WHERE id = :fault_id AND owner IS NOT NULL AND NOT lab.is_connected(owner, server)
    RETURNING id
)
SELECT EXISTS (SELECT FROM gone) AS abandoned, CASE WHEN EXISTS (SELECT FROM gone) THEN pg_notify('lab_faults', '') END;

-- name: record_crash!
-- The process in which this order is halted was killed there.
INSERT INTO lab.firings (fault_id, kind, order_id, step, side, attempt, process, pid, unwritten)
SELECT fault_id, 'crash', order_id, step, side, attempt, process, pid, pending FROM lab.halts WHERE id = :halt_id;
