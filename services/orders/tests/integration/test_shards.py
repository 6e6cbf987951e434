# SPDX-License-Identifier: Apache-2.0
"""No statement of orders asks every shard, but those that are named in deploy/vitess."""

from uuid import uuid4

from catalog_stub import CHAIR, LAMP, RUG

from common.audit import examine
from common.clock import utcnow
from common.idempotency import forget_keys
from common.inbox import forget_handled
from common.outbox import backlog, claim, postpone, settle
from orders.audit import INVARIANTS, list_orders
from orders.commands.customers import remember_customer
from orders.commands.orders import tell_outcome

EXPECTED = {
    "orders.commands.carts.set_cart_line",
    "orders.commands.settle._add_items",
    "orders.commands.settle._settle",
    "orders.commands.orders.lock_order",
    "orders.queries.order_by_id",
    "common.idempotency.finish_all",
    "common.idempotency.claim_all",
    "orders.commands.begin._begin",
    "common.outbox.append_all",
}


def test_a_customers_way_knows_its_shard(shards, ada):
    ada.want(LAMP, 2)
    ada.want(CHAIR, 1)
    ada.delete(f"/v1/cart/items/{CHAIR}")
    ada.get("/v1/cart")
    order = ada.order("key-1").json["id"]
    assert ada.order("key-1").json["id"] == order
    assert ada.order("key-2", (RUG, 5)).status_code == 409
    ada.get(f"/v1/orders/{order}")
    ada.get("/v1/orders")
    assert ada.post(f"/v1/orders/{order}/cancel").status_code == 200
    ada.want(LAMP, 2)
    ada.delete("/v1/cart")

    assert shards.faults == {}
    assert shards.heard >= EXPECTED


def test_the_workers_and_the_operators_ask_all_shards_only_where_it_is_named(
    shards, ada, root, database, checkout
):
    ada.order("key-1", (LAMP, 1))
    root.get("/v1/orders")
    root.get(f"/v1/orders/products/{LAMP}/total")
    checkout.sweep()
    news = {"username": "ada", "is_guest": False, "version": 2}
    for is_deleted in (False, True):
        database.run(remember_customer, customer_id=1, is_deleted=is_deleted, **news)
    database.run(tell_outcome, order_id=uuid4())
    examine(database, INVARIANTS)
    database.read(list_orders, after=None, limit=10)
    forget_keys(database)
    forget_handled(database)
    database.read(backlog)

    def relay(session):
        seqs = [row.seq for row in claim(session, limit=10, now=utcnow())]
        postpone(session, seqs, now=utcnow())
        settle(session, seqs)

    database.run(relay)

    assert shards.faults == {}
    assert {"orders.queries.units_sold", "common.outbox.claim"} <= shards.heard
