-- The tables of the lab. Applied by the owner at every start; running it again changes nothing.

-- What is for sale. `reserved` is what CONFIRMED and in-flight orders hold; the CHECK is why nobody can oversell.
CREATE TABLE IF NOT EXISTS products (
    sku      text PRIMARY KEY,
    name     text NOT NULL,
    price    numeric(12, 2) NOT NULL CHECK (price >= 0),
    on_hand  integer NOT NULL CHECK (on_hand >= 0),
    reserved integer NOT NULL DEFAULT 0 CHECK (reserved BETWEEN 0 AND on_hand)
) WITH (fillfactor = 50); -- a hot row is updated in place

-- One row an order. `request` is what the client asked, kept to tell a retry from a conflict.
CREATE TABLE IF NOT EXISTS orders (
    order_id                   text PRIMARY KEY,
    seq                        bigint GENERATED ALWAYS AS IDENTITY UNIQUE, -- paging: newest first
    subject                    text NOT NULL,                              -- the token's subject that created it
    status                     text NOT NULL DEFAULT 'RECEIVED'
                               CHECK (status IN ('RECEIVED', 'INVENTORY_RESERVED', 'CONFIRMED', 'REJECTED')),
    rejection_reason           text CHECK (rejection_reason IN ('out_of_stock', 'payment_declined')),
    customer_name              text NOT NULL,
    customer_email             text NOT NULL,
    payment_token              text NOT NULL,
    total                      numeric(12, 2) NOT NULL CHECK (total >= 0),
    currency                   text NOT NULL,
    design_outbox              boolean NOT NULL,
    design_idempotent_consumer boolean NOT NULL,
    request                    jsonb NOT NULL,
    traceparent                text NOT NULL,
    deliveries                 integer NOT NULL DEFAULT 0, -- of its OrderCreated to the worker
    created_at                 timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at                 timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((status = 'REJECTED') = (rejection_reason IS NOT NULL))
) WITH (fillfactor = 70);

CREATE TABLE IF NOT EXISTS order_items (
    order_id text NOT NULL REFERENCES orders ON DELETE CASCADE,
    line     integer NOT NULL,
    sku      text NOT NULL REFERENCES products,
    quantity integer NOT NULL CHECK (quantity > 0),
    price    numeric(12, 2) NOT NULL, -- as it was when the order was placed
    PRIMARY KEY (order_id, line)
);

