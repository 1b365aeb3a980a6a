"""Judges the invariants of a run by plain SQL: Meshline's database against the vendors' ledgers.

Each check is one query that returns what is wrong; an empty answer is the good one. It reads
only, imports nothing of the product, and is meant for a system at rest: in the middle of a
run an order under way counts as stuck. The vendors' ledgers are read before our database, so
that what they know and we do not is really missing.
"""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
import sys
from pathlib import Path
from typing import Any, NamedTuple

EXAMPLE = """example:
  python -m simulators.checker --db .meshline/meshline.db --simulators .meshline/simulators --json
Exit code 0: nothing is wrong; 1: there are violations; 2: it could not be judged.
compensations are fulfillment orders taken back and labels voided.
"""
LEDGERS = ("medusa", "tryton", "shipbob", "easypost", "stripe")
EMPTY_LEDGER = """CREATE TABLE {0}.ledger(seq INTEGER, wall REAL, at TEXT, effect TEXT,
    subject TEXT, reference TEXT, key TEXT, amount_minor INTEGER, currency TEXT,
    quantity INTEGER, body TEXT)"""

# What the checks read. A label counts as gone when the carrier was asked to void it, unless
# it was scanned all the same; a shipment at a node, when it was cancelled or rejected there.
PREPARE = """
CREATE TEMP TABLE ended AS SELECT column1 AS status
    FROM (VALUES ('completed'), ('cancelled'), ('rejected'));
CREATE TEMP TABLE over_and_done AS SELECT column1 AS state
    FROM (VALUES ('closed'), ('declined'), ('expired'), ('cancelled'));
CREATE TEMP TABLE unsettled AS SELECT column1 AS status
    FROM (VALUES ('open'), ('acknowledged'), ('escalated'), ('awaiting_approval'));
CREATE TEMP TABLE label AS
    SELECT subject, parcel_of(max(reference)) AS parcel, order_of(max(reference)) AS order_id,
        max(effect = 'scanned') AS scanned,
        max(effect IN ('label_voided', 'label_void_requested')) AS voided
    FROM easypost.ledger
    WHERE effect IN ('label_bought', 'scanned', 'label_voided', 'label_void_requested')
    GROUP BY subject HAVING max(effect = 'label_bought');
CREATE TEMP TABLE node_ledger AS
    SELECT 'tryton' AS node, effect, subject, reference, body FROM tryton.ledger
    UNION ALL SELECT 'shipbob', effect, subject, reference, body FROM shipbob.ledger;
CREATE TEMP TABLE left_node AS
    SELECT l.reference AS fulfillment_id, order_of(l.reference) AS order_id, j.key AS sku,
        sum(j.value) AS units
    FROM node_ledger l, json_each(l.body) j WHERE l.effect = 'shipped'
    GROUP BY l.reference, j.key;
CREATE TEMP TABLE astray AS
    SELECT l.order_id, l.sku, sum(l.units) AS units FROM left_node l
    WHERE l.fulfillment_id IN (
        SELECT fulfillment_id FROM ours.shipments
        WHERE status IN ('lost', 'returned_to_sender'))
    GROUP BY l.order_id, l.sku;
CREATE TEMP TABLE moved AS
    SELECT l.order_id, l.sku, sum(l.units) AS gone, coalesce(max(a.units), 0) AS again
    FROM left_node l LEFT JOIN astray a ON a.order_id = l.order_id AND a.sku = l.sku
    GROUP BY l.order_id, l.sku;
CREATE TEMP TABLE wanted AS
    SELECT li.order_id, li.sku, o.status, sum(li.ordered) AS ordered, sum(li.shipped) AS shipped,
        sum(li.cancelled) AS cancelled
    FROM ours.order_lines li JOIN ours.orders o ON o.id = li.order_id
    GROUP BY li.order_id, li.sku;
CREATE TEMP TABLE live_allocation AS
    SELECT order_id, line_id, sku, node, pool, status, quantity FROM ours.allocations
    WHERE status IN ('reserved', 'allocated', 'released');
CREATE TEMP TABLE told AS
    SELECT reference, count(DISTINCT json_extract(body, '$.fulfillment_id')) AS times
    FROM medusa.ledger WHERE effect = 'shipment_created' GROUP BY reference;
CREATE TEMP TABLE told_units AS
    SELECT order_of(l.reference) AS order_id, j.key AS sku, sum(j.value) AS units
    FROM medusa.ledger l, json_each(l.body, '$.lines') j WHERE l.effect = 'shipment_created'
    GROUP BY 1, 2;
CREATE TEMP TABLE intent AS
    SELECT coalesce(json_extract(body, '$.payment_intent'), subject) AS id,
        sum(effect = 'captured') AS captures,
        sum(CASE WHEN effect = 'intent_created' THEN amount_minor ELSE 0 END) AS authorized,
        sum(CASE WHEN effect = 'captured' THEN amount_minor ELSE 0 END) AS captured,
        sum(CASE WHEN effect = 'refunded' THEN amount_minor ELSE 0 END) AS refunded
    FROM stripe.ledger GROUP BY 1;
"""


