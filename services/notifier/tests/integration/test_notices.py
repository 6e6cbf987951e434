# SPDX-License-Identifier: Apache-2.0
from itertools import permutations
from threading import Barrier, Thread

import pytest

from common.contracts import OrderCancelled, ProductDeleted, StockLow
from common.identifiers import uuid7
from notifier.commands.deliveries import DELIVERED_AT_ONCE

ADMINS = ["ada@example.com", "grace@example.com", "linus@example.com"]


@pytest.fixture(autouse=True)
def three_admins(house, make):
    house.admins("ada", "grace", "linus")
    house.hear(make.user(4, "norma", role="analyst"))
    house.hear(make.user(5, "carol"))


def test_every_admin_gets_one_mail_about_a_new_price_and_nobody_else(house, make):
    house.hear(make.price())
    house.send()

    assert house.post.addresses == ADMINS
    assert set(house.post.subjects) == {"Price changed: Blue shoes 12.50 → 10.00 USD"}
    assert house.statuses() == ["sent"] * 3


@pytest.mark.parametrize("first", ["price", "changed"])
def test_price_and_name_of_one_update_are_one_mail_in_either_order(house, make, first):
    events = [make.price(), make.changed()]
    for event in events if first == "price" else events[::-1]:
        house.hear(event, correlationid="c0ffee")
    house.send()

    assert house.post.addresses == ADMINS
    text = house.post.sent[0].get_body(("plain",)).get_content()
    assert "Price: 12.50 USD → 10.00 USD" in text
    assert "Name: Red shoes → Blue shoes" in text
    assert len(house.post.sent[0].get_all("X-Souk-Event-Id")) == 2
    assert {delivery.event_type for delivery in house.deliveries()} == {"ProductPriceChanged"}


def test_two_products_of_one_request_are_two_mails(house, make):
    for product_id in (42, 43):
        house.hear(make.price(product_id=product_id), correlationid="c0ffee")
    house.send()

    assert len(house.post.sent) == 6


def test_two_requests_on_one_product_are_two_mails(house, make):
    for _ in range(2):
        house.hear(make.price())
    house.send()

    assert len(house.post.sent) == 6


def test_two_prices_under_one_correlation_id_are_two_mails(house, make):
    house.hear(make.price(1250, 1000), correlationid="c0ffee")
    house.hear(make.price(1000, 900), correlationid="c0ffee")
    house.send()

    assert sorted(set(house.post.subjects)) == [
        "Price changed: Blue shoes 10.00 → 9.00 USD",
        "Price changed: Blue shoes 12.50 → 10.00 USD",
    ]
    assert len(house.post.sent) == 6


def test_a_part_that_comes_after_the_mail_makes_its_own(house, make):
    house.hear(make.price(), correlationid="c0ffee")
    house.send()
    late = make.changed()
    envelope = house.hear(late, correlationid="c0ffee")
    house.hear_again(late, envelope)
    house.send()

    assert house.post.addresses == sorted(ADMINS * 2)
    assert house.post.subjects[-1] == "Product changed: Blue shoes (name)"


def test_a_notice_waits_for_its_other_events(house, make):
    house.hear(make.price())

    assert house.fan_out(gather_seconds=60) == 0
    assert house.fan_out() == 1
    assert house.fan_out() == 0


@pytest.mark.parametrize(
    "name",
    ["price", "changed", "created", "deleted", "stock", "stock_low", "order", "cancelled"],
)
def test_every_event_that_comes_twice_is_mailed_once(house, make, name):
    event = {
        "price": make.price(),
        "changed": make.changed(),
        "created": make.changed({"price": (None, 100)}, kind=make.created_product),
        "deleted": make.changed({"price": (100, None)}, kind=ProductDeleted),
        "stock": make.stock(),
        "stock_low": StockLow(product_id=42, sku=None, name="Shoes", available=1, threshold=2),
        "order": make.order(customer_id=5),
        "cancelled": make.order(customer_id=5, kind=OrderCancelled),
    }[name]
    envelope = house.hear(event)
    house.hear_again(event, envelope)
    house.send()
    house.hear_again(event, envelope)
    house.send()

    receipt = name in {"order", "cancelled"}
    assert house.post.addresses == (["carol@example.com"] if receipt else ADMINS)


def test_news_out_of_order_are_all_mailed(house, make):
    deleted = make.changed({"name": ("Blue shoes", None)}, kind=ProductDeleted)
    house.hear(deleted, aggregateversion=3)
    house.hear(make.price(), aggregateversion=2)
    house.hear(make.changed({"price": (None, 1250)}, kind=make.created_product), aggregateversion=1)
    house.send()

    assert len(set(house.post.subjects)) == 3
    assert len(house.post.sent) == 9


def test_a_change_that_changes_nothing_is_mailed_to_nobody(house, make):
    house.hear(make.price(1000, 1000))
    house.hear(make.changed({}))
    house.hear(make.changed({"mark": ("Acme", "Acme")}))
    house.send()

    assert house.post.sent == []


def test_a_receipt_goes_to_the_customer_only(house, make):
    house.hear(make.order(customer_id=5))
    house.send()

    assert house.post.addresses == ["carol@example.com"]
    assert house.post.subjects == ["Your order: 25.00 USD"]


