# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime, timedelta
from itertools import permutations

from analytics.models import CANCELLED, PLACED, Product, Sale

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_a_sale_ends_up_the_same_in_whatever_order_its_news_arrive():
    news = [
        {"at": NOON, "status": PLACED},
        {"at": NOON + timedelta(minutes=1), "status": PLACED},
        {"at": NOON + timedelta(minutes=2), "status": CANCELLED},
    ]

    for first, *others in permutations(news):
        sale = Sale(**first)
        for one in others:
            sale.learn(**one)
        assert (sale.at, sale.status) == (NOON, CANCELLED)


def test_a_product_keeps_the_state_of_its_highest_version():
    product = Product(id=1, version=3, sku="NEW", name="New", seller_id=2)

    product.learn(version=2, sku="OLD", name="Old", seller_id=1)
    assert (product.version, product.sku, product.name, product.seller_id) == (3, "NEW", "New", 2)

    product.learn(version=4, sku=None, name="Newest", seller_id=2)
    assert (product.version, product.sku, product.name) == (4, None, "Newest")
