-- The peer's statements: each is one round trip and one transaction, and records what its step and those before did.

-- name: prepare#
-- The journal's one way in: an event without `ended_at` is the calling statement's own, and ends now.
CREATE OR REPLACE FUNCTION peer_record(events jsonb, open_outcome text DEFAULT NULL, open_attempt integer DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    written bigint;
BEGIN
    INSERT INTO order_events
        (order_id, event_id, step, part, name, outcome, lane, attempt, trace_id, started_at, ended_at, data)
    SELECT e.order_id, e.event_id, e.step, e.part, e.name,
           CASE WHEN e.ended_at IS NULL AND e.part IS NULL THEN coalesce(open_outcome, e.outcome) ELSE e.outcome END,
           e.lane, CASE WHEN e.ended_at IS NULL THEN coalesce(open_attempt, e.attempt) ELSE e.attempt END,
           e.trace_id, e.started_at, coalesce(e.ended_at, clock_timestamp()), e.data
    FROM jsonb_to_recordset(events) AS e (
        order_id text, event_id uuid, step smallint, part text, name text, outcome text, lane text, attempt integer,
        trace_id text, started_at timestamptz, ended_at timestamptz, data jsonb)
    ON CONFLICT (order_id, event_id) DO NOTHING;
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END $$;

-- name: find_order^
-- 6, 7: who placed the order with this id, and how, if there is one; and the prices of what is asked for.
SELECT o.subject, o.request, p.prices
FROM (SELECT coalesce(jsonb_object_agg(sku, price::text), '{}') AS prices
      FROM products WHERE sku = ANY(:skus)) p
LEFT JOIN orders o ON o.order_id = :order_id;

-- name: insert_order^
-- 8: the order, its items, its OrderCreated and the steps so far; no row if the id was taken meanwhile.
WITH placed AS (
    INSERT INTO orders (order_id, subject, customer_name, customer_email, payment_token, total, currency,
                        design_outbox, design_idempotent_consumer, request, traceparent, created_at, updated_at)
    VALUES (:order_id, :subject, :customer_name, :customer_email, :payment_token, :total, :currency,
            true, true, :request, :traceparent, :created_at, :created_at)
    ON CONFLICT (order_id) DO NOTHING RETURNING order_id
), items AS (
    INSERT INTO order_items (order_id, line, sku, quantity, price)
    SELECT placed.order_id, i.line, i.sku, i.quantity, i.price
    FROM placed, jsonb_to_recordset(:items) AS i (line integer, sku text, quantity integer, price numeric)
), message AS (
    INSERT INTO outbox (event_id, order_id, attempt, type, source, data, traceparent)
    SELECT :event_id, order_id, 1, 'OrderCreated', '/orders-api', :data, :traceparent FROM placed
)
SELECT peer_record(:events) FROM placed;

-- name: get_order^
-- A stored order with its items, to answer a retry with.
SELECT o.order_id, o.status, o.total::text, o.currency, o.customer_name, o.customer_email, o.created_at, o.updated_at,
       o.rejection_reason,
       (SELECT jsonb_agg(jsonb_build_object('sku', sku, 'quantity', quantity, 'price', price::text) ORDER BY line)
        FROM order_items i WHERE i.order_id = o.order_id) AS items
FROM orders o WHERE o.order_id = :order_id;

-- name: take_order^
-- 12: the order as it stands; the delivery is counted and recorded.
WITH taken AS (UPDATE orders SET deliveries = deliveries + 1 WHERE order_id = :order_id RETURNING *)
SELECT status, customer_name, customer_email, payment_token, total::text, currency, deliveries,
       peer_record(:events, CASE WHEN deliveries > 1 THEN 'redelivered' END, deliveries)
FROM taken;

-- name: items_short
-- 13: the items that are not there in the quantity the order wants.
SELECT i.sku FROM order_items i JOIN products p USING (sku)
WHERE i.order_id = :order_id AND p.on_hand - p.reserved < i.quantity;

-- name: reserve^
-- 14: RECEIVED → INVENTORY_RESERVED, with the stock of every item. Rows are locked in the order of their skus.
WITH moved AS (
    UPDATE orders SET status = 'INVENTORY_RESERVED', updated_at = clock_timestamp()
    WHERE order_id = :order_id AND status = 'RECEIVED' RETURNING order_id
), wanted AS (
    SELECT p.sku, i.quantity FROM moved JOIN order_items i USING (order_id) JOIN products p USING (sku)
    ORDER BY p.sku FOR NO KEY UPDATE OF p
), reserved AS (
    UPDATE products p SET reserved = p.reserved + w.quantity FROM wanted w WHERE p.sku = w.sku
)
SELECT peer_record(:events, CASE WHEN EXISTS (SELECT FROM moved) THEN 'ok' ELSE 'already_done' END);

-- name: charge^
-- 15: the gateway's own ledger, one charge per idempotency key; a row if this call made it.
INSERT INTO payments (order_id, idempotency_key, amount, currency, payment_token)
VALUES (:order_id, :order_id, :amount, :currency, :payment_token)
ON CONFLICT (idempotency_key) DO NOTHING RETURNING payment_id;

-- name: settle^
-- 16: → CONFIRMED or → REJECTED, with the notifications and messages that tell of it; 15c gives the stock back.
WITH moved AS (
    UPDATE orders SET status = :status, rejection_reason = :reason, updated_at = clock_timestamp()
    WHERE order_id = :order_id AND status = :from_status RETURNING order_id
), wanted AS (
    SELECT p.sku, i.quantity FROM moved JOIN order_items i USING (order_id) JOIN products p USING (sku)
    WHERE :release::boolean ORDER BY p.sku FOR NO KEY UPDATE OF p
), released AS (
    UPDATE products p SET reserved = p.reserved - w.quantity FROM wanted w WHERE p.sku = w.sku
), messages AS (
    SELECT m.*, moved.order_id FROM moved, jsonb_to_recordset(:messages) AS m (event_id uuid, type text, data jsonb)
), told AS (
    INSERT INTO notifications (event_id, order_id, audience, type)
    SELECT event_id, order_id, data ->> 'audience', data ->> 'type' FROM messages WHERE type = 'Notification'
), waiting AS (
    INSERT INTO outbox (event_id, order_id, attempt, type, source, data, traceparent)
    SELECT event_id, order_id, :attempt, type, '/worker', data, :traceparent FROM messages
)
SELECT EXISTS (SELECT FROM moved),
       peer_record(:events, CASE WHEN EXISTS (SELECT FROM moved) THEN :outcome ELSE 'already_done' END);

-- name: flush^
-- Events that had no transaction of their own, and the messages that the broker has confirmed, in one go.
WITH published AS (
    UPDATE outbox SET published_at = clock_timestamp() WHERE event_id = ANY(:published) RETURNING 1
)
SELECT peer_record(:events) + (SELECT count(*) FROM published);

-- name: notified^
-- 18a, 18b: the webhook was delivered, or given up with a reason.
WITH told AS (
    UPDATE notifications SET status = :status, reason = :reason, updated_at = clock_timestamp()
    WHERE event_id = :event_id AND status <> 'delivered'
)
SELECT peer_record(:events);

-- name: unpublished
-- What the outbox holds for more than two seconds, oldest first.
SELECT event_id FROM outbox
WHERE published_at IS NULL AND created_at < clock_timestamp() - interval '2 seconds' ORDER BY seq LIMIT 100;

-- name: claim^
-- One message, held until the transaction ends; no row if somebody has it or it was published.
SELECT order_id, attempt, type, source, data, traceparent, created_at
FROM outbox WHERE event_id = :event_id AND published_at IS NULL FOR UPDATE SKIP LOCKED;
