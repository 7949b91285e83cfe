-- Each query is one round trip, and one transaction. `:events` is what happened before it and what it does itself.

-- name: check_idempotency^
-- 6, 7: the stored order with this id, if there is one, and the catalogue's prices of what is asked for.
SELECT o.order_id, o.subject, o.request, p.prices
FROM (SELECT coalesce(jsonb_object_agg(sku, price::text), '{}') AS prices
      FROM products WHERE sku = ANY(:skus)) p
LEFT JOIN orders o ON o.order_id = :order_id;

-- name: insert_order^
-- 8: the order, its items, its OrderCreated and the steps so far, those that were reported early among them; no row if
-- the id was taken meanwhile.
WITH placed AS (
    INSERT INTO orders (order_id, subject, customer_name, customer_email, payment_token, total, currency,
                        design_outbox, design_idempotent_consumer, request, traceparent, created_at, updated_at)
    VALUES (:order_id, :subject, :customer_name, :customer_email, :payment_token, :total, :currency,
            :design_outbox, :design_idempotent_consumer, :request, :traceparent, :created_at, :created_at)
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id, design_outbox
), items AS (
    INSERT INTO order_items (order_id, line, sku, quantity, price)
    SELECT placed.order_id, i.line, i.sku, i.quantity, i.price
    FROM placed, jsonb_to_recordset(:items) AS i (line integer, sku text, quantity integer, price numeric)
), message AS (
    INSERT INTO outbox (event_id, order_id, attempt, type, source, data, traceparent)
    SELECT m.event_id, placed.order_id, 1, m.type, m.source, m.data, m.traceparent
    FROM placed, jsonb_to_recordset(:messages) AS m (
        event_id uuid, type text, source text, data jsonb, traceparent text)
    WHERE placed.design_outbox
)
SELECT record_events(:events || take_early_events(:order_id, :subject), order_trace => :trace_id) FROM placed;

-- name: start_processing^
-- 12: the order as it stands, and which delivery of its message this is; the delivery itself is counted and recorded.
-- One that is not the first is a redelivery if this very copy of the message was consumed before (of a copy that does
-- not say which it is: if the broker says so), and else a second copy.
WITH taken AS (UPDATE orders SET deliveries = deliveries + 1 WHERE order_id = :order_id RETURNING *)
SELECT order_id, status, rejection_reason, customer_name, customer_email, payment_token, total, currency,
       design_outbox, design_idempotent_consumer, deliveries AS attempt,
       record_events(:events,
                     CASE WHEN deliveries = 1 THEN NULL
                          WHEN :copy = '' AND :redelivered THEN 'redelivered'
                          WHEN EXISTS (SELECT FROM order_events e WHERE e.order_id = taken.order_id AND e.step = 12
                                       AND e.data ->> 'copy' = :copy) THEN 'redelivered'
                          ELSE 'second_copy' END,
                     deliveries)
FROM taken;

-- name: items_short
-- 13: the items of an order that are not there in the quantity it wants. Locks nothing.
SELECT i.sku, i.quantity, p.on_hand - p.reserved AS available
FROM order_items i JOIN products p USING (sku)
WHERE i.order_id = :order_id AND p.on_hand - p.reserved < i.quantity
ORDER BY i.line;

-- name: reserve_inventory^
-- 14: RECEIVED → INVENTORY_RESERVED, with the stock; how it went.
SELECT reserve_inventory(:order_id, :again, :events);

-- name: charge^
-- 15: the gateway's ledger takes a charge, once an idempotency key; true if this call made it.
WITH charge AS (
    INSERT INTO payments (order_id, idempotency_key, amount, currency, payment_token)
    VALUES (:order_id, :idempotency_key, :amount, :currency, :payment_token)
    ON CONFLICT (idempotency_key) DO NOTHING RETURNING payment_id
)
SELECT EXISTS (SELECT FROM charge);

-- name: settle_order^
-- 16: INVENTORY_RESERVED → CONFIRMED, RECEIVED → REJECTED (out of stock), or INVENTORY_RESERVED → REJECTED (payment
-- declined, with 15c), and what is told of it; how it went.
SELECT settle_order(:order_id, :from_status, :status, :reason, again => :again, release => :release,
                    messages => :messages, by_outbox => :outbox, delivery => :attempt, went => :outcome,
                    events => :events);

-- name: flush_journal^
-- Events that had no transaction of their own, and the messages that the broker has confirmed, in one go.
WITH published AS (
    UPDATE outbox SET published_at = clock_timestamp() WHERE event_id = ANY(:published) RETURNING event_id
)
SELECT record_events(:events) + (SELECT count(*) FROM published);