-- The simulated gateway's own ledger: one row a charge. Two charges under one idempotency key can't be.
CREATE TABLE IF NOT EXISTS payments (
    payment_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id        text NOT NULL,
    idempotency_key text UNIQUE, -- null: the caller sent none (design without an idempotent consumer)
    amount          numeric(12, 2) NOT NULL,
    currency        text NOT NULL,
    payment_token   text NOT NULL,
    charged_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS payments_order_id ON payments (order_id);

-- One row an audience and event: pending until its webhook is delivered, or given up with a reason.
CREATE TABLE IF NOT EXISTS notifications (
    event_id     uuid PRIMARY KEY, -- the message's id, and the webhook's
    order_id     text NOT NULL,
    audience     text NOT NULL CHECK (audience IN ('operations', 'customer')),
    type         text NOT NULL,
    status       text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
    reason       text,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS notifications_order_id ON notifications (order_id);

-- Messages that were decided on in the same transaction as the row they tell of. The relay sends what nobody else has.
CREATE TABLE IF NOT EXISTS outbox (
    event_id     uuid PRIMARY KEY,
    seq          bigint GENERATED ALWAYS AS IDENTITY,
    order_id     text NOT NULL,
    attempt      integer NOT NULL,
    type         text NOT NULL,
    source       text NOT NULL,
    data         jsonb NOT NULL,
    traceparent  text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at timestamptz -- confirmed by the broker
);
CREATE INDEX IF NOT EXISTS outbox_unpublished ON outbox (seq) WHERE published_at IS NULL;

-- The journal: every step that happened to an order. No foreign key: what happened is written down whatever it was.
-- `event_id` is given by whoever performed the step, so that an event that is sent twice stands here once.
CREATE TABLE IF NOT EXISTS order_events (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id   text NOT NULL,
    event_id   uuid NOT NULL DEFAULT gen_random_uuid(),
    step       smallint NOT NULL,      -- 1 to 19
    part       text,                   -- beyond the nineteen: c of 15c, a and b of 18a and 18b
    name       text NOT NULL,
    outcome    text NOT NULL,
    lane       text NOT NULL,          -- where the arrow starts
    attempt    integer NOT NULL,       -- which delivery of the message
    trace_id   text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz NOT NULL,
    data       jsonb NOT NULL DEFAULT '{}'
);
ALTER TABLE order_events ADD COLUMN IF NOT EXISTS event_id uuid NOT NULL DEFAULT gen_random_uuid();
DROP INDEX IF EXISTS order_events_order_id; -- of the first version; this one serves both
CREATE UNIQUE INDEX IF NOT EXISTS order_events_once ON order_events (order_id, event_id);

-- Steps that a client has reported of an order that is not there yet. The order's insert takes them into the journal.
CREATE TABLE IF NOT EXISTS early_events (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id    text NOT NULL,
    subject     text NOT NULL, -- the token's subject that reported it
    event_id    uuid NOT NULL,
    event       jsonb NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (order_id, subject, event_id)
);

-- The lab's own: what is armed, what has fired, who is halted, and who listens.
CREATE SCHEMA IF NOT EXISTS lab;

-- One row a fault that was armed. It is spent when it has fired as often as it may.
CREATE TABLE IF NOT EXISTS lab.faults (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL,
    step        text,              -- a label such as 9 or 15c; null: every step
    side        text,              -- before or after; null: both
    order_id    text,              -- a pattern as of a shell; null: every order
    attempt     integer,           -- which delivery; null: each
    probability double precision NOT NULL DEFAULT 1,
    seed        bigint NOT NULL DEFAULT 0,
    seconds     double precision NOT NULL DEFAULT 0,
    times       integer,           -- how often it may fire; null: always
    fired       integer NOT NULL DEFAULT 0,
    owner       integer,           -- the database connection of whoever armed it; when that is gone its halts end
    armed_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE lab.faults ADD COLUMN IF NOT EXISTS times_per_order integer; -- how often for one order; null: always
-- Connections are known by a number that begins again when the server does, so its start goes with it.
ALTER TABLE lab.faults ADD COLUMN IF NOT EXISTS server timestamptz NOT NULL DEFAULT pg_postmaster_start_time();

-- One row a firing: of a fault at a gate, or of what was done to a process or server (step is null).
CREATE TABLE IF NOT EXISTS lab.firings (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fault_id bigint,
    kind     text NOT NULL,
    order_id text,
    step     text,
    side     text,
    attempt  integer,
    process  text NOT NULL,
    pid      integer,
    fired_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE lab.firings ADD COLUMN IF NOT EXISTS unwritten jsonb NOT NULL DEFAULT '[]'; -- a crash: events lost with it
CREATE INDEX IF NOT EXISTS firings_order ON lab.firings (fault_id, order_id);
CREATE INDEX IF NOT EXISTS firings_of_order ON lab.firings (order_id);

-- One row an order that is halted at a gate, until it is released; `pending` holds events not yet in the journal.
CREATE TABLE IF NOT EXISTS lab.halts (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fault_id    bigint NOT NULL,
    order_id    text NOT NULL,
    step        text NOT NULL,
    side        text NOT NULL,
    attempt     integer NOT NULL,
    process     text NOT NULL,
    pid         integer NOT NULL,
    pending     jsonb NOT NULL,
    halted_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    released_at timestamptz,
    reason      text           -- why it was released: by whom, or because nobody was there any more
);
ALTER TABLE lab.halts ADD COLUMN IF NOT EXISTS life uuid; -- of the process; its pid can be another's after a restart

-- Who listens for faults, by the connection it listens with, and the newest fault list it has taken in.
CREATE TABLE IF NOT EXISTS lab.listeners (
    backend integer PRIMARY KEY,
    process text NOT NULL,
    pid     integer NOT NULL,
    version bigint NOT NULL
);
ALTER TABLE lab.listeners ADD COLUMN IF NOT EXISTS server timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE lab.listeners ADD COLUMN IF NOT EXISTS life uuid; -- one for each time that a process runs

-- Whether a connection of that number, to the server that was started then, is still there.
CREATE OR REPLACE FUNCTION lab.is_connected(backend integer, server_started timestamptz) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT server_started = pg_postmaster_start_time() AND EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = backend)
$$;

-- Orders that are halted now; not `alive`: by a process that was killed there.
CREATE OR REPLACE VIEW lab.halted AS
SELECT EXISTS (SELECT FROM lab.listeners l WHERE l.life = h.life AND lab.is_connected(l.backend, l.server)) AS alive, h.*
FROM lab.halts h WHERE released_at IS NULL;

-- What the tables say of an order that is judged: how it stands, its charges, what it wants, its notifications and
-- messages, who is halted with it, and what has fired. Its journal is read beside it.
CREATE OR REPLACE VIEW lab.evidence AS
SELECT o.order_id, o.status, o.deliveries, o.design_outbox, o.design_idempotent_consumer,
       (SELECT count(*) FROM payments p WHERE p.order_id = o.order_id) AS charges,
       (SELECT coalesce(sum(quantity), 0) FROM order_items i WHERE i.order_id = o.order_id) AS wants,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('id', event_id, 'audience', audience, 'status', n.status,
                                                     'reason', reason) ORDER BY n.created_at, audience), '[]')
        FROM notifications n WHERE n.order_id = o.order_id) AS notifications,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('type', type, 'audience', data ->> 'audience',
                                                     'published', published_at IS NOT NULL) ORDER BY b.seq), '[]')
        FROM outbox b WHERE b.order_id = o.order_id) AS outbox