class Check(NamedTuple):
    """``counts`` names the figure that each row adds to; ``text`` is filled with the row."""

    counts: str
    text: str
    query: str


# A check: the figure that it counts for (or none), what to say of each row, the query.
ORDERS = """
-- lost: order {0} was placed at Medusa and is unknown here
SELECT subject FROM medusa.ledger WHERE effect = 'order_placed'
AND NOT EXISTS (SELECT 1 FROM ours.orders o WHERE o.external_id = subject)
AND NOT EXISTS (SELECT 1 FROM ours.problems p
    WHERE instr(p.source || p.field || p.reason, subject));
-- lost: order {0} is {1}, and no hold or exception with owner and deadline says why
SELECT id, status FROM ours.orders o WHERE status NOT IN ended
AND NOT EXISTS (SELECT 1 FROM ours.holds h
    WHERE h.order_id = o.id AND h.status = 'active' AND owner <> '' AND deadline IS NOT NULL)
AND NOT EXISTS (SELECT 1 FROM ours.exceptions e
    WHERE e.order_id = o.id AND e.status IN unsettled AND owner <> '' AND deadline IS NOT NULL);
-- : order {0} is {1}, but {2} is still open
SELECT o.id, o.status, x.id FROM ours.orders o JOIN (
    SELECT id, order_id FROM ours.holds WHERE status = 'active'
    UNION ALL SELECT id, order_id FROM ours.exceptions WHERE status IN unsettled
) x ON x.order_id = o.id WHERE o.status IN ended;
-- : order {0} line {1}: {2} ordered is not the sum of its parts, or one is negative
SELECT order_id, line_id, ordered FROM ours.order_lines
WHERE ordered <> open + backordered + allocated + released + shipped + cancelled
OR min(open, backordered, allocated, released, shipped, cancelled) < 0;
-- : order {0} is {1}, but its line {2} still has open, allocated or released units
SELECT o.id, o.status, l.line_id FROM ours.order_lines l
JOIN ours.orders o ON o.id = l.order_id WHERE o.status IN ended
AND l.open + l.backordered + l.allocated + l.released > 0;
-- : order {0} line {1}: {2} units allocated and {3} released, its allocations say {4} and {5}
SELECT l.order_id, l.line_id, l.allocated, l.released,
    coalesce(sum(a.quantity) FILTER (WHERE a.status <> 'released'), 0) AS al,
    coalesce(sum(a.quantity) FILTER (WHERE a.status = 'released'), 0) AS re
FROM ours.order_lines l LEFT JOIN live_allocation a
    ON a.order_id = l.order_id AND a.line_id = l.line_id
GROUP BY l.order_id, l.line_id HAVING l.allocated <> al OR l.released <> re;
"""
PARCELS = """
-- duplicates: parcel {0} has {1} live labels: {2}
SELECT parcel, count(*), group_concat(subject, ', ') FROM label
WHERE parcel <> '' AND (scanned OR NOT voided) GROUP BY parcel HAVING count(*) > 1;
-- : label {0} of {1} was bought, and neither scanned nor voided; its order is {2}
SELECT l.subject, l.parcel, coalesce(o.status, 'unknown') FROM label l
LEFT JOIN ours.orders o ON o.id = l.order_id
WHERE NOT l.scanned AND NOT l.voided AND (o.id IS NULL OR o.status IN ended)
AND l.parcel NOT LIKE 'return:%';
-- : label {0} of {1} was bought, and neither scanned nor voided; its return is {2}
SELECT l.subject, l.parcel, coalesce(r.state, 'unknown') FROM label l
LEFT JOIN ours.returns r ON l.parcel LIKE r.id || '/p%'
WHERE NOT l.scanned AND NOT l.voided AND l.parcel LIKE 'return:%'
AND (r.id IS NULL OR r.state IN ('declined', 'cancelled', 'expired'));
-- duplicates: {0} is in work {1} times: {2}
SELECT reference, count(*), group_concat(node || ' ' || subject, ', ') FROM (
    SELECT node, subject, max(reference) AS reference FROM node_ledger
    GROUP BY node, subject HAVING max(effect = 'fulfillment_created')
    AND NOT max(effect IN ('fulfillment_cancelled', 'fulfillment_rejected'))
) WHERE reference <> '' GROUP BY reference HAVING count(*) > 1;
-- duplicates: order {0}: {1} units of {2} left, {3} were ordered and {4} sent again
SELECT m.order_id, m.gone, m.sku, coalesce(w.ordered, 0), m.again FROM moved m
LEFT JOIN wanted w ON w.order_id = m.order_id AND w.sku = m.sku
WHERE m.gone > coalesce(w.ordered, 0) + m.again;
-- : order {0}: {1} units of {2} left, though all but {3} of {4} are counted as cancelled
SELECT w.order_id, m.gone, m.sku, w.ordered - w.cancelled, w.ordered FROM moved m
JOIN wanted w ON w.order_id = m.order_id AND w.sku = m.sku WHERE w.status IN ended
AND m.gone > w.ordered - w.cancelled + m.again AND m.gone <= w.ordered + m.again;
-- : order {0}: {1} units of {2} count as shipped, {3} left a node
SELECT w.order_id, w.shipped, w.sku, coalesce(m.gone, 0) FROM wanted w
LEFT JOIN moved m ON m.order_id = w.order_id AND m.sku = w.sku
WHERE w.status IN ended AND w.shipped > coalesce(m.gone, 0)
AND EXISTS (SELECT 1 FROM node_ledger);
-- duplicates: {0} was confirmed to Medusa {1} times
SELECT reference, times FROM told WHERE times > 1;
-- : order {0}: {1} units of {2} left a node, Medusa was told of {3}
SELECT w.order_id, min(m.gone, w.ordered - w.cancelled), w.sku, coalesce(u.units, 0)
FROM wanted w JOIN moved m ON m.order_id = w.order_id AND m.sku = w.sku
JOIN ours.orders o ON o.id = w.order_id JOIN medusa.ledger p
    ON p.effect = 'order_placed' AND p.subject = o.external_id
LEFT JOIN told_units u ON u.order_id = w.order_id AND u.sku = w.sku
WHERE w.status IN ended AND coalesce(u.units, 0) < min(m.gone, w.ordered - w.cancelled)
AND NOT EXISTS (SELECT 1 FROM ours.exceptions e WHERE e.order_id = o.id
    AND e.kind = 'unconfirmed' AND e.status = 'resolved');
-- : order {0}: Medusa was told of {1} units of {2}, {3} were ordered
SELECT w.order_id, u.units, w.sku, w.ordered FROM wanted w
JOIN told_units u ON u.order_id = w.order_id AND u.sku = w.sku WHERE u.units > w.ordered;
"""
MONEY = """
-- duplicates: payment {0} was captured {1} times
SELECT id, captures FROM intent WHERE captures > 1;
-- : payment {0}: {1} captured, {2} authorised
SELECT id, captured, authorized FROM intent WHERE captured > authorized;
-- refunds_over: payment {0}: {1} refunded, {2} captured
SELECT id, refunded, captured FROM intent WHERE refunded > captured;
-- refunds_over: order {0}: {1} refunded of {2} captured
SELECT order_id, refunded_minor, captured_minor FROM ours.payments
WHERE refunded_minor > captured_minor;
-- : order {0}: {1} captured, {2} authorised
SELECT order_id, captured_minor, authorized_minor FROM ours.payments
WHERE captured_minor > authorized_minor;
-- refunds_over: order {0}: {1} given back in money, credit and goods, {2} captured
SELECT p.order_id, sum(r.amount_minor), p.captured_minor FROM ours.payments p
JOIN ours.refunds r ON r.order_id = p.order_id AND r.state IN ('pending', 'settled')
GROUP BY p.order_id HAVING sum(r.amount_minor) > p.captured_minor;
-- : order {0}: {1} refunded as we see it, {2} as Stripe does
SELECT p.order_id, p.refunded_minor, i.refunded FROM ours.payments p
JOIN ours.orders o ON o.id = p.order_id JOIN intent i ON i.id = p.reference
WHERE o.status IN ended AND p.refunded_minor <> i.refunded;
-- : refund {0} of {1}: the order is over, the refund is {2}
SELECT r.id, r.amount_minor, r.state FROM ours.refunds r JOIN ours.orders o ON o.id = r.order_id
LEFT JOIN ours.returns b ON b.id = r.return_id
WHERE r.cause <> 'goodwill' AND o.status IN ended AND r.state NOT IN ('settled', 'cancelled')
AND (b.id IS NULL OR b.state IN over_and_done);
-- : order {0}: {1} refunded, its settled refunds are {2}
SELECT p.order_id, p.refunded_minor, coalesce(sum(r.amount_minor), 0) FROM ours.payments p
LEFT JOIN ours.refunds r ON r.order_id = p.order_id AND r.state = 'settled'
    AND r.method = 'payment'
GROUP BY p.order_id HAVING p.refunded_minor <> coalesce(sum(r.amount_minor), 0);
-- : order {0}: {1} captured as we see it, {2} as Stripe does
SELECT p.order_id, p.captured_minor, i.captured FROM ours.payments p
JOIN ours.orders o ON o.id = p.order_id JOIN intent i ON i.id = p.reference
WHERE o.status IN ended AND p.captured_minor <> i.captured;
-- duplicates: {0} was charged again {1} times
SELECT reference, count(*) FROM stripe.ledger WHERE effect = 'charged_again'
GROUP BY reference HAVING count(*) > 1;
-- : {0}: {1} charged again as Stripe sees it, {2} as we do
SELECT l.reference, l.amount_minor, coalesce(r.amount_minor, 'nothing') FROM stripe.ledger l
LEFT JOIN ours.recoveries r ON r.id = l.reference AND r.state = 'settled'
    AND r.external_id = l.subject
WHERE l.effect = 'charged_again' AND l.amount_minor IS NOT r.amount_minor;
-- : recovery {0}: {1} is settled with {2}, Stripe has no such charge
SELECT r.id, r.amount_minor, r.external_id FROM ours.recoveries r
WHERE r.state = 'settled' AND r.ended_by = 'system' AND NOT EXISTS (
    SELECT 1 FROM stripe.ledger l WHERE l.effect = 'charged_again' AND l.reference = r.id);
-- refunds_over: return {0}: {1} taken back of {2} paid
SELECT b.return_id, b.amount_minor, coalesce(sum(r.amount_minor), 0) FROM ours.recoveries b
LEFT JOIN ours.refunds r ON r.return_id = b.return_id AND r.state = 'settled'
    AND r.method = 'payment'
GROUP BY b.id HAVING b.amount_minor > coalesce(sum(r.amount_minor), 0);
"""
RETURNS = """
-- : return {0} is {1}, but {2} is still open
SELECT r.id, r.state, e.id FROM ours.returns r JOIN ours.exceptions e ON e.order_id = r.id
WHERE r.state IN over_and_done AND e.status IN unsettled;
-- : recovery {0}: the return is over, it is {1}
SELECT b.id, b.state FROM ours.recoveries b JOIN ours.returns r ON r.id = b.return_id
WHERE r.state IN over_and_done AND b.state NOT IN ('settled', 'written_off');
-- : return {0} is {1}, and in the shop it is still asked for
SELECT r.id, r.state FROM ours.returns r WHERE r.source = 'medusa'
AND r.state IN ('declined', 'expired', 'cancelled') AND NOT EXISTS (
    SELECT 1 FROM medusa.ledger m WHERE m.effect = 'return_cancelled' AND m.subject = r.external_id)
AND NOT EXISTS ( -- a person has said that it was done by hand
    SELECT 1 FROM ours.exceptions e WHERE e.order_id = r.id AND e.kind = 'unconfirmed');
-- lost: the shop was asked for return {0} of {1}, and we know neither it nor why not
SELECT m.subject, m.reference FROM medusa.ledger m WHERE m.effect = 'return_requested'
AND m.subject NOT IN (SELECT external_id FROM ours.returns WHERE source = 'medusa')
AND NOT EXISTS (SELECT 1 FROM ours.problems p
    WHERE p.source IN ('order:medusa:' || m.reference, 'medusa return ' || m.subject));
-- duplicates: return {0} was cancelled in the shop {1} times
SELECT subject, count(*) FROM medusa.ledger WHERE effect = 'return_cancelled'
GROUP BY subject HAVING count(*) > 1;
-- : return {0} was cancelled in the shop, and is {1}
SELECT r.id, r.state FROM medusa.ledger m JOIN ours.returns r
    ON r.source = 'medusa' AND r.external_id = m.subject
WHERE m.effect = 'return_cancelled' AND r.state NOT IN ('declined', 'expired', 'cancelled')
-- what was on its way when the shop cancelled it is taken in all the same
AND (r.facts NOT LIKE '%cancelled%' OR r.state IN ('requested', 'action_required', 'approved'));
-- lost: return {0} was asked for, and no workflow was started for it
SELECT id FROM ours.returns WHERE NOT started;
-- : return {0} line {1}: {2} may come back, {3} received, {4} looked at, {5} missing, {6} count
SELECT return_id, line_id, quantity, received, inspected, missing, accepted
FROM ours.return_lines WHERE received + missing > quantity OR inspected > received
OR accepted > quantity OR min(quantity, received, inspected, accepted, missing, extra) < 0;
-- duplicates: order {0} line {1}: {2} units are in returns, {3} were shipped
SELECT r.order_id, l.line_id, sum(l.quantity), o.shipped FROM ours.return_lines l
JOIN ours.returns r ON r.id = l.return_id
JOIN ours.order_lines o ON o.order_id = r.order_id AND o.line_id = l.line_id
WHERE r.state NOT IN ('declined', 'cancelled', 'expired')
GROUP BY r.order_id, l.line_id HAVING sum(l.quantity) > o.shipped;
-- duplicates: order {0} line {1}: {2} units are given back, {3} are cancelled, lost or returned
SELECT f.order_id, p.line_id, p.units,
    o.cancelled + coalesce(b.units, 0) + coalesce(g.units, 0) AS may FROM (
    SELECT r.order_id, json_extract(j.value, '$.line_id') AS line_id,
        sum(json_extract(j.value, '$.quantity')) AS units
    FROM ours.refunds r, json_each(r.body, '$.parts') j
    WHERE r.state IN ('pending', 'settled') GROUP BY 1, 2
) p JOIN (SELECT DISTINCT order_id FROM ours.refunds) f ON f.order_id = p.order_id
JOIN ours.order_lines o ON o.order_id = p.order_id AND o.line_id = p.line_id
LEFT JOIN (
    SELECT r.order_id, l.line_id, sum(l.quantity) AS units FROM ours.return_lines l
    JOIN ours.returns r ON r.id = l.return_id GROUP BY 1, 2
) b ON b.order_id = p.order_id AND b.line_id = p.line_id
LEFT JOIN (
    SELECT order_id, line_id, sum(quantity) AS units FROM ours.allocations
    WHERE status = 'consumed' AND fulfillment_id IN (
        SELECT fulfillment_id FROM ours.shipments WHERE status IN ('lost', 'returned_to_sender'))
    GROUP BY 1, 2
) g ON g.order_id = p.order_id AND g.line_id = p.line_id
WHERE p.units > may;
-- duplicates: return {0}: {1} units of {2} are back in stock, {3} were received
SELECT i.return_id, m.units, i.sku, i.received FROM (
    SELECT return_id, sku, sum(received) AS received FROM ours.return_lines GROUP BY 1, 2
) i JOIN (
    SELECT n.return_id, n.sku, sum(v.on_hand) AS units FROM ours.return_inspections n
    JOIN ours.inventory_movements v ON v.key = 'restock:' || n.key GROUP BY 1, 2
) m ON m.return_id = i.return_id AND m.sku = i.sku WHERE m.units > i.received;
"""
STOCK = """
-- oversold: {0} at {1}: {2} reserved of {3} on hand, and nothing says that they diverged
SELECT sku, node, reserved, on_hand FROM ours.inventory_levels l
-- a count may; a look at the node (it has a run) corrects nothing that is promised
WHERE (reserved < 0 OR reserved > on_hand) AND NOT EXISTS (
    SELECT 1 FROM ours.events WHERE type = 'meshline.inventory.diverged.v1'
    AND json_extract(data, '$.sku') = l.sku AND json_extract(data, '$.node') = l.node
    AND json_extract(data, '$.run') IS NULL);
-- : {0} at {1}: {2} reserved, live allocations are {3}
SELECT sku, node, sum(reserved), sum(live) FROM (
    SELECT sku, node, reserved, 0 AS live FROM ours.inventory_levels
    UNION ALL SELECT sku, node, 0, quantity FROM live_allocation
) GROUP BY sku, node HAVING sum(reserved) <> sum(live);
-- : {0} at {1}: the level is off its movements by {2} on hand and {3} reserved
SELECT sku, node, sum(on_hand), sum(reserved) FROM (
    SELECT sku, node, on_hand, reserved FROM ours.inventory_levels
    UNION ALL SELECT sku, node, -on_hand, -reserved FROM ours.inventory_movements
) GROUP BY sku, node HAVING sum(on_hand) <> 0 OR sum(reserved) <> 0;
-- oversold: pool {2} of {0} at {1}: {3} reserved of {4} that it is allotted
SELECT sku, node, pool, reserved, allotted FROM ours.inventory_pools
WHERE reserved < 0 OR reserved > allotted;
-- : pool {2} of {0} at {1}: {3} reserved, live allocations are {4}
SELECT sku, node, pool, sum(reserved), sum(live) FROM (
    SELECT sku, node, pool, reserved, 0 AS live FROM ours.inventory_pools
    UNION ALL SELECT sku, node, pool, 0, quantity FROM live_allocation WHERE pool <> ''
) GROUP BY sku, node, pool HAVING sum(reserved) <> sum(live);
-- : pool {2} of {0} at {1} is off its movements by {3} allotted and {4} reserved
SELECT sku, node, pool, sum(allotted), sum(reserved) FROM (
    SELECT sku, node, pool, allotted, reserved FROM ours.inventory_pools
    UNION ALL SELECT sku, node, pool, -allotted, -reserved FROM ours.inventory_movements
    WHERE pool <> ''
) GROUP BY sku, node, pool HAVING sum(allotted) <> 0 OR sum(reserved) <> 0;
-- : {0} at {1}: the level counts {2} left in pools, the pools {3}
SELECT sku, node, sum(pooled), sum(left_there) FROM (
    SELECT sku, node, pooled, 0 AS left_there FROM ours.inventory_levels
    UNION ALL SELECT sku, node, 0, allotted - reserved FROM ours.inventory_pools
) GROUP BY sku, node HAVING sum(pooled) <> sum(left_there);
-- oversold: {0} at {1}: {2} reserved, out of its pools alone {3}
SELECT l.sku, l.node, l.reserved, sum(p.reserved) FROM ours.inventory_levels l
JOIN ours.inventory_pools p ON p.sku = l.sku AND p.node = l.node
GROUP BY l.sku, l.node HAVING sum(p.reserved) > l.reserved;
"""
RECORDS = """
-- : {0} approved {1}, which they asked for themselves
SELECT a.actor, e.id FROM ours.audit a JOIN ours.exceptions e
    ON e.id = json_extract(a.body, '$.case')
WHERE a.action = 'case_approve' AND a.actor = json_extract(e.body, '$.requester');
-- : the approval of {0} by {1} is not bound to what was shown
SELECT json_extract(a.body, '$.case'), a.actor FROM ours.audit a
WHERE a.action = 'case_approve' AND NOT EXISTS (
    SELECT 1 FROM ours.events v JOIN ours.exceptions e
        ON e.id = json_extract(v.data, '$.id') AND e.order_id = v.stream
    WHERE v.stream = a.subject AND v.type = 'meshline.exception.approved.v1'
    AND e.id = json_extract(a.body, '$.case')
    AND json_extract(a.body, '$.shown_hash') <> ''
    AND json_extract(v.data, '$.shown_hash') = json_extract(a.body, '$.shown_hash'));
-- : a step of our own could not be done: {0}: {1}
SELECT id, json_extract(body, '$.because') FROM ours.exceptions
WHERE json_extract(body, '$.kind') = 'step_failed';
-- : events of {0}: {1} rows from {2} to {3}, the stream stands at {4}
SELECT e.stream, count(*), min(e.seq), max(e.seq), coalesce(s.seq, 'nothing')
FROM ours.events e LEFT JOIN ours.streams s ON s.stream = e.stream GROUP BY e.stream
HAVING min(e.seq) <> 1 OR max(e.seq) <> count(*) OR max(e.seq) IS NOT s.seq;
-- : order {0} is {1} and has {2} order.received, {3} ends: {4}
SELECT o.id, o.status, coalesce(sum(e.type = 'meshline.order.received.v1'), 0) AS began,
    count(e.seq) - coalesce(sum(e.type = 'meshline.order.received.v1'), 0) AS ends,
    coalesce(max(CASE WHEN e.type <> 'meshline.order.received.v1' THEN e.type END), 'none')
        AS kind
FROM ours.orders o LEFT JOIN ours.events e ON e.stream = o.id AND e.type IN (
    'meshline.order.received.v1', 'meshline.order.completed.v1',
    'meshline.order.cancelled.v1', 'meshline.order.rejected.v1')
GROUP BY o.id HAVING began <> 1 OR ends <> (o.status IN ended)
    OR (ends AND kind <> 'meshline.order.' || o.status || '.v1');
-- : the audit of {0} has {1} rows from {2} to {3}
SELECT subject, count(*), min(seq), max(seq) FROM ours.audit GROUP BY subject
HAVING min(seq) <> 1 OR max(seq) <> count(*);
"""


