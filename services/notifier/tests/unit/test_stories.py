# SPDX-License-Identifier: Apache-2.0
import pytest

from common.contracts import OrderCancelled, ProductDeleted, ProductViewed, StockLow
from notifier.stories import Called, first_part, one_line, tell


@pytest.fixture
def told(make):
    def tell_of(*events, **envelope):
        parts = [(make.seal(event, **envelope), event) for event in events]
        return tell(parts, currency="EUR", names={})

    return tell_of


def test_a_new_price_is_told_with_the_old_one(make, told):
    story = told(make.price(1250, 1000))

    assert story.headline == "Price changed: Blue shoes 12.50 → 10.00 USD"
    assert [(row.label, row.old, row.new) for row in story.rows] == [
        ("Price", "12.50 USD", "10.00 USD")
    ]
    assert dict(story.facts) == {"Product": "Blue shoes", "SKU": "SH-42", "Product id": "42"}


def test_price_and_name_of_one_update_are_one_story_in_either_order(make):
    parts = [(make.seal(event), event) for event in (make.changed(), make.price())]

    story = tell(parts, currency="USD", names={})

    assert story == tell(parts[::-1], currency="USD", names={})
    assert story.headline.startswith("Price changed: Blue shoes")
    assert [row.label for row in story.rows] == ["Price", "Name"]
    assert set(story.event_ids) == {envelope.id for envelope, _ in parts}
    assert first_part(parts)[1] == parts[1][1]


def test_a_change_without_a_new_price_names_its_fields(make, told):
    story = told(make.changed({"description": ("Soft", "Softer"), "low_stock_at": (None, 3)}))

    assert story.headline == "Product changed: Blue shoes (description, low stock at)"
    assert [(row.old, row.new) for row in story.rows] == [("Soft", "Softer"), ("—", "3")]


def test_a_new_product_is_told_with_its_price(make, told):
    fields = {"name": (None, "Blue shoes"), "price": (None, 1250), "currency": (None, "CHF")}

    story = told(make.changed(fields, kind=make.created_product))

    assert story.headline == "New product: Blue shoes 12.50 CHF"
    assert ("Price", "—", "12.50 CHF") in [(row.label, row.old, row.new) for row in story.rows]


def test_an_amount_without_a_currency_is_in_the_shops(make, told):
    assert told(make.changed({"price": (100, 250)})).rows[0].new == "2.50 EUR"


def test_a_removed_product_is_told_with_its_last_values(make, told):
    story = told(make.changed({"mark": ("Acme", None)}, kind=ProductDeleted))

    assert story.headline == "Product removed: Blue shoes"
    assert (story.rows[0].old, story.rows[0].new) == ("Acme", "—")


def test_low_stock_is_told_with_what_is_left(told):
    event = StockLow(product_id=42, sku=None, name="Blue shoes", available=2, threshold=3)

    story = told(event)

    assert story.headline == "Stock low: Blue shoes, 2 left"
    assert ("SKU", "—") in story.facts


def test_a_corrected_stock_is_told_with_the_old_number_and_the_product_s_name(make):
    event = make.stock(5, 3)
    names = {42: Called(sku="SH-42", name="Blue shoes")}

    story = tell([(make.seal(event), event)], currency="USD", names=names)

    assert story.headline == "Stock changed: Blue shoes 5 → 3"
    assert [(row.label, row.old, row.new) for row in story.rows] == [
        ("On hand", "5", "3 (corrected)")
    ]
    assert dict(story.facts) == {"Product": "Blue shoes", "SKU": "SH-42", "Product id": "42"}


def test_the_stock_of_a_product_that_nobody_named_is_told_by_its_id(make, told):
    assert told(make.stock(0, 7)).headline == "Stock changed: Product 42 0 → 7"


def test_a_new_price_and_a_new_name_are_bigger_news_than_a_corrected_stock(make, told):
    assert told(make.stock(), make.changed()).headline == "Product changed: Blue shoes (name)"
    story = told(make.stock(), make.changed(), make.price())
    assert story.headline.startswith("Price changed")
    assert [row.label for row in story.rows] == ["Price", "Name", "On hand"]


def test_a_receipt_lists_its_lines(make, told):
    story = told(make.order(name=""))

    assert (story.headline, story.total) == ("Your order: 25.00 USD", "25.00 USD")
    line = story.lines[0]
    assert (line.name, line.quantity, line.unit_price, line.subtotal) == (
        "Product 42",
        2,
        "12.50 USD",
        "25.00 USD",
    )


def test_a_cancelled_order_is_told_as_that(make, told):
    assert told(make.order(kind=OrderCancelled)).headline == "Order cancelled: 25.00 USD"


def test_what_is_not_mailed_has_no_story(told):
    event = ProductViewed(product_id=42, viewer_id=None, session="s", status=200, path="/")

    with pytest.raises(TypeError):
        told(event)


@pytest.mark.parametrize(
    "name",
    ["Shoes\r\nBcc: eve@example.net", "Shoes\nBcc: eve@example.net", "Shoes\u2028Bcc: eve", "\x0b"],
)
def test_no_name_brings_a_line_break_into_a_headline(make, told, name):
    assert len(told(make.price(name=name)).headline.splitlines()) == 1


def test_direction_marks_do_not_turn_a_price_around():
    assert one_line("Shoes \u202e00.01") == "Shoes 00.01"


def test_a_long_name_leaves_room_for_the_price(make, told):
    headline = told(make.price(name="x" * 1000)).headline

    assert headline.endswith("… 12.50 → 10.00 USD")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "yes"), (False, "no"), (None, "—"), ("", "—"), (3, "3"), (["a", 1], '["a",1]')],
)
def test_every_kind_of_value_can_be_shown(make, told, value, shown):
    assert told(make.changed({"field": ("old", value)})).rows[0].new == shown
