-- What the tables say of orders that are to be judged.

-- name: evidence
-- One row an order: how it stands, its charges, notifications, messages and journal, who is halted and what has fired.
-- An order that is asked for and is not there has a row without a status.
SELECT asked.order_id, e.status, e.deliveries, e.design_outbox, e.design_idempotent_consumer, e.charges, e.wants,
       e.notifications, e.outbox,
       (SELECT coalesce(jsonb_agg(to_jsonb(j) ORDER BY started_at, id), '[]')
        FROM order_events j WHERE j.order_id = asked.order_id) AS events,
       lab.halted_at(asked.order_id) AS halts, lab.fired_at_order(asked.order_id) AS firings
FROM unnest(:order_ids::text[]) WITH ORDINALITY AS asked (order_id, nth)
LEFT JOIN lab.evidence e ON e.order_id = asked.order_id
ORDER BY asked.nth;

-- name: every_order
-- The ids of all orders, oldest first.
SELECT order_id FROM orders ORDER BY seq;

-- name: knows^
-- Whether anything was ever heard of this order: a row, an event, a fault that is armed for it or has fired, a halt.
SELECT EXISTS (SELECT FROM orders WHERE order_id = :order_id)
    OR EXISTS (SELECT FROM order_events WHERE order_id = :order_id)
    OR EXISTS (SELECT FROM lab.firings WHERE order_id = :order_id)
    OR EXISTS (SELECT FROM lab.halts WHERE order_id = :order_id)
    OR EXISTS (SELECT FROM lab.faults WHERE order_id = :order_id);

-- name: undelivered^
-- How many orders have published their OrderCreated, as far as is recorded, and no worker has had it.
SELECT count(*) FROM orders o WHERE o.deliveries = 0 AND (
    EXISTS (SELECT FROM outbox b
            WHERE b.order_id = o.order_id AND b.type = 'OrderCreated' AND b.published_at IS NOT NULL)
    OR EXISTS (SELECT FROM order_events e WHERE e.order_id = o.order_id AND e.step = 9 AND e.outcome = 'ok'
               AND e.data ->> 'fault' IS DISTINCT FROM 'drop'));

-- name: stock
-- How far a product's reservation is from what CONFIRMED and in-flight orders hold.
SELECT p.sku, p.reserved - coalesce(sum(i.quantity) FILTER (WHERE o.status IN ('INVENTORY_RESERVED', 'CONFIRMED')), 0)
FROM products p LEFT JOIN order_items i USING (sku) LEFT JOIN orders o USING (order_id)
GROUP BY p.sku, p.reserved ORDER BY p.sku;