def _checks(text: str) -> tuple[Check, ...]:
    found = []
    for block in text.strip().removesuffix(";").split(";\n"):
        head, _, query = block.strip().partition("\n")
        counts, _, says = head.removeprefix("-- ").partition(": ")
        found.append(Check(counts, says, query))
    return tuple(found)


CHECKS = _checks(ORDERS + PARCELS + MONEY + RETURNS + STOCK + RECORDS)

FIGURES = {
    "orders": "SELECT count(*) FROM ours.orders",
    "completed": "SELECT count(*) FROM ours.orders WHERE status = 'completed'",
    "cancelled": "SELECT count(*) FROM ours.orders WHERE status = 'cancelled'",
    "rejected": "SELECT count(*) FROM ours.orders WHERE status = 'rejected'",
    "held": """SELECT count(*) FROM ours.orders WHERE status NOT IN ended
        AND id IN (SELECT order_id FROM ours.holds WHERE status = 'active')""",
    "waiting": """SELECT count(*) FROM ours.orders WHERE status NOT IN ended
        AND id NOT IN (SELECT order_id FROM ours.holds WHERE status = 'active')
        AND id IN (SELECT order_id FROM ours.exceptions WHERE status IN unsettled)""",
    "returns": "SELECT count(*) FROM ours.returns",
    "returns_over": "SELECT count(*) FROM ours.returns WHERE state IN over_and_done",
    "recovered": "SELECT count(*) FROM ours.recoveries WHERE state = 'settled'",
    "exceptions": "SELECT count(*) FROM ours.exceptions",
    "approvals": "SELECT count(*) FROM ours.audit WHERE action = 'case_approve'",
    "retries": "SELECT 0",
    "compensations": """SELECT count(*) FROM ours.events
        WHERE type IN ('meshline.fulfillment.cancelled.v1', 'meshline.label.voided.v1')""",
    "labels_bought": "SELECT count(*) FROM label",
    "labels_voided": "SELECT count(*) FROM label WHERE voided AND NOT scanned",
}


