# SPDX-License-Identifier: Apache-2.0
"""No statement of catalog asks every shard, but those that are named in deploy/vitess."""

import base64
from uuid import uuid4

from catalog import queries
from catalog.audit import INVARIANTS, list_ledger, list_reservations
from catalog.commands.overdue import ask_about_overdue
from catalog.commands.reservations import (
    Wish,
    cancel_reservation,
    release_reservation,
)
from catalog.picture_queries import numbered_page
from common.audit import examine
from support.reserving import reserve_one, sell_one

EXPECTED = {
    "catalog.commands.reservations._known",
    "catalog.commands.reservations._reserve",
    "catalog.locks.lock_stock",
    "catalog.queries.products_by_ref",
}


def wish(*products, units=1):
    return Wish(lines=dict.fromkeys(products, units), prices={}, total=None)


def test_what_customers_sellers_and_orders_do_knows_its_shard(
    shards, client, grace, database, sell, images, token_factory
):
    lamp, chair = sell("Lamp", quantity=3, sku="LAMP-1").id, sell("Chair", quantity=1).id
    for ref in (lamp, "LAMP-1"):
        client.get(f"/v1/products/{ref}")
    client.patch(f"/v1/products/{lamp}", json={"price": "10.00", "sku": "LAMP-2"}, headers=grace)
    client.post(f"/v1/products/{lamp}/stock", json={"set": 5}, headers=grace)
    client.get(f"/v1/products/{lamp}/stock/ledger", headers=grace)
    client.get(f"/v1/products/{lamp}/prices")
    orders = token_factory.service_bearer("orders")
    client.get(f"/internal/products/resolve?refs={lamp},LAMP-2", headers=orders)
    first, second, third = uuid4(), uuid4(), uuid4()
    for order_id, units in ((first, 1), (second, 1), (third, 9)):
        reserve_one(database, order_id=order_id, wish=wish(lamp, chair, units=units))
    sell_one(database, first)
    database.run(cancel_reservation, order_id=first)
    database.run(release_reservation, order_id=second)
    body = {"data": base64.b64encode(images.png()).decode(), "product": lamp}
    client.post("/v1/pictures", json=body, headers=grace)
    client.delete(f"/v1/products/{chair}", headers=grace)

    assert shards.faults == {}
    assert shards.heard >= EXPECTED


def test_lists_sweeps_and_audits_ask_all_shards_only_where_it_is_named(
    shards, client, grace, database, sell
):
    sell("Lamp", quantity=3)
    for path in ("/v1/products", "/v1/products?q=lamp", "/v1/products?sort=price"):
        assert client.get(path).status_code == 200
    client.get("/api/products")
    client.get("/api/products/my", headers=grace)
    client.get("/v1/pictures", headers=grace)
    database.read(numbered_page, username=None, page=1, limit=10)
    database.read(queries.product_by_any_name, "Lamp", seller_id=7)
    database.read(queries.known_skus, ["A"])
    database.run(ask_about_overdue, overdue_seconds=1, repeat_seconds=1)
    examine(database, INVARIANTS)
    database.read(list_reservations, after=None, limit=10)
    database.read(list_ledger, after=0, limit=10)

    assert shards.faults == {}
    assert "catalog.queries.list_products" in shards.heard