FROM orders o;

-- What has fired at an order, oldest first, as JSON. Pauses are no faults: they are how an order is looked at.
CREATE OR REPLACE FUNCTION lab.fired_at_order(of_order text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'step', step, 'side', side, 'attempt', attempt,
                                                 'process', process, 'at', fired_at, 'unwritten', unwritten)
                              ORDER BY id), '[]')
    FROM lab.firings WHERE order_id = of_order AND kind <> 'pause'
$$;

-- Where an order is halted now, by a process that is still there, as JSON.
CREATE OR REPLACE FUNCTION lab.halted_at(of_order text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('step', step, 'side', side, 'process', process) ORDER BY id), '[]')
    FROM lab.halted WHERE order_id = of_order AND alive
$$;

-- Take one of a fault's firings and record it: its number, or nothing if none is left. The fault's row is locked first,
-- so that what is counted afterwards is all there is, whichever process has fired it. `not_written`: the events that the
-- process has in memory alone, as JSON.
DROP FUNCTION IF EXISTS lab.fire(bigint, text, text, text, integer, text, integer); -- of an earlier version
CREATE OR REPLACE FUNCTION lab.fire(
    fault bigint, of_order text, at_step text, at_side text, delivery integer, by_process text, by_pid integer,
    not_written jsonb)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    armed lab.faults;
    firing bigint;
BEGIN
    SELECT * INTO armed FROM lab.faults WHERE id = fault AND (times IS NULL OR fired < times) FOR UPDATE;
    IF NOT FOUND OR armed.times_per_order <=
        (SELECT count(*) FROM lab.firings f WHERE f.fault_id = fault AND f.order_id = of_order) THEN
        RETURN NULL;
    END IF;
    UPDATE lab.faults SET fired = fired + 1 WHERE id = fault;
    INSERT INTO lab.firings (fault_id, kind, order_id, step, side, attempt, process, pid, unwritten)
    VALUES (fault, armed.kind, of_order, at_step, at_side, delivery, by_process, by_pid,
            CASE armed.kind WHEN 'crash' THEN not_written ELSE '[]' END) RETURNING id INTO firing;
    PERFORM pg_notify('lab_firings', firing::text);
    PERFORM pg_notify('order_events', of_order); -- whoever looks at the order sees it, too
    IF armed.fired + 1 = armed.times THEN
        PERFORM pg_notify('lab_faults', '');
    END IF;
    RETURN firing;
END $$;

-- Who listens on `order_events`, by the connection it listens with. Notifying makes commits wait for each other and
-- wakes every listener of the database, so it is done for somebody alone. Rows of the dead go with time.
CREATE TABLE IF NOT EXISTS lab.watchers (
    backend integer NOT NULL,
    server  timestamptz NOT NULL DEFAULT pg_postmaster_start_time(),
    PRIMARY KEY (backend, server)
);

-- Called by a connection that has said LISTEN order_events: who records something from now on tells it, until it closes.
-- Who has looked a moment before and has yet to commit does not: that is what lab.silent_writers is for.
CREATE OR REPLACE FUNCTION lab.watch() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    INSERT INTO lab.watchers VALUES (pg_backend_pid()) ON CONFLICT DO NOTHING
$$;

-- Transactions that go on and have looked who watches; of those given, if some are. Once none of those that there were
-- after lab.watch() is left, everything that nobody was told of can be seen. Nobody waits for them: they may be stuck.
CREATE OR REPLACE FUNCTION lab.silent_writers(of text[] DEFAULT NULL) RETURNS text[] LANGUAGE sql AS $$
    SELECT coalesce(array_agg(virtualtransaction), '{}') FROM pg_locks
    WHERE relation = 'lab.watchers'::regclass AND pid <> pg_backend_pid()
    AND (of IS NULL OR virtualtransaction = ANY(of))
