-- What the tables say of orders that are to be judged.

-- name: evidence
-- One row an order: how it stands, its charges, notifications, messages and journal, who is halted and what has fired.
-- An order that is asked for and is not there has a row without a status.
SELECT asked.order_id, o.status, o.rejection_reason, o.deliveries,
       o.design_outbox, o.design_idempotent_consumer,
       (SELECT count(*) FROM payments p WHERE p.order_id = asked.order_id) AS charges,
       (SELECT coalesce(sum(quantity), 0) FROM order_items i WHERE i.order_id = asked.order_id) AS wants,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('id', event_id, 'audience', audience, 'status', status,
                                                     'reason', reason) ORDER BY created_at, audience), '[]')
        FROM notifications n WHERE n.order_id = asked.order_id) AS notifications,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('type', type, 'audience', data ->> 'audience',
                                                     'published', published_at IS NOT NULL) ORDER BY seq), '[]')
        FROM outbox b WHERE b.order_id = asked.order_id) AS outbox,
       (SELECT coalesce(jsonb_agg(to_jsonb(e) ORDER BY started_at, id), '[]')
        FROM order_events e WHERE e.order_id = asked.order_id) AS events,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('step', step, 'side', side, 'process', process) ORDER BY id), '[]')
        FROM lab.halted h WHERE h.order_id = asked.order_id AND alive) AS halts,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', kind, 'step', step, 'side', side, 'process', process,
                                                     'at', fired_at) ORDER BY id), '[]')
        FROM lab.firings f WHERE f.order_id = asked.order_id AND kind <> 'pause') AS firings
FROM unnest(:order_ids::text[]) WITH ORDINALITY AS asked (order_id, nth)
LEFT JOIN orders o ON o.order_id = asked.order_id
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