def judge(db: Path, simulators: Path) -> dict[str, Any]:
    """Figures and violations of a run.

    Raises:
        sqlite3.Error: there is no such database, or its tables are not Meshline's.
    """
    connection = sqlite3.connect(":memory:", uri=True, isolation_level=None)
    try:
        _attach(connection, db, simulators)
        found: dict[str, Any] = {
            name: int(connection.execute(query).fetchone()[0]) for name, query in FIGURES.items()
        }
        found |= {"duplicates": 0, "lost": 0, "oversold": 0, "refunds_over": 0}
        violations: list[str] = []
        for check in CHECKS:
            for row in connection.execute(check.query):
                violations.append(check.text.format(*row))
                if check.counts:
                    found[check.counts] += 1
        return {**found, "violations": violations}
    finally:
        connection.close()


def _attach(connection: sqlite3.Connection, db: Path, simulators: Path) -> None:
    connection.create_function("parcel_of", 1, _parcel_of, deterministic=True)
    connection.create_function("order_of", 1, _order_of, deterministic=True)
    for vendor in LEDGERS:
        source = simulators / f"{vendor}.db"
        if source.exists():
            connection.execute(f"ATTACH ? AS {vendor}", (f"{source.resolve().as_uri()}?mode=ro",))
        else:  # a vendor that did not take part has done nothing
            connection.execute(f"ATTACH ':memory:' AS {vendor}")
            connection.execute(EMPTY_LEDGER.format(vendor))
    connection.execute("ATTACH ? AS ours", (f"{db.resolve().as_uri()}?mode=ro",))
    connection.execute("BEGIN")
    for vendor in LEDGERS:
        connection.execute(f"SELECT count(*) FROM {vendor}.ledger").fetchone()
    for statement in PREPARE.split(";\n"):
        connection.execute(statement)