$$;

-- Tell them of these orders. Now and then it is seen whether they are still there; whose row another one looks at is
-- left to it.
CREATE OR REPLACE FUNCTION lab.tell_watchers(order_ids text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM pg_notify('order_events', told) FROM unnest(order_ids) AS told;
    IF random() < 0.05 THEN
        DELETE FROM lab.watchers w USING (
            SELECT backend, server FROM lab.watchers
            WHERE NOT lab.is_connected(backend, server) FOR UPDATE SKIP LOCKED) AS gone
        WHERE (w.backend, w.server) = (gone.backend, gone.server);
    END IF;
END $$;

-- One row: the version of the fault list. Whoever arms or clears counts it up, and so waits for whoever does so too.
CREATE TABLE IF NOT EXISTS lab.fault_list (version bigint NOT NULL);
INSERT INTO lab.fault_list SELECT 0 WHERE NOT EXISTS (SELECT FROM lab.fault_list);

-- Every legal move of an order's status; the same table as orderlab/order.py, held together by a test.
CREATE OR REPLACE FUNCTION refuse_illegal_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.status, NEW.status) IN (
        ('RECEIVED', 'INVENTORY_RESERVED'),  -- 14: stock set aside
        ('RECEIVED', 'REJECTED'),            -- 16: out of stock
        ('INVENTORY_RESERVED', 'CONFIRMED'), -- 16: paid
        ('INVENTORY_RESERVED', 'REJECTED')   -- 16: payment declined
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'an order can''t move from % to %', OLD.status, NEW.status USING ERRCODE = 'check_violation';
END $$;
CREATE OR REPLACE TRIGGER orders_transition BEFORE UPDATE OF status ON orders
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION refuse_illegal_transition();

-- Write a batch of events, given as a JSON array; those that are in the journal already stay as they are. An event
-- without `ended_at` belongs to the statement that calls this: it ends now, with the open_outcome and open_attempt
-- given; one without a trace gets the order's. Whoever watches (lab.watch) hears the order's id on `order_events`.
CREATE OR REPLACE FUNCTION record_events(
    events jsonb, open_outcome text DEFAULT NULL, open_attempt integer DEFAULT NULL, order_trace text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    written bigint;
BEGIN
    INSERT INTO order_events
        (order_id, event_id, step, part, name, outcome, lane, attempt, trace_id, started_at, ended_at, data)
    SELECT e.order_id, e.event_id, e.step, e.part, e.name,
           CASE WHEN e.ended_at IS NOT NULL OR (e.part = 'c' AND open_outcome = 'rejected') THEN e.outcome
                ELSE coalesce(open_outcome, e.outcome) END, -- 15c itself goes well when the order is rejected
           e.lane,
           CASE WHEN e.ended_at IS NULL THEN coalesce(open_attempt, e.attempt) ELSE e.attempt END,
           coalesce(e.trace_id, order_trace), e.started_at, coalesce(e.ended_at, clock_timestamp()), coalesce(e.data, '{}')
    FROM jsonb_to_recordset(events) AS e (
        order_id text, event_id uuid, step smallint, part text, name text, outcome text, lane text, attempt integer,
        trace_id text, started_at timestamptz, ended_at timestamptz, data jsonb)
    ON CONFLICT (order_id, event_id) DO NOTHING;
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written > 0 AND EXISTS (SELECT FROM lab.watchers) THEN
        PERFORM lab.tell_watchers(ARRAY(SELECT DISTINCT e ->> 'order_id' FROM jsonb_array_elements(events) AS e));
    END IF;
    RETURN written;
END $$;

-- One report and the insert of its order wait for each other, so that no report falls between the insert's look at
-- `early_events` and its commit. A hash that two orders share makes them wait, and no more.
CREATE OR REPLACE FUNCTION lock_early_events(of_order text) RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtextextended('early events of ' || of_order, 0))
$$;

-- 8: what the order's creator has reported of it so far, as a JSON array; it leaves `early_events` with this.
CREATE OR REPLACE FUNCTION take_early_events(of_order text, of_subject text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    taken jsonb;
BEGIN
    PERFORM lock_early_events(of_order);
    WITH gone AS (DELETE FROM early_events WHERE order_id = of_order AND subject = of_subject RETURNING id, event)
    SELECT coalesce(jsonb_agg(event ORDER BY id), '[]') INTO taken FROM gone;
    RETURN taken;
END $$;

-- Steps that a client reports: 'recorded' where the order is its own, 'refused' where it is somebody else's, 'held'
-- where there is no such order yet. Held are at most `most_each` steps per order and subject ('full' beyond that) and
-- `most` in all; the oldest give way.
CREATE OR REPLACE FUNCTION report_events(of_order text, of_subject text, events jsonb, most_each integer, most integer)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found_order record;
    held integer;
BEGIN
    FOR look IN 1..2 LOOP -- the second time holding the lock
        SELECT subject, substr(traceparent, 4, 32) AS trace INTO found_order FROM orders WHERE order_id = of_order;
        IF FOUND THEN
            IF found_order.subject <> of_subject THEN
                RETURN 'refused';
            END IF;
            PERFORM record_events(events, order_trace => found_order.trace);
            RETURN 'recorded';
        END IF;
        IF look = 1 THEN
            PERFORM lock_early_events(of_order);
        END IF;
    END LOOP;
    SELECT count(*) INTO held FROM early_events WHERE order_id = of_order AND subject = of_subject;
    IF held + jsonb_array_length(events) > most_each THEN
        RETURN 'full';
    END IF;
    INSERT INTO early_events (order_id, subject, event_id, event)
    SELECT of_order, of_subject, (e ->> 'event_id')::uuid, e FROM jsonb_array_elements(events) AS e
    ON CONFLICT DO NOTHING;
    DELETE FROM early_events WHERE id <= (SELECT id FROM early_events ORDER BY id DESC OFFSET most LIMIT 1);
    RETURN 'held';
END $$;

-- Set an order's items aside (1) or give them back (-1). Rows are locked in the order of their skus, so that two
-- orders never wait for each other in a circle. NO KEY: the foreign key of `order_items` locks products too, in the
-- client's order of lines, and these two kinds of lock do not exclude each other. `products_reserved_check` refuses
-- what isn't there.
CREATE OR REPLACE FUNCTION move_reservation(of_order text, direction integer)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM products p JOIN order_items i USING (sku) WHERE i.order_id = of_order ORDER BY p.sku
    FOR NO KEY UPDATE OF p;
    UPDATE products p SET reserved = p.reserved + direction * i.quantity
    FROM order_items i WHERE i.order_id = of_order AND p.sku = i.sku;
END $$;

-- 14: RECEIVED → INVENTORY_RESERVED, with the stock. Without an idempotent consumer (`again`) the stock is taken
-- whatever the order's status is. Where another delivery has meanwhile found it out of stock, that is the outcome.
CREATE OR REPLACE FUNCTION reserve_inventory(of_order text, again boolean, events jsonb)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    went text := 'ok';
BEGIN
    UPDATE orders SET status = 'INVENTORY_RESERVED', updated_at = clock_timestamp()
    WHERE order_id = of_order AND status = 'RECEIVED';
    IF FOUND OR again THEN
        PERFORM move_reservation(of_order, 1);
    ELSE
        SELECT CASE rejection_reason WHEN 'out_of_stock' THEN 'out_of_stock' ELSE 'already_done' END INTO went
        FROM orders WHERE order_id = of_order;
    END IF;
    PERFORM record_events(events, went);
    RETURN went;
END $$;

-- 16: the order's last move, with the notifications and messages that tell of it; when payment was declined the stock
-- goes back first (`release`, 15c). `again`: whatever the order's status is. `went` is how 16 ends when it does move.
CREATE OR REPLACE FUNCTION settle_order(
    of_order text, from_status text, to_status text, reason text, again boolean, release boolean,
    messages jsonb, by_outbox boolean, delivery integer, went text, events jsonb)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE orders SET status = to_status, rejection_reason = reason, updated_at = clock_timestamp()
    WHERE order_id = of_order AND status = from_status;
    IF NOT (FOUND OR again) THEN
        PERFORM record_events(events, 'already_done');
        RETURN 'already_done';
    END IF;
    IF release THEN
        PERFORM move_reservation(of_order, -1);
    END IF;
    INSERT INTO notifications (event_id, order_id, audience, type)
    SELECT m.event_id, of_order, m.data ->> 'audience', m.data ->> 'type'
    FROM jsonb_to_recordset(messages) AS m (event_id uuid, type text, data jsonb) WHERE m.type = 'Notification';
    IF by_outbox THEN
        INSERT INTO outbox (event_id, order_id, attempt, type, source, data, traceparent)
        SELECT m.event_id, of_order, delivery, m.type, m.source, m.data, m.traceparent
        FROM jsonb_to_recordset(messages) AS m (event_id uuid, type text, source text, data jsonb, traceparent text);
    END IF;
    PERFORM record_events(events, went);
    RETURN went;
END $$;