def test_a_customer_without_an_address_gets_no_receipt(house, make):
    house.hear(make.user(6, "guest", email=None))
    house.hear(make.order(customer_id=6))
    house.send()

    assert house.deliveries() == []


def test_an_admin_without_an_address_is_left_out(house, make):
    house.hear(make.user(6, "mute", role="admin", email=None))
    house.hear(make.price())
    house.send()

    assert house.post.addresses == ADMINS


def test_news_without_any_admin_close_without_a_mail(house, make, clean, database):
    clean(database)
    house.hear(make.price())
    house.send()

    assert house.deliveries() == []


def test_two_consumers_with_the_two_parts_at_once_make_one_notice(house, make):
    barrier = Barrier(2)

    def hear(event, correlation_id):
        barrier.wait()
        house.hear(event, correlationid=correlation_id)

    for attempt in range(10):
        pair = [
            Thread(target=hear, args=(event, f"request {attempt}"))
            for event in (make.price(), make.changed())
        ]
        for thread in pair:
            thread.start()
        for thread in pair:
            thread.join()

    assert house.fan_out() == 10


def test_two_fan_outs_at_once_make_each_delivery_once(house, make):
    house.hear_all([make.price() for _ in range(30)])
    barrier = Barrier(4)

    def work():
        barrier.wait()
        while house.fan_out():
            pass

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(house.deliveries()) == 90


def test_a_stock_that_somebody_corrected_is_mailed_with_the_old_number_and_the_name(house, make):
    house.hear(make.changed({"price": (None, 1250)}, kind=make.created_product))
    house.send()
    house.post.sent.clear()
    house.hear(make.stock(5, 3, reason="counted again"), aggregateversion=7)
    house.send()

    assert house.post.addresses == ADMINS
    assert set(house.post.subjects) == {"Stock changed: Blue shoes 5 → 3"}
    text = house.post.sent[0].get_body(("plain",)).get_content()
    assert "On hand: 5 → 3 (counted again)" in text
    assert "SKU: SH-42" in text
    assert "By: ada (user/1)" in text


def test_news_of_the_stock_before_any_of_its_product_are_mailed_by_its_id(house, make):
    house.hear(make.stock(5, 3))
    house.send()

    assert set(house.post.subjects) == {"Stock changed: Product 42 5 → 3"}


def test_an_older_name_does_not_replace_a_newer_one(house, make):
    house.hear(make.changed(name="Red shoes"), aggregateversion=3)
    house.hear(make.changed(name="Blue shoes"), aggregateversion=2)
    house.send()
    house.hear(make.stock(5, 3))
    house.send()

    assert house.post.subjects[-1] == "Stock changed: Red shoes 5 → 3"


@pytest.mark.parametrize("order", list(permutations(("price", "changed", "stock"))))
def test_everything_that_one_request_changed_is_one_mail_in_any_order_and_twice(house, make, order):
    events = {"price": make.price(), "changed": make.changed(), "stock": make.stock(5, 3)}
    told = [(events[name], house.hear(events[name], correlationid="c0ffee")) for name in order]
    for event, envelope in told[::-1]:
        house.hear_again(event, envelope)
    house.send()
    for event, envelope in told:
        house.hear_again(event, envelope)
    house.send()

    assert house.post.addresses == ADMINS
    assert set(house.post.subjects) == {"Price changed: Blue shoes 12.50 → 10.00 USD"}
    text = house.post.sent[0].get_body(("plain",)).get_content()
    for row in ("12.50 USD → 10.00 USD", "Red shoes → Blue shoes", "On hand: 5 → 3"):
        assert row in text


def test_what_orders_take_and_give_back_is_no_news(house, make):
    for reason in ("sold", "cancelled"):
        house.hear(make.stock(reason=reason), causationid=str(uuid7()), actor="user/5")
    house.send()

    assert house.post.sent == []


def test_nobody_hides_a_change_of_the_stock_behind_a_reason(house, make):
    house.hear(make.stock(5, 3, reason="sold"), aggregateversion=4)
    house.hear(make.stock(3, 9, reason="initial stock"), aggregateversion=5)
    house.send()

    assert len(house.post.sent) == 6


def test_a_product_with_its_first_units_is_one_mail_in_either_order(house, make):
    created = make.changed({"price": (None, 1250)}, kind=make.created_product)
    first = make.stock(0, 5, reason="initial stock")
    house.hear(first, correlationid="c0ffee", aggregateversion=2)
    house.send()
    house.hear(created, correlationid="c0ffee")
    house.send()
    house.hear(first, correlationid="c0ffee", aggregateversion=2)
    house.send()

    assert house.post.addresses == ADMINS
    assert set(house.post.subjects) == {"New product: Blue shoes 12.50 USD"}


def test_a_stock_that_stays_as_it_was_is_mailed_to_nobody(house, make):
    house.hear(make.stock(5, 5))
    house.send()

    assert house.post.sent == []


@pytest.mark.parametrize(
    ("admins", "closed"),
    [(DELIVERED_AT_ONCE // 3, [3, 1, 0]), (DELIVERED_AT_ONCE + 1, [1, 1, 1, 1, 0])],
)
def test_a_transaction_tells_only_so_many(house, make, admins, closed):
    """What is locked until it ends must not grow with the number of admins."""
    house.appoint(admins)
    for _ in range(4):
        house.hear(make.price())

    assert [house.fan_out() for _ in closed] == closed
    assert house.count_deliveries() == 4 * admins
