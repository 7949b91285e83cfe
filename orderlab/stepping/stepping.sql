-- What somebody who steps through an order looks at.

-- name: halted
-- Where the order is halted now, and whether the process that halts it is still there.
SELECT id, step, side, attempt, process, pid, pending, alive FROM lab.halted WHERE order_id = :order_id ORDER BY id;

-- name: take_over^
-- Make the pause that halts this order at every gate the caller's own, if there is one.
UPDATE lab.faults SET owner = pg_backend_pid(), server = pg_postmaster_start_time(), seconds = :seconds
WHERE id = (SELECT max(f.id) FROM lab.faults f JOIN lab.halted h ON h.fault_id = f.id
            WHERE f.order_id = :order_id AND h.order_id = :order_id AND h.alive AND f.kind = 'pause'
              AND f.step IS NULL AND f.side IS NULL AND f.times IS NULL)
RETURNING id;

-- name: is_owned^
-- Whether a fault is there, and the caller's own.
SELECT EXISTS (SELECT FROM lab.faults WHERE id = :fault_id AND owner = pg_backend_pid()
               AND server = pg_postmaster_start_time());

-- name: stands^
-- How an order was placed: {sku: quantity}, payment token, customer, and the design's two switches.
SELECT (SELECT jsonb_object_agg(sku, quantity) FROM order_items i WHERE i.order_id = o.order_id) AS items,
       payment_token, jsonb_build_object('name', customer_name, 'email', customer_email) AS customer,
       design_outbox, design_idempotent_consumer
FROM orders o WHERE order_id = :order_id;

-- name: fired
-- What has fired since: at the order, or at a process or server as a whole. Pauses are what stepping itself does.
SELECT id, kind, step, side, attempt, process, fired_at, unwritten FROM lab.firings
WHERE id > :after AND (order_id = :order_id OR step IS NULL) AND kind <> 'pause' ORDER BY id;

-- name: newest_firing^
-- Where to begin.
SELECT coalesce(max(id), 0) AS id FROM lab.firings;

-- name: armed_now
-- All faults that are armed or spent, but one.
SELECT kind, step, side, order_id, attempt, probability, seed, seconds, times, times_per_order
FROM lab.faults
WHERE id <> :but ORDER BY id;

-- name: tables^
-- The order's rows in each table, and its products, as JSON.
SELECT jsonb_build_object(
    'orders', (SELECT coalesce(jsonb_agg(to_jsonb(o) - '{seq,request,subject}'::text[]), '[]')
               FROM orders o WHERE order_id = :order_id),
    'order_items', (SELECT coalesce(jsonb_agg(to_jsonb(i) ORDER BY line), '[]')
                    FROM order_items i WHERE order_id = :order_id),
    'products', (SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY sku), '[]')
                 FROM products p WHERE sku = ANY(:skus)),
    'payments', (SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY payment_id), '[]')
                 FROM payments p WHERE order_id = :order_id),
    'outbox', (SELECT coalesce(jsonb_agg(to_jsonb(b) || jsonb_build_object('published', published_at IS NOT NULL)
                                         ORDER BY seq), '[]')
               FROM outbox b WHERE order_id = :order_id),
    'notifications', (SELECT coalesce(jsonb_agg(to_jsonb(n) ORDER BY audience DESC), '[]')
                      FROM notifications n WHERE order_id = :order_id))::text;

-- name: journal
-- The order's journal in reading order, as the API tells it.
SELECT id, step, part, step || coalesce(part, '') AS label, name, outcome, lane, attempt, trace_id, started_at,
       ended_at, data
FROM (SELECT e.*, min(started_at) OVER (PARTITION BY trace_id, attempt) AS run_started_at
      FROM order_events e WHERE order_id = :order_id) e
ORDER BY run_started_at, trace_id, attempt, step, part NULLS FIRST, id;
