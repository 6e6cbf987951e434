# SPDX-License-Identifier: Apache-2.0
from itertools import permutations

import pytest
from sqlalchemy import select

from analytics import queries
from analytics.errors import ProductNotFound
from analytics.models import Product

LAMP, CHAIR = 42, 43
GRACE = 7


def known(session) -> list[tuple]:
    query = select(Product).order_by(Product.id)
    return [
        (row.id, row.public_id, row.sku, row.name, row.seller_id, row.version, row.is_deleted)
        for row in session.scalars(query)
    ]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_news_of_a_product_may_come_in_any_order(database, hear, teller, order):
    news = [
        teller.created(version=1),
        teller.changed(version=2, sku="LAMP-2", name="Old lamp"),
        teller.changed(version=3, sku="LAMP-3", name="Lamp"),
        teller.deleted(version=4, sku="LAMP-3"),
    ]
    hear(*(news[number] for number in order))

    assert database.read(known) == [(LAMP, "l4mpl4mpl4mp", "LAMP-3", "Lamp", GRACE, 4, True)]


def test_news_that_come_twice_change_nothing(database, hear, teller):
    created, changed = teller.created(version=1), teller.changed(version=2, sku=None)
    hear(created, changed, created, changed)

    assert database.read(known) == [(LAMP, "l4mpl4mpl4mp", None, "Lamp", GRACE, 2, False)]


@pytest.mark.parametrize("ref", ["42", "042", "l4mpl4mpl4mp", "LAMP-1"])
def test_a_product_is_found_by_each_of_its_names(database, hear, teller, ref):
    hear(teller.created())

    assert database.read(queries.product_by_ref, ref).id == LAMP


@pytest.mark.parametrize(
    "ref",
    ["41", "lamp-1", "L4MPL4MPL4MP", "nothing", "٤٢", "ñ", "%", "0", str(2**63), "9" * 5000, "-42"],
)
def test_nothing_else_is_a_products_name(database, hear, teller, ref):
    hear(teller.created())

    with pytest.raises(ProductNotFound):
        database.read(queries.product_by_ref, ref)


def test_a_sku_that_was_given_on_means_the_living_product(database, hear, teller):
    hear(
        teller.created(LAMP, sku="LIGHT", version=1),
        teller.created(CHAIR, sku="CHAIR-1", public_id="ch41rch41rch", version=1),
    )
    hear(teller.deleted(CHAIR, sku="LIGHT", public_id="ch41rch41rch", version=2))

    assert database.read(queries.product_by_ref, "LIGHT").id == LAMP
    assert database.read(queries.product_by_ref, str(CHAIR)).is_deleted