def _parcel_of(reference: str) -> str:
    """A parcel's label bought again carries a generation: …/p1, …/p1-2."""
    return re.sub(r"(/p\d+)-\d+$", r"\1", reference)


def _order_of(reference: str) -> str:
    """The order that a fulfillment order or parcel belongs to: ORDER/g1f1, ORDER/g1f1/p1."""
    return re.sub(r"/g\d+f\d+(/p[\d-]+)?$", "", reference)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m simulators.checker",
        description="Judges a run's invariants over Meshline's database and the ledgers.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--db", required=True, help="Meshline's SQLite database: URL or path")
    parser.add_argument("--simulators", type=Path, required=True, help="directory of the ledgers")
    parser.add_argument("--json", action="store_true", help="for scripts")
    options = parser.parse_args(arguments)
    if "://" in options.db and not options.db.startswith("sqlite:"):
        print("--db: only SQLite databases are judged. Give sqlite:///PATH", file=sys.stderr)
        return 2
    try:
        verdict = judge(Path(options.db.removeprefix("sqlite:///")), options.simulators)
    except sqlite3.Error as error:
        print(f"{options.db}: {error}. Is it Meshline's database?", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(verdict, indent=2))
    else:
        for name, value in verdict.items():
            if name != "violations":
                print(f"{name.replace('_', ' '):<15}{value}")
        for text in verdict["violations"] or ["none"]:
            print(f"violation      {text}")
    return 1 if verdict["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