-- name: record_events^
-- Events that had no transaction of their own.
SELECT record_events(:events);

-- name: report_events^
-- Steps that a client reports of an order: recorded, refused, held until the order is there, or too many (full).
SELECT report_events(:order_id, :subject, :events, :most_each, :most);

-- name: list_unpublished
-- What the outbox holds and nobody has published, oldest first; a message gets `grace` for its own publisher. What
-- another relay has in hand is locked and left out: to list it again and again would get nobody on.
SELECT event_id, order_id, attempt, type, traceparent FROM outbox
WHERE published_at IS NULL AND created_at < clock_timestamp() - :grace::interval AND event_id <> ALL(:but)
ORDER BY seq LIMIT :most FOR UPDATE SKIP LOCKED;

-- name: read_unpublished
-- The same whole, and without a lock: for a relay that marks what it has published afterwards.
SELECT event_id, order_id, attempt, type, source, data, traceparent, created_at FROM outbox
WHERE published_at IS NULL AND created_at < clock_timestamp() - :grace::interval
ORDER BY seq LIMIT :most;

-- name: claim_message^
-- Take a message of the outbox in hand, until the transaction ends; no row if somebody has it or it was published.
SELECT event_id, order_id, type, source, data, traceparent, created_at
FROM outbox WHERE event_id = :event_id AND published_at IS NULL FOR UPDATE SKIP LOCKED;

-- name: settle_delivered^
-- 18a, 18b: webhooks that were delivered.
WITH told AS (
    UPDATE notifications SET status = 'delivered', reason = NULL, updated_at = clock_timestamp()
    WHERE event_id = ANY(:delivered) AND status <> 'delivered'
)
SELECT record_events(:events);

-- name: settle_failed^
-- 18a, 18b: a webhook that was given up with a reason. What is delivered stays delivered.
WITH told AS (
    UPDATE notifications SET status = 'failed', reason = :reason, updated_at = clock_timestamp()
    WHERE event_id = :event_id AND status <> 'delivered'
)
SELECT record_events(:events);

-- name: get_order^
-- One order as the API shows it.
SELECT o.order_id, o.seq, o.status, o.rejection_reason, o.customer_name, o.customer_email, o.total, o.currency,
       o.design_outbox, o.design_idempotent_consumer, o.created_at, o.updated_at, i.items
FROM orders o, LATERAL (
    SELECT jsonb_agg(jsonb_build_object('sku', sku, 'quantity', quantity, 'price', price::text) ORDER BY line) AS items
    FROM order_items WHERE order_id = o.order_id) i
WHERE o.order_id = :order_id;

-- name: list_orders
-- A page of orders, newest first, from after the order that ended the page before.
SELECT o.order_id, o.seq, o.status, o.rejection_reason, o.customer_name, o.customer_email, o.total, o.currency,
       o.design_outbox, o.design_idempotent_consumer, o.created_at, o.updated_at, i.items
FROM orders o, LATERAL (
    SELECT jsonb_agg(jsonb_build_object('sku', sku, 'quantity', quantity, 'price', price::text) ORDER BY line) AS items
    FROM order_items WHERE order_id = o.order_id) i
WHERE :after::text IS NULL OR o.seq < (SELECT seq FROM orders WHERE order_id = :after)
ORDER BY o.seq DESC LIMIT :most;

-- name: read_events
-- An order's journal in reading order: run by run (a run is one trace and attempt), each by the numbers of its steps.
SELECT id, step, part, name, outcome, lane, attempt, trace_id, started_at, ended_at, data
FROM (SELECT e.*, min(started_at) OVER (PARTITION BY trace_id, attempt) AS run_started_at
      FROM order_events e WHERE order_id = :order_id) e
ORDER BY run_started_at, trace_id, attempt, step, part NULLS FIRST, id;

-- name: order_evidence^
-- What the tables say of an order, beside its journal; no row if there is none. `still` is for how many seconds nothing
-- has been recorded of it.
SELECT e.*, lab.halted_at(order_id) AS halts, lab.fired_at_order(order_id) AS firings,
       extract(epoch FROM clock_timestamp() - greatest(
           (SELECT max(ended_at) FROM order_events j WHERE j.order_id = e.order_id),
           (SELECT max(fired_at) FROM lab.firings f WHERE f.order_id = e.order_id)))::float AS still
FROM lab.evidence e WHERE order_id = :order_id;

-- name: order_status^
-- Where an order stands; null if there is none.
SELECT status FROM orders WHERE order_id = :order_id;

-- name: list_products
-- The catalogue with what is available.
SELECT sku, name, price, on_hand - reserved AS available FROM products ORDER BY sku;

-- name: ping^
-- Whether the database answers.
SELECT true;
